"""What the edge counts of public requests. Labels never hold what a stranger sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from admission.lease import LeaseHolder
from runtime.metrics import DURATION_BUCKETS, FIRST_BYTE_BUCKETS, keep_children

REQUESTS: Final = Counter(
    "gatebeyz_edge_requests_total", "Public requests answered", ("surface", "status", "reason")
)
REQUEST_SECONDS: Final = Histogram(
    "gatebeyz_edge_request_duration_seconds", "From a request's headers to the end of its answer",
    ("surface",), buckets=DURATION_BUCKETS,
)  # fmt: skip
FIRST_BYTE_SECONDS: Final = Histogram(
    "gatebeyz_edge_first_byte_seconds", "From a request's headers to the answer's first byte",
    ("surface",), buckets=FIRST_BYTE_BUCKETS,
)  # fmt: skip
IN_FLIGHT: Final = Gauge(
    "gatebeyz_edge_in_flight", "Requests taken in and not yet answered, running streams included",
    ("surface",),
)  # fmt: skip
DRAIN_CUTS: Final = Counter(
    "gatebeyz_edge_drain_cuts_total", "Streams ended in-band because the drain's grace was over"
)
_LEASES: Final = Gauge("gatebeyz_edge_leases", "Keys this edge holds a lease for")
_LEASE_SILENCE: Final = Gauge(
    "gatebeyz_edge_lease_silence_seconds", "Longest time since auth was heard on a held lease"
)
_LOOP_DELAY: Final = Gauge(
    "gatebeyz_edge_loop_delay_seconds", "How long work waits for its turn; much of it sheds load"
)
keep_children(REQUESTS, REQUEST_SECONDS, FIRST_BYTE_SECONDS, IN_FLIGHT)


def watch_process(leases: LeaseHolder, loop_delay_s: Callable[[], float]) -> None:
    """Read the gauges of this process whenever they are scraped."""
    _LEASES.set_function(lambda: len(leases))
    _LEASE_SILENCE.set_function(leases.silence_s)
    _LOOP_DELAY.set_function(loop_delay_s)
