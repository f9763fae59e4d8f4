"""A member's own settings: the password, and an end to every session."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.panel.door import Door
from edge.panel.sentence import sentence_of
from edge.panel.visit import Visit
from gatebeyz.identity.v1 import identity_pb2
from runtime.faults import ServiceFault


class SettingsPages:
    """``/settings`` of every site with a door."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._clients = door.clients

    def routes(self) -> list[Route]:
        """The page and its two forms."""
        door = self._door
        return [
            Route("/settings", door.page(self.show)),
            Route("/settings/password", door.form(self.change_password), methods=["POST"]),
            Route("/settings/sessions", door.form(self.end_sessions), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Response:
        """The page."""
        return self._door.show(visit, "panel/settings.html", error="", changed=False)

    async def change_password(self, visit: Visit) -> Response:
        """Another password; every other session ends."""
        request = identity_pb2.ChangePasswordRequest(
            session_token=visit.token,
            current_password=visit.form.get("current", "")[:1024],
            new_password=visit.form.get("password", "")[:1024],
            client_address=self._door.address_of(visit.request),
        )
        try:
            signed = await self._clients.call(self._clients.identity.ChangePassword, request)
        except ServiceFault as fault:
            return self._door.show(
                visit, "panel/settings.html", 400, error=sentence_of(fault), changed=False
            )
        # The new session has a token of its own, and so have its forms.
        visit.token, visit.session = signed.session_token, signed.session
        answer = self._door.show(visit, "panel/settings.html", error="", changed=True)
        self._door.keep_session(answer, signed.session_token)
        return answer

    async def end_sessions(self, visit: Visit) -> Response:
        """Sign out everywhere, here too."""
        request = identity_pb2.EndSessionRequest(session_token=visit.token, everywhere=True)
        await self._clients.call(self._clients.identity.EndSession, request)
        return RedirectResponse("/sign-in", 303)
