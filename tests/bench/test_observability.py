"""What watching a request costs: its metrics in every process, its trace, and one scrape."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from dialects.registry import DIALECTS
from edge import metrics as edge_metrics
from gatebeyz.inference.v1 import inference_pb2
from runtime import span_export, tracing
from runtime.catalog import Route
from runtime.metrics import observe_rpc
from runtime.span_export import Exporting
from services.relay import metrics as relay_metrics
from services.relay.route import Attempt, Result
from tests.bench.meter import cpu_us, json_us

pytestmark = pytest.mark.bench

# So few that the spans of a round fit the queue.
COUNT = 600
BODY = b'{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}'
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
METADATA = (("x-gatebeyz-service-token", "t"), ("traceparent", CALLER), ("tracestate", "v=1"))
GENERATE = "/gatebeyz.inference.v1.InferenceService/Generate"
SURFACE = DIALECTS["anthropic_messages"].name
ATTEMPTS = [Attempt(Route("main", SURFACE, "m"), 0, Result.ANSWERED)]
USAGE = inference_pb2.Usage(input_tokens=20, cache_read_tokens=400, output_tokens=10)


def observe_at_the_edge() -> None:
    in_flight = edge_metrics.IN_FLIGHT.labels(SURFACE)
    in_flight.inc()
    edge_metrics.FIRST_BYTE_SECONDS.labels(SURFACE).observe(0.3)
    edge_metrics.REQUESTS.labels(SURFACE, 200, "").inc()
    edge_metrics.REQUEST_SECONDS.labels(SURFACE).observe(2.0)
    in_flight.dec()


def observe_at_the_relay() -> None:
    observe_rpc(GENERATE, "OK", 2.0)
    relay_metrics.observe_attempts(ATTEMPTS, is_count=False)
    relay_metrics.ENDS.labels("claude-sonnet-4-5", "main", "END_COMPLETE").inc()
    relay_metrics.GENERATE_SECONDS.labels("main").observe(2.0)
    relay_metrics.FIRST_BYTE_SECONDS.labels("main").observe(0.3)
    relay_metrics.observe_usage("claude-sonnet-4-5", "main", USAGE)


def trace() -> None:
    """The three spans of a native request: the edge's, the relay's, the exchange's."""
    entrance = tracing.start_entrance("POST /v1/messages", tracing.parse_traceparent(CALLER))
    tracing.enter(entrance, tracing.parse_tracestate("v=1"))
    rpc = tracing.start_span(GENERATE, tracing.Kind.SERVER, tracing.parent_of(METADATA, None))
    tracing.enter(rpc, tracing.state_of(METADATA, None))
    exchange = tracing.start_span("POST /v1/messages", tracing.Kind.CLIENT)
    exchange.set("http.response.status_code", 200)
    for span in (exchange, rpc, entrance):
        span.end()


def repeat(work: Callable[[], None]) -> float:
    def run() -> None:
        for _ in range(COUNT):
            work()

    return cpu_us(run, COUNT)


def test_a_native_request_is_watched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = json_us(BODY, COUNT)
    figures = {
        "metrics, edge": repeat(observe_at_the_edge),
        "metrics, relay": repeat(observe_at_the_relay),
        "trace, no collector": repeat(trace),
    }
    # Batches are made and handed over; what an exporter does with them is its own.
    monkeypatch.setattr(span_export, "_exporter", lambda traces: InMemorySpanExporter())
    for name, ratio, parent in (("nothing kept", 0.0, "00"), ("all kept", 1.0, "01")):
        tracer = Exporting("bench", "memory", ratio)
        monkeypatch.setattr(tracing, "_tracer", tracer)
        monkeypatch.setattr("tests.bench.test_observability.CALLER", CALLER[:-2] + parent)
        figures[f"trace, {name}"] = repeat(trace)
        tracer.close()
    scrape = cpu_us(generate_latest, 1)
    with capsys.disabled():
        print(f"\nwatching; baseline: JSON of a small request {base:.2f} us")
        for name, cost in figures.items():
            print(f"  {name:28} {cost:7.2f} us  x{cost / base:.1f}")
        print(f"  {'one scrape':28} {scrape / 1000:7.2f} ms")
