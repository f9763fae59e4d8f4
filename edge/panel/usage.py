"""Usage: an account's days, models and keys, drawn and told, and as a file to take away."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.chart import Chart, draw
from edge.panel.door import Door
from edge.panel.keys import read_labels
from edge.panel.moments import stamp_of
from edge.panel.visit import Visit
from edge.web.rendering import N_
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2

SPANS: Final = (7, 30, 90)
# What a chart tells apart; the rest is drawn as one.
MAX_SERIES: Final = 4
# How requests ended is read from the journal itself, of so many at most.
MAX_ENTRIES: Final = 5000
BROKEN: Final = (inference_pb2.END_UPSTREAM_ERROR, inference_pb2.END_TRUNCATED)
_OTHERS: Final = N_("others")
_KINDS: Final = {
    "input": N_("Input"),
    "cache_read": N_("Cache read"),
    "cache_write": N_("Cache write"),
    "output": N_("Output"),
}


@dataclass(slots=True)
class Sums:
    """What was used; tokens by kind, money in micros."""

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    cost_micros: int = 0
    spent_micros: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of every kind."""
        return self.input + self.cache_read + self.cache_write + self.output

    def add(self, totals: ledger_pb2.Totals) -> None:
        """Count a day in."""
        usage = totals.usage
        self.requests += totals.requests
        self.input += usage.input_tokens
        self.cache_read += usage.cache_read_tokens
        self.cache_write += usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        self.output += usage.output_tokens
        self.cost_micros += totals.cost_micros
        self.spent_micros += totals.spent_micros


@dataclass(slots=True)
class EndCounts:
    """How requests ended; ``by_end`` by inference_pb2.End."""

    requests: int = 0
    entries: int = 0
    by_end: Counter[int] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        """Whether the journal held no more than what was read of it."""
        return self.entries < MAX_ENTRIES

    @property
    def broken(self) -> int:
        """Those that a model or its provider did not finish."""
        return sum(self.by_end[end] for end in BROKEN)


class UsagePages:
    """The usage of one account."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._clients = door.clients

    def routes(self) -> list[Route]:
        """``/usage`` and its file."""
        return [
            Route("/usage", self._door.page(self.show)),
            Route("/usage.csv", self._door.page(self.export)),
        ]

    async def show(self, visit: Visit) -> Response:
        """Charts by day, model and key, and the tables they are drawn from."""
        span = _span(visit)
        days = await self.read_days(visit, span)
        labels = await read_labels(self._clients, visit)
        dates = _dates(span)
        by_model = _series(days, "by_model", {})
        by_key = _series(days, "by_key", labels)
        return self._door.show(
            visit,
            "panel/usage.html",
            span=span,
            spans=SPANS,
            total=_sum(day.total for day in days),
            kinds=_KINDS,
            ends=await self._count_ends(visit, dates[0]),
            models=_ranked(days, "by_model", {}),
            keys=_ranked(days, "by_key", labels),
            days=[(date.fromisoformat(day.day), _sum([day.total])) for day in reversed(days)],
            model_chart=_draw(dates, by_model),
            key_chart=_draw(dates, by_key),
        )

    async def export(self, visit: Visit) -> Response:
        """Every day, model by model, as CSV."""
        days = await self.read_days(visit, _span(visit))
        text = io.StringIO()
        writer = csv.writer(text)
        names = [field.name for field in fields(Sums)]
        writer.writerow(["day", "model", *names])
        for day in days:
            for model in sorted(day.by_model):
                sums = _sum([day.by_model[model]])
                writer.writerow([day.day, _inert(model), *(getattr(sums, name) for name in names)])
        disposition = 'attachment; filename="usage.csv"'
        return Response(
            text.getvalue(),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": disposition},
        )

    async def read_days(self, visit: Visit, span: int) -> list[ledger_pb2.Rollup]:
        """The days of a span that had a request, oldest first."""
        dates = _dates(span)
        request = ledger_pb2.ListRollupsRequest(
            account_id=visit.account_id,
            first_day=dates[0].isoformat(),
            last_day=dates[-1].isoformat(),
        )
        answer = await self._clients.call(self._clients.credit.ListRollups, request, visit.token)
        return list(answer.days)

    async def _count_ends(self, visit: Visit, first: date) -> EndCounts:
        """How the requests of a span ended, of the newest ones where there were many."""
        request = ledger_pb2.ListUsageRequest(account_id=visit.account_id, limit=MAX_ENTRIES)
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        getattr(request, "from").CopyFrom(stamp_of(start))
        counts = EndCounts()
        stream = self._clients.stream(self._clients.credit.ListUsage, request, visit.token)
        async for answer in stream:
            counts.entries += 1
            if answer.entry.kind == ledger_pb2.ENTRY_KIND_SETTLE:
                counts.requests += 1
                counts.by_end[answer.entry.end] += 1
        return counts


def _span(visit: Visit) -> int:
    asked = visit.request.query_params.get("days", "")
    return next((span for span in SPANS if str(span) == asked), SPANS[1])


def _dates(span: int) -> list[date]:
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(span))]


def _sum(totals: Iterable[ledger_pb2.Totals]) -> Sums:
    sums = Sums()
    for one in totals:
        sums.add(one)
    return sums


def _ranked(
    days: list[ledger_pb2.Rollup], part: str, labels: Mapping[str, str]
) -> list[tuple[str, Sums]]:
    """Each model or key with its sums, the most used first."""
    found: defaultdict[str, Sums] = defaultdict(Sums)
    for day in days:
        for name, totals in getattr(day, part).items():
            found[labels.get(name, name)].add(totals)
    return sorted(found.items(), key=lambda item: -item[1].tokens)


def _series(
    days: list[ledger_pb2.Rollup], part: str, labels: Mapping[str, str]
) -> dict[str, dict[date, int]]:
    """Tokens by day for each of the most used; the others together at the end."""
    leading = [name for name, _ in _ranked(days, part, labels)][:MAX_SERIES]
    series: dict[str, dict[date, int]] = {name: defaultdict(int) for name in leading}
    for day in days:
        when = date.fromisoformat(day.day)
        for name, totals in getattr(day, part).items():
            shown = labels.get(name, name)
            target = shown if shown in leading else _OTHERS
            series.setdefault(target, defaultdict(int))[when] += _sum([totals]).tokens
    return series


def _draw(dates: list[date], series: dict[str, dict[date, int]]) -> Chart:
    return draw(
        dates, {name: [by_day.get(day, 0) for day in dates] for name, by_day in series.items()}
    )


def _inert(text: str) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
