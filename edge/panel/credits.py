"""The pages of Claude Credits alone: balance, packs, what was bought, what tokens cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.account import MEANINGS, STATES
from edge.panel.door import Door
from edge.panel.moments import read_moment
from edge.panel.overview import snippets
from edge.panel.visit import Visit
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog, Model
from runtime.prices import Rates


class CreditPages:
    """The wallet of one account."""

    def __init__(self, door: Door, catalog: Callable[[], Catalog], base_url: str) -> None:
        self._door = door
        self._clients = door.clients
        self._catalog = catalog
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """``/``, ``/prices`` and ``/connect``."""
        return [
            Route("/", self._door.page(self.show)),
            Route("/prices", self._door.page(self.prices)),
            Route("/connect", self._door.page(self.connect)),
        ]

    async def show(self, visit: Visit) -> Response:
        """Balance and packs, the one that is spent first at the top."""
        credit, account_id, token = self._clients.credit, visit.account_id, visit.token
        account = await self._clients.call(
            self._clients.accounts.GetAccount,
            auth_pb2.GetAccountRequest(account_id=account_id),
            token,
        )
        balance = await self._clients.call(
            credit.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id), token
        )
        packs = await self._clients.call(
            credit.ListPacks, ledger_pb2.ListPacksRequest(account_id=account_id), token
        )
        state = STATES.get(account.policy.state, "expired")
        return self._door.show(
            visit,
            "panel/credits.html",
            balance=balance.balance,
            packs=[pack_values(pack) for pack in packs.packs],
            state=state,
            meaning=MEANINGS.get(state, ""),
        )

    async def prices(self, visit: Visit) -> Response:
        """What a million tokens cost, and the packs on offer."""
        catalog = self._catalog()
        return self._door.show(
            visit,
            "panel/prices.html",
            models=price_rows(catalog),
            offers=[(pack, price_rows(catalog, pack.name)) for pack in catalog.packs.values()],
        )

    async def connect(self, visit: Visit) -> Response:
        """The base URL and snippets of this product."""
        return self._door.show(visit, "panel/connect.html", **snippets(self._base_url))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The rates of a model: of every request, or of those with more input than ``above``."""

    model: Model
    above: int
    rates: Rates


def price_rows(catalog: Catalog, pack: str = "") -> list[PriceRow]:
    """What a wallet can pay for; with a pack's name only what that pack prices itself."""
    rows = []
    for model in catalog.models.values():
        if pack and model.id not in catalog.packs[pack].prices:
            continue
        if (prices := catalog.prices(model.id, pack)) is not None:
            rows.append(PriceRow(model, 0, prices.rates))
            rows += [PriceRow(model, tier.above_input, tier.rates) for tier in prices.tiers]
    return rows


def pack_values(pack: ledger_pb2.Pack) -> dict[str, Any]:
    """A pack as templates read it."""
    return {
        "name": pack.name,
        "reference": pack.payment_reference,
        "granted_micros": pack.granted_micros,
        "spent_micros": pack.spent_micros,
        "expired_micros": pack.expired_micros,
        "remaining_micros": pack.remaining_micros,
        "granted": read_moment(pack, "granted_at"),
        "expires": read_moment(pack, "expires_at"),
    }
