"""Spans by OpenTelemetry: the only module that knows its SDK, imported where traces are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
)
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from runtime.config import ConfigError
from runtime.tracing import TRACEPARENT, Kind, Span, parse_traceparent

FILE: Final = "file:"
EXPORT_INTERVAL_MS: Final = 1_000
EXPORT_TIMEOUT_S: Final = 5

_KINDS: Final = {Kind.SERVER: trace.SpanKind.SERVER, Kind.CLIENT: trace.SpanKind.CLIENT}
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Exporting:
    """A tracer that sends spans in batches from a thread of its own; a full queue drops them."""

    def __init__(self, process: str, traces: str, ratio: float) -> None:
        resource = Resource.create({"service.name": f"gatebeyz-{process}"})
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self._provider = TracerProvider(sampler=sampler, resource=resource)
        self._provider.add_span_processor(
            BatchSpanProcessor(_exporter(traces), schedule_delay_millis=EXPORT_INTERVAL_MS)
        )
        self._tracer = self._provider.get_tracer("gatebeyz")

    def start(self, name: str, kind: Kind, parent: str) -> Span:
        """See ``tracing.start_span``."""
        context = _PROPAGATOR.extract({TRACEPARENT: parent}) if parent else None
        return _Recorded(self._tracer.start_span(name, context=context, kind=_KINDS[kind]))

    def close(self) -> None:
        """Send what is queued; bounded by the exporter's own time limit."""
        self._provider.shutdown()


class _Recorded:
    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = parse_traceparent(carrier.get(TRACEPARENT, ""))

    def set(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def end(self, fault: str = "") -> None:
        if not self._span.is_recording():
            return
        if fault:
            self._span.set_status(trace.StatusCode.ERROR, fault)
        self._span.end()


def _exporter(traces: str) -> SpanExporter:
    if traces.startswith(FILE):
        try:
            # Appended line by line, so that the processes of one machine may share a file.
            path = Path(traces.removeprefix(FILE))
            file = path.open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"GATEBEYZ_TRACES cannot be opened: {error.strerror}"]) from None
        return ConsoleSpanExporter(
            out=file, formatter=lambda span: span.to_json(indent=None) + "\n"
        )
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=traces, insecure=True, timeout=EXPORT_TIMEOUT_S)
