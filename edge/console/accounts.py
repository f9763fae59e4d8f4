"""The list of accounts, and a form for a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.panel.account import STATES
from edge.panel.door import Door
from edge.panel.moments import read_moment
from edge.panel.sentence import sentence_of
from edge.panel.visit import Visit
from gatebeyz.auth.v1 import auth_pb2
from runtime.catalog import Catalog
from runtime.faults import ServiceFault

PAGE_SIZE: Final = 50
PRODUCTS: Final = {"api": auth_pb2.PRODUCT_API, "credits": auth_pb2.PRODUCT_CREDITS}


class AccountList:
    """``/`` of the operator's site."""

    def __init__(self, door: Door, catalog: Callable[[], Catalog]) -> None:
        self._door = door
        self._clients = door.clients
        self._catalog = catalog

    def routes(self) -> list[Route]:
        """The list and its form."""
        return [
            Route("/", self._door.page(self.show)),
            Route("/accounts", self._door.page(self.show)),
            Route("/accounts", self._door.form(self.create), methods=["POST"]),
        ]

    async def show(self, visit: Visit) -> Response:
        """One page of accounts, in order of creation."""
        return await self._list(visit, "")

    async def create(self, visit: Visit) -> Response:
        """A new account on a plan of its product, or without one."""
        request = auth_pb2.CreateAccountRequest(
            name=visit.text("name"),
            product=PRODUCTS.get(visit.text("product"), auth_pb2.PRODUCT_UNSPECIFIED),
            plan=visit.text("plan"),
        )
        accounts = self._clients.accounts
        try:
            created = await self._clients.call(accounts.CreateAccount, request, visit.token)
        except ServiceFault as fault:
            return await self._list(visit, sentence_of(fault))
        return RedirectResponse(f"/accounts/{created.account.account_id}", 303)

    async def _list(self, visit: Visit, error: str) -> Response:
        request = auth_pb2.ListAccountsRequest(
            page_size=PAGE_SIZE, page_token=visit.request.query_params.get("after", "")[:64]
        )
        accounts = self._clients.accounts
        page = await self._clients.call(accounts.ListAccounts, request, visit.token)
        return self._door.show(
            visit,
            "console/accounts.html",
            400 if error else 200,
            accounts=[account_values(one) for one in page.accounts],
            after=page.next_page_token,
            plans=self._catalog().plans.values(),
            error=error,
        )


def account_values(account: auth_pb2.Account) -> dict[str, Any]:
    """An account as templates read it."""
    return {
        "id": account.account_id,
        "name": account.name,
        "product": "api" if account.product == auth_pb2.PRODUCT_API else "credits",
        "plan": account.plan,
        "state": STATES.get(account.state, "expired"),
        "created": read_moment(account, "created_at"),
        "expires": read_moment(account, "expires_at"),
        "upstreams": list(account.upstreams),
        "overrides": [
            {"model": one.model, "allowed": one.allowed, "ends": read_moment(one, "ends_at")}
            for one in account.overrides
        ],
    }
