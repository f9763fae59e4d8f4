"""Keys: listed masked, created, labelled, limited in time, reset, revoked.

A new secret stands in the answer to the very form that made it, and nowhere else.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.panel.clients import Clients
from edge.panel.door import Door
from edge.panel.moments import end_of, parse_day, read_moment
from edge.panel.sentence import sentence_of
from edge.panel.visit import Visit
from edge.web.rendering import N_
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from runtime.faults import Reason, ServiceFault

MAX_LABEL_LENGTH: Final = 200
PAGE_SIZE: Final = 200
GRACES: Final[dict[str, str]] = {
    "0": N_("at once"),
    "3600": N_("in one hour"),
    "86400": N_("in 24 hours"),
}
_PAST_DAY: Final = N_("Choose a day that is still to come.")


class KeyPages:
    """The pages of one account's keys."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._clients = door.clients

    def routes(self) -> list[Route]:
        """``/keys`` and one page for each key."""
        door = self._door
        return [
            Route("/keys", door.page(self.show_all)),
            Route("/keys", door.form(self.create), methods=["POST"]),
            Route("/keys/{key_id}", door.page(self.show_one)),
            Route("/keys/{key_id}", door.form(self.update), methods=["POST"]),
            Route("/keys/{key_id}/reset", door.form(self.reset), methods=["POST"]),
            Route("/keys/{key_id}/revoke", door.form(self.revoke), methods=["POST"]),
        ]

    async def show_all(self, visit: Visit) -> Response:
        """Every key, the newest first."""
        return await self._list(visit)

    async def create(self, visit: Visit) -> Response:
        """A new key; its secret is in this answer alone."""
        request = auth_pb2.CreateKeyRequest(
            account_id=visit.account_id, label=visit.text("label")[:MAX_LABEL_LENGTH]
        )
        error = _set_expiry(request, visit.text("expires_on"))
        if error:
            return await self._list(visit, error)
        try:
            await self._confirm(visit)
            created = await self._clients.call(self._clients.keys.CreateKey, request, visit.token)
        except ServiceFault as fault:
            return await self._list(visit, sentence_of(fault))
        return self._door.show(
            visit, "panel/key_new.html", key=created.key, secret=created.secret, is_reset=False
        )

    async def show_one(self, visit: Visit) -> Response:
        """One key, with what may be done to it."""
        return await self._one(visit)

    async def update(self, visit: Visit) -> Response:
        """Another label, another last day."""
        key = auth_pb2.Key(key_id=_id_of(visit), label=visit.text("label")[:MAX_LABEL_LENGTH])
        error = _set_expiry(key, visit.text("expires_on"))
        if error:
            return await self._one(visit, error)
        request = auth_pb2.UpdateKeyRequest(
            key=key, update_mask=FieldMask(paths=["label", "expires_at"])
        )
        try:
            await self._clients.call(self._clients.keys.UpdateKey, request, visit.token)
        except ServiceFault as fault:
            return await self._one(visit, sentence_of(fault))
        return RedirectResponse("/keys", 303)

    async def reset(self, visit: Visit) -> Response:
        """A new secret in place of the old, which ends at once or after a grace."""
        grace = visit.text("grace")
        if visit.text("sure") != "yes" or grace not in GRACES:
            return await self._one(visit, N_("Tick the box to say that you are sure."))
        request = auth_pb2.ResetKeyRequest(
            key_id=_id_of(visit), grace_s=int(grace), request_id=visit.text("attempt")[:64]
        )
        try:
            await self._confirm(visit)
            done = await self._clients.call(self._clients.keys.ResetKey, request, visit.token)
        except ServiceFault as fault:
            return await self._one(visit, sentence_of(fault))
        # Sent twice, the form finds the key made the first time; its secret was shown then.
        secret = "" if done.secret == done.key.masked else done.secret
        return self._door.show(
            visit, "panel/key_new.html", key=done.key, secret=secret, is_reset=True
        )

    async def revoke(self, visit: Visit) -> Response:
        """End a key for good; its running streams end too."""
        if visit.text("sure") != "yes":
            return await self._one(visit, N_("Tick the box to say that you are sure."))
        request = auth_pb2.RevokeKeyRequest(key_id=_id_of(visit))
        await self._clients.call(self._clients.keys.RevokeKey, request, visit.token)
        return RedirectResponse("/keys", 303)

    async def _confirm(self, visit: Visit) -> None:
        """Send the password on where the form asked for it."""
        if password := visit.form.get("password", ""):
            request = identity_pb2.ConfirmSessionRequest(
                session_token=visit.token,
                password=password[:1024],
                client_address=self._door.address_of(visit.request),
            )
            answer = await self._clients.call(self._clients.identity.ConfirmSession, request)
            visit.session.CopyFrom(answer.session)

    async def _list(self, visit: Visit, error: str = "") -> Response:
        keys = await self._read_keys(visit)
        status = 400 if error else 200
        return self._door.show(
            visit, "panel/keys.html", status, keys=keys, error=error, today=_today()
        )

    async def _one(self, visit: Visit, error: str = "") -> Response:
        key = next(
            (one for one in await self._read_keys(visit) if one["id"] == _id_of(visit)), None
        )
        if key is None:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such key.")
        return self._door.show(
            visit,
            "panel/key.html",
            400 if error else 200,
            key=key,
            error=error,
            graces=GRACES,
            attempt=secrets.token_hex(16),
            today=_today(),
        )

    async def _read_keys(self, visit: Visit) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            request = auth_pb2.ListKeysRequest(
                account_id=visit.account_id, page_size=PAGE_SIZE, page_token=token
            )
            page = await self._clients.call(self._clients.keys.ListKeys, request, visit.token)
            found += [key_values(key) for key in page.keys]
            token = page.next_page_token
            if not token:
                return sorted(found, key=lambda key: key["state"] != "active")


async def read_labels(clients: Clients, visit: Visit) -> dict[str, str]:
    """What each key of the account is called: by its label, else by its mask."""
    request = auth_pb2.ListKeysRequest(account_id=visit.account_id, page_size=1000)
    answer = await clients.call(clients.keys.ListKeys, request, visit.token)
    return {key.key_id: key.label or key.masked for key in answer.keys}


def key_values(key: auth_pb2.Key) -> dict[str, Any]:
    """A key as templates read it."""
    return {
        "id": key.key_id,
        "masked": key.masked,
        "label": key.label,
        "state": key.state,
        "created": read_moment(key, "created_at"),
        "expires": read_moment(key, "expires_at"),
        "used": read_moment(key, "last_used_at"),
        "models": list(key.models),
        "networks": list(key.networks),
    }


def _id_of(visit: Visit) -> str:
    key_id: str = visit.request.path_params["key_id"]
    return key_id[:128]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _set_expiry(message: Any, text: str) -> str:
    """Set ``expires_at`` to the end of a day, where one is given; what is wrong with it."""
    if not text:
        return ""
    day = parse_day(text)
    if day is None or day < datetime.now(UTC).date():
        return _PAST_DAY
    message.expires_at.CopyFrom(end_of(day))
    return ""
