"""What auth counts of leases, of settlements and of its store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from services.auth.lease import LeaseRegistry
from services.auth.ledger.settlement import Settlement

SETTLED: Final = Counter("gatebeyz_auth_settlements_total", "Settlements recorded for good")
SETTLEMENT_AGE: Final = Gauge(
    "gatebeyz_auth_settlement_age_seconds",
    "From the end of a request to its record, for the oldest of the last batch",
)
COST: Final = Counter(
    "gatebeyz_auth_cost_dollars_total", "Price of what was settled, by model", ("model",)
)
_LEASES: Final = Gauge("gatebeyz_auth_leases", "Leases that holders follow here")
_STORE_AWAY: Final = Gauge(
    "gatebeyz_auth_store_away", "Whether the change log of the store cannot be followed"
)


def watch_process(leases: LeaseRegistry, is_away: Callable[[], bool]) -> None:
    """Read the gauges of the whole process whenever they are scraped."""
    _LEASES.set_function(lambda: len(leases))
    _STORE_AWAY.set_function(is_away)


def observe_settled(priced: Sequence[tuple[Settlement, int]], recorded: int) -> None:
    """Note a batch that is in the ledger, with its prices in micro-dollars.

    A replay records nothing new; the cost of a batch that is new in part is left out.
    """
    SETTLED.inc(recorded)
    if recorded == len(priced):
        for one, cost in priced:
            COST.labels(one.model).inc(cost / 1e6)
    now_ms = time.time() * 1000
    ages_ms = (now_ms - one.started_ms - one.total_ms for one, _ in priced)
    SETTLEMENT_AGE.set(max(0.0, *ages_ms, 0.0) / 1000)
