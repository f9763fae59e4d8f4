"""One account as an operator sees it, and everything an operator may do to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.console.accounts import account_values
from edge.panel.account import AccountReader
from edge.panel.credits import pack_values
from edge.panel.door import Door
from edge.panel.keys import key_values
from edge.panel.moments import read_moment, stamp_of
from edge.panel.sentence import sentence_of
from edge.panel.visit import Visit
from edge.web.brand import Brand
from edge.web.rendering import N_
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog
from runtime.faults import ServiceFault

STATE_VALUES: Final = {
    "active": auth_pb2.ACCOUNT_STATE_ACTIVE,
    "under_review": auth_pb2.ACCOUNT_STATE_UNDER_REVIEW,
    "suspended": auth_pb2.ACCOUNT_STATE_SUSPENDED,
    "expired": auth_pb2.ACCOUNT_STATE_EXPIRED,
}
OVERRIDE_HOURS: Final = (1, 24, 168, 720)
MICROS: Final = 1_000_000
MAX_DOLLARS: Final = 100_000
_BAD_AMOUNT: Final = N_("Enter an amount of dollars above zero and the payment it belongs to.")

Action = Callable[[Visit, str], Awaitable[str | None]]


class AccountPage:
    """``/accounts/<id>``."""

    def __init__(self, door: Door, catalog: Callable[[], Catalog], brand: Brand) -> None:
        self._door = door
        self._clients = door.clients
        self._catalog = catalog
        self._brand = brand
        self._reader = AccountReader(door.clients, catalog)
        self._actions: dict[str, Action] = {
            "policy": self._set_policy,
            "override": self._override,
            "credit": self._grant,
            "link": self._invite,
            "remove-member": self._remove_member,
            "revoke-key": self._revoke_key,
        }

    def routes(self) -> list[Route]:
        """The page, and one path for each action."""
        return [
            Route("/accounts/{account_id}", self._door.page(self.show)),
            Route("/accounts/{account_id}/{action}", self._door.form(self.act), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Response:
        """Everything there is to know."""
        return await self._page(visit)

    async def act(self, visit: Visit) -> Response:
        """Do one thing and show the page again; a new link is in this answer alone."""
        account_id = _id_of(visit)
        action = self._actions.get(visit.request.path_params["action"])
        try:
            link = await action(visit, account_id) if action else None
        except ServiceFault as fault:
            return await self._page(visit, error=sentence_of(fault))
        except ValueError as error:
            return await self._page(visit, error=str(error))
        if link:
            return await self._page(visit, link=link)
        return RedirectResponse(f"/accounts/{account_id}", 303)

    async def _set_policy(self, visit: Visit, account_id: str) -> None:
        account = auth_pb2.Account(
            account_id=account_id,
            plan=visit.text("plan"),
            state=STATE_VALUES.get(visit.text("state"), auth_pb2.ACCOUNT_STATE_UNSPECIFIED),
            upstreams=[name.strip() for name in visit.text("upstreams").split(",") if name.strip()],
        )
        mask = FieldMask(paths=["plan", "state", "upstreams"])
        request = auth_pb2.UpdateAccountRequest(account=account, update_mask=mask)
        await self._clients.call(self._clients.accounts.UpdateAccount, request, visit.token)

    async def _override(self, visit: Visit, account_id: str) -> None:
        override = auth_pb2.ModelOverride(
            model=visit.text("model"), allowed=visit.text("allowed") == "yes"
        )
        if visit.text("hours").isdecimal() and int(visit.text("hours")) in OVERRIDE_HOURS:
            ends = datetime.now(UTC) + timedelta(hours=int(visit.text("hours")))
            override.ends_at.CopyFrom(stamp_of(ends))
        request = auth_pb2.OverrideModelAccessRequest(account_id=account_id, override=override)
        accounts = self._clients.accounts
        await self._clients.call(accounts.OverrideModelAccess, request, visit.token)

    async def _grant(self, visit: Visit, account_id: str) -> None:
        request = ledger_pb2.GrantCreditsRequest(
            account_id=account_id, payment_reference=visit.text("reference")[:128]
        )
        if pack := visit.text("pack"):
            request.pack = pack
        else:
            request.amount_micros = _micros(visit.text("dollars"))
        if not request.payment_reference:
            raise ValueError(_BAD_AMOUNT)
        await self._clients.call(self._clients.credit.GrantCredits, request, visit.token)

    async def _invite(self, visit: Visit, account_id: str) -> str:
        account = await self._read_account(visit, account_id)
        is_api = account.product == auth_pb2.PRODUCT_API
        request = identity_pb2.CreateLinkRequest(
            realm=identity_pb2.REALM_API if is_api else identity_pb2.REALM_CREDITS,
            email=visit.text("email"),
            account_id=account_id,
            kind=identity_pb2.LINK_KIND_PASSWORD,
        )
        made = await self._clients.call(self._clients.members.CreateLink, request, visit.token)
        url = self._brand.panel_url if is_api else self._brand.credits_panel_url
        return f"{url}/link/{made.link_token}"

    async def _remove_member(self, visit: Visit, _account_id: str) -> None:
        request = identity_pb2.RemoveMemberRequest(member_id=visit.text("member_id"))
        await self._clients.call(self._clients.members.RemoveMember, request, visit.token)

    async def _revoke_key(self, visit: Visit, _account_id: str) -> None:
        request = auth_pb2.RevokeKeyRequest(key_id=visit.text("key_id"))
        await self._clients.call(self._clients.keys.RevokeKey, request, visit.token)

    async def _read_account(self, visit: Visit, account_id: str) -> auth_pb2.Account:
        request = auth_pb2.GetAccountRequest(account_id=account_id)
        answer = await self._clients.call(self._clients.accounts.GetAccount, request, visit.token)
        account: auth_pb2.Account = answer.account
        return account

    async def _page(self, visit: Visit, *, error: str = "", link: str = "") -> Response:
        account_id = _id_of(visit)
        account = await self._read_account(visit, account_id)
        catalog = self._catalog()
        product = "api" if account.product == auth_pb2.PRODUCT_API else "credits"
        return self._door.show(
            visit,
            "console/account.html",
            400 if error else 200,
            account=account_values(account),
            now=await self._reader.read(visit, account_id),
            keys=await self._keys(visit, account_id),
            members=await self._members(visit, account_id),
            wallet=await self._wallet(visit, account_id) if product == "credits" else None,
            plans=[plan for plan in catalog.plans.values() if plan.product == product],
            packs=catalog.packs.values(),
            upstreams=catalog.upstreams.values(),
            states=STATE_VALUES,
            hours=OVERRIDE_HOURS,
            error=error,
            link=link,
        )

    async def _keys(self, visit: Visit, account_id: str) -> list[dict[str, Any]]:
        request = auth_pb2.ListKeysRequest(account_id=account_id, page_size=1000)
        answer = await self._clients.call(self._clients.keys.ListKeys, request, visit.token)
        return [key_values(key) for key in answer.keys]

    async def _members(self, visit: Visit, account_id: str) -> list[dict[str, Any]]:
        request = identity_pb2.ListMembersRequest(account_id=account_id)
        answer = await self._clients.call(self._clients.members.ListMembers, request, visit.token)
        return [member_values(member) for member in answer.members]

    async def _wallet(self, visit: Visit, account_id: str) -> dict[str, Any]:
        credit = self._clients.credit
        balance = await self._clients.call(
            credit.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id), visit.token
        )
        packs = await self._clients.call(
            credit.ListPacks, ledger_pb2.ListPacksRequest(account_id=account_id), visit.token
        )
        return {"balance": balance.balance, "packs": [pack_values(one) for one in packs.packs]}


def member_values(member: identity_pb2.Member) -> dict[str, Any]:
    """A member as templates read it."""
    return {
        "id": member.member_id,
        "email": member.email,
        "has_password": member.has_password,
        "created": read_moment(member, "created_at"),
    }


def _id_of(visit: Visit) -> str:
    account_id: str = visit.request.path_params["account_id"]
    return account_id[:64]


def _micros(dollars: str) -> int:
    """Dollars as micro-dollars; ValueError with a sentence where they are none."""
    try:
        amount = Decimal(dollars.replace(",", "."))
    except InvalidOperation:
        raise ValueError(_BAD_AMOUNT) from None
    if not amount.is_finite() or not 0 < amount <= MAX_DOLLARS:
        raise ValueError(_BAD_AMOUNT)
    return int(amount * MICROS)
