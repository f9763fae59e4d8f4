"""What the counter tells of its queue and its workers; it scales on the first."""

from __future__ import annotations

from typing import Final

from prometheus_client import Gauge

from services.counter.pool import Pool

_IN_FLIGHT: Final = Gauge("gatebeyz_counting_in_flight", "Items admitted and not yet answered")
_QUEUE_BYTES: Final = Gauge("gatebeyz_counting_queue_bytes", "Bytes of the items in flight")
_WORKERS: Final = Gauge("gatebeyz_counting_workers", "Counting processes wanted")
_WORKERS_READY: Final = Gauge("gatebeyz_counting_workers_ready", "Counting processes that count")


def watch_process(pool: Pool) -> None:
    """Read the gauges from ``pool`` whenever they are scraped."""
    _IN_FLIGHT.set_function(lambda: pool.in_flight)
    _QUEUE_BYTES.set_function(lambda: pool.queued_bytes)
    _WORKERS.set(pool.size)
    _WORKERS_READY.set_function(lambda: pool.ready_workers)
