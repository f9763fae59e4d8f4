"""What the relay counts of exchanges with upstreams and of settlements on their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from gatebeyz.inference.v1 import inference_pb2
from runtime.metrics import DURATION_BUCKETS, FIRST_BYTE_BUCKETS, keep_children
from runtime.prices import Prices
from services.relay.revocation import Registry, RevocationWatch
from services.relay.route import Attempt, Result
from services.relay.settlement import Outbox

ATTEMPTS: Final = Counter(
    "gatebeyz_relay_upstream_attempts_total", "Exchanges tried with upstreams",
    ("upstream", "result"),
)  # fmt: skip
UPSTREAM_HEALTHY: Final = Gauge(
    "gatebeyz_relay_upstream_healthy", "Whether the last attempt with an upstream was answered",
    ("upstream",),
)  # fmt: skip
FIRST_BYTE_SECONDS: Final = Histogram(
    "gatebeyz_relay_first_byte_seconds", "From a Generate's start to the upstream's first byte",
    ("upstream",), buckets=FIRST_BYTE_BUCKETS,
)  # fmt: skip
GENERATE_SECONDS: Final = Histogram(
    "gatebeyz_relay_generate_duration_seconds", "From a Generate's start to its end",
    ("upstream",), buckets=DURATION_BUCKETS,
)  # fmt: skip
ENDS: Final = Counter(
    "gatebeyz_relay_generates_total", "Generates by how they ended", ("model", "upstream", "end")
)
TOKENS: Final = Counter(
    "gatebeyz_relay_tokens_total", "Tokens used, by what they are charged as",
    ("model", "upstream", "kind"),
)  # fmt: skip
ESTIMATED: Final = Counter(
    "gatebeyz_relay_estimated_usage_total", "Generates whose usage the upstream did not report",
    ("upstream",),
)  # fmt: skip
UNPAID: Final = Counter(
    "gatebeyz_relay_unpaid_dollars_total",
    "Price of the input of attempts that upstreams may bill and no customer pays",
    ("upstream", "result"),
)  # fmt: skip
_IN_FLIGHT: Final = Gauge("gatebeyz_relay_in_flight", "Generates that run")
_REVOCATION_SILENCE: Final = Gauge(
    "gatebeyz_relay_revocation_silence_seconds", "Time since auth was heard on revocations"
)
_WAITING: Final = Gauge("gatebeyz_relay_settlements_waiting", "Settlements not yet acknowledged")
_LAG: Final = Gauge(
    "gatebeyz_relay_settlement_lag_seconds",
    "How long the oldest batch has waited to be acknowledged",
)
keep_children(
    *(ATTEMPTS, UPSTREAM_HEALTHY, FIRST_BYTE_SECONDS, GENERATE_SECONDS),
    *(ENDS, TOKENS, ESTIMATED, UNPAID),
)

# A caller's own mistake says nothing of the upstream.
_ANSWERED: Final = frozenset({Result.ANSWERED, Result.REFUSED})
_KINDS: Final = (
    ("input", "input_tokens"),
    ("cache_read", "cache_read_tokens"),
    ("cache_write_5m", "cache_write_5m_tokens"),
    ("cache_write_1h", "cache_write_1h_tokens"),
    ("output", "output_tokens"),
    ("reasoning", "reasoning_tokens"),
)


def watch_process(registry: Registry, watch: RevocationWatch, outbox: Outbox) -> None:
    """Read the gauges of the whole process whenever they are scraped."""
    _IN_FLIGHT.set_function(lambda: len(registry))
    _REVOCATION_SILENCE.set_function(watch.silence_s)
    _WAITING.set_function(lambda: len(outbox))
    _LAG.set_function(outbox.lag_s)


def observe_attempts(attempts: list[Attempt], *, is_count: bool) -> None:
    """Note what each upstream did; a count of tokens says nothing of its health."""
    for attempt in attempts:
        upstream = attempt.route.upstream
        ATTEMPTS.labels(upstream, attempt.result).inc()
        if not is_count:
            UPSTREAM_HEALTHY.labels(upstream).set(attempt.result in _ANSWERED)


def observe_unpaid(attempts: Sequence[Attempt], input_tokens: int, prices: Prices | None) -> None:
    """Note what attempts may cost the operator: nobody is charged for them."""
    if prices is None:
        return
    dollars = input_tokens * prices.rates_for(input_tokens).input / 1e12
    for attempt in attempts:
        if attempt.may_be_billed:
            UNPAID.labels(attempt.route.upstream, attempt.result).inc(dollars)


def observe_usage(model: str, upstream: str, usage: inference_pb2.Usage) -> None:
    """Note the tokens of one Generate."""
    for kind, name in _KINDS:
        if amount := getattr(usage, name):
            TOKENS.labels(model, upstream, kind).inc(amount)
    if usage.estimated:
        ESTIMATED.labels(upstream).inc()
