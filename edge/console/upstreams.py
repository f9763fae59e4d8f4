"""Upstreams: what each one is, who is assigned to it, and how it answered of late."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.door import Door
from edge.panel.moments import stamp_of
from edge.panel.usage import BROKEN
from edge.panel.visit import Visit
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog

WINDOW: Final = timedelta(minutes=15)
# Beyond that a figure of the last minutes says no more, and the page would wait.
MAX_ENTRIES: Final = 20_000
MAX_ACCOUNTS: Final = 5_000


@dataclass(slots=True)
class Health:
    """What the journal tells of one upstream."""

    requests: int = 0
    failed: int = 0
    times_ms: list[int] = field(default_factory=list)

    @property
    def failed_share(self) -> float:
        """Of one; 0 where nothing was asked."""
        return self.failed / self.requests if self.requests else 0.0

    @property
    def median_ms(self) -> int:
        """Of whole requests, from first to last byte."""
        return round(median(self.times_ms)) if self.times_ms else 0


class UpstreamPages:
    """``/upstreams``."""

    def __init__(self, door: Door, catalog: Callable[[], Catalog]) -> None:
        self._door = door
        self._clients = door.clients
        self._catalog = catalog

    def routes(self) -> list[Route]:
        """The page."""
        return [Route("/upstreams", self._door.page(self.show))]

    async def show(self, visit: Visit) -> Response:
        """Every upstream of the catalog."""
        catalog = self._catalog()
        models: Counter[str] = Counter()
        for model in catalog.models.values():
            models.update({route.upstream for route in model.routes})
        return self._door.show(
            visit,
            "console/upstreams.html",
            upstreams=catalog.upstreams.values(),
            models=models,
            assigned=await self._assigned(visit),
            health=await self._health(visit),
            minutes=int(WINDOW.total_seconds() // 60),
        )

    async def _assigned(self, visit: Visit) -> Counter[str]:
        """How many accounts are pinned to each."""
        counts: Counter[str] = Counter()
        request = auth_pb2.ListAccountsRequest(page_size=500)
        seen = 0
        while seen < MAX_ACCOUNTS:
            accounts = self._clients.accounts
            page = await self._clients.call(accounts.ListAccounts, request, visit.token)
            for account in page.accounts:
                counts.update(account.upstreams)
            seen += len(page.accounts)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return counts

    async def _health(self, visit: Visit) -> defaultdict[str, Health]:
        request = ledger_pb2.ExportJournalRequest()
        getattr(request, "from").CopyFrom(stamp_of(datetime.now(UTC) - WINDOW))
        found: defaultdict[str, Health] = defaultdict(Health)
        seen = 0
        stream = self._clients.stream(self._clients.credit.ExportJournal, request, visit.token)
        async for answer in stream:
            for entry in answer.entries:
                if entry.kind == ledger_pb2.ENTRY_KIND_SETTLE and entry.upstream:
                    health = found[entry.upstream]
                    health.requests += 1
                    health.failed += entry.end in BROKEN
                    health.times_ms.append(entry.total_ms)
            seen += len(answer.entries)
            if seen >= MAX_ENTRIES:
                break
        return found
