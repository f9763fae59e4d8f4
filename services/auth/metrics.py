"""What auth counts of leases, of settlements and of its store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
    "gatebeyz_auth_cost_dollars_total",
    "Price of what was recorded, by model; an estimate corrected downwards keeps its own",
    ("model",),
)
_LEASES: Final = Gauge("gatebeyz_auth_leases", "Leases that holders follow here")
_STORE_AWAY: Final = Gauge(
    "gatebeyz_auth_store_away", "Whether the change log of the store cannot be followed"
)


def watch_process(leases: LeaseRegistry, is_away: Callable[[], bool]) -> None:
    """Read the gauges of the whole process whenever they are scraped."""
    _LEASES.set_function(lambda: len(leases))
    _STORE_AWAY.set_function(is_away)


def observe_settled(settlements: Sequence[Settlement], new: int) -> None:
    """Note a batch that is in the ledger, and how many of it were not there before."""
    SETTLED.inc(new)
    now_ms = time.time() * 1000
    ages_ms = (now_ms - one.started_ms - one.total_ms for one in settlements)
    SETTLEMENT_AGE.set(max(0.0, *ages_ms, 0.0) / 1000)


def observe_costs(costs: Mapping[str, int]) -> None:
    """Note what a batch added, in micro-dollars by model; a corrected estimate takes nothing."""
    for model, micros in costs.items():
        COST.labels(model).inc(max(0, micros) / 1e6)
