"""Upstreams: what each one is, who is assigned to it, and how relays and the journal see it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.door import Door
from edge.panel.moments import read_moment, stamp_of
from edge.panel.usage import BROKEN
from edge.panel.visit import Visit
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from gatebeyz.status.v1 import status_pb2
from runtime.catalog import Catalog

WINDOW: Final = timedelta(minutes=15)
# Beyond that a figure of the last minutes says no more, and the page would wait.
MAX_ENTRIES: Final = 20_000
MAX_ACCOUNTS: Final = 5_000


CONDITIONS: Final = {
    status_pb2.CONDITION_WELL: "well",
    status_pb2.CONDITION_FAILING: "failing",
    status_pb2.CONDITION_DOWN: "down",
}
"""From good to bad; templates know the words."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How one relay sees one upstream; ``condition`` is a word of CONDITIONS."""

    upstream: str
    relay: str
    condition: str
    failures: int
    last_failure: str
    answered: datetime | None
    failed: datetime | None
    rests_until: datetime | None


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
        sights = await self._sights(visit)
        return self._door.show(
            visit,
            "console/upstreams.html",
            sights=sights,
            worst=_worst(sights),
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

    async def _sights(self, visit: Visit) -> list[Sight]:
        """What every relay last said of every upstream it asked."""
        request = status_pb2.ListRelaysRequest()
        status = self._clients.status
        answer = await self._clients.call(status.ListRelays, request, visit.token)
        sights = [
            Sight(
                upstream=one.name,
                relay=relay.relay_id,
                condition=CONDITIONS.get(one.condition, "well"),
                failures=one.failures,
                last_failure=one.last_failure,
                answered=read_moment(one, "answered_at"),
                failed=read_moment(one, "failed_at"),
                rests_until=read_moment(one, "rests_until"),
            )
            for relay in answer.relays
            for one in relay.upstreams
        ]
        return sorted(sights, key=lambda sight: (sight.upstream, sight.relay))

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


def _worst(sights: Iterable[Sight]) -> dict[str, str]:
    """Upstream → the worst condition that a relay sees it in."""
    order = list(CONDITIONS.values())
    worst: dict[str, str] = {}
    for sight in sights:
        seen = worst.get(sight.upstream, order[0])
        worst[sight.upstream] = max(seen, sight.condition, key=order.index)
    return worst
