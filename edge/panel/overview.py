"""The first page of the monthly panel, and how to connect."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.account import AccountReader
from edge.panel.door import Door
from edge.panel.visit import Visit
from edge.site.example import EXAMPLES, PLACEHOLDER_KEY


class OverviewPages:
    """What the account is and how it is called."""

    def __init__(self, door: Door, reader: AccountReader, base_url: str) -> None:
        self._door = door
        self._reader = reader
        self._base_url = base_url

    def routes(self) -> list[Route]:
        """``/`` and ``/connect``."""
        return [
            Route("/", self._door.page(self.show)),
            Route("/connect", self._door.page(self.connect)),
        ]

    async def show(self, visit: Visit) -> Response:
        """Plan, state, limits and models, as they are now."""
        account = await self._reader.read(visit, visit.account_id)
        return self._door.show(visit, "panel/overview.html", account=account)

    async def connect(self, visit: Visit) -> Response:
        """Base URLs and snippets, with the addresses of this installation."""
        return self._door.show(visit, "panel/connect.html", **snippets(self._base_url))


def snippets(base_url: str) -> dict[str, Any]:
    """What the set-up pages of both products show."""
    return {
        "base_url": base_url,
        "key": PLACEHOLDER_KEY,
        "anthropic": EXAMPLES["message"].texts(base_url),
        "openai": EXAMPLES["chat"].texts(base_url),
    }
