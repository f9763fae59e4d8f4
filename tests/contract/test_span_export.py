"""Spans by OTLP to a collector on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from runtime.config import ConfigError
from runtime.span_export import Exporting
from runtime.tracing import Kind

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, bytes]] = []
        self.target = ""

    def Export(  # noqa: N802 - the name is the proto's
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for group in request.resource_spans:
            (service,) = [
                attribute.value.string_value
                for attribute in group.resource.attributes
                if attribute.key == "service.name"
            ]
            for scope in group.scope_spans:
                self.spans += [(service, span.name, span.trace_id) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[Collector]:
    kept = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(kept, server)
    kept.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield kept
    server.stop(None).wait()


def test_spans_reach_a_collector_with_their_service_and_trace(collector: Collector) -> None:
    tracer = Exporting("relay", collector.target, 1.0)

    outer = tracer.start("outer", Kind.SERVER, CALLER)
    inner = tracer.start("inner", Kind.CLIENT, outer.traceparent)
    inner.end("UPSTREAM_TIMEOUT")
    outer.end()
    outer.end()
    tracer.close()

    trace_id = bytes.fromhex(CALLER[3:35])
    assert collector.spans == [
        ("gatebeyz-relay", "inner", trace_id),
        ("gatebeyz-relay", "outer", trace_id),
    ]


def test_what_is_not_sampled_keeps_its_trace_and_sends_nothing(collector: Collector) -> None:
    tracer = Exporting("edge", collector.target, 0.0)

    span = tracer.start("request", Kind.SERVER, "")
    span.end()
    tracer.close()

    assert int(span.traceparent[-2:], 16) & 1 == 0, "the bit that says sampled"
    assert collector.spans == []


def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        Exporting("edge", f"file:{tmp_path}", 1.0)
