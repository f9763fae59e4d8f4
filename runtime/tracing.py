"""Traces: W3C context through every hop, and spans where the operator collects them.

Each hop takes its parent from the caller (the ``traceparent`` header or gRPC metadata), works under
a context of its own, and hands that to whom it calls. Without a collector no span is made and the
parent's context passes through as it is; an edge that was given none makes one up, so that logs
and upstreams can be joined all the same. A caller's ``tracestate`` goes along. Spans stand for
requests, RPCs and exchanges, never for chunks, and hold no content, no key and no account.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from enum import Enum
from typing import Any, Final, Protocol

from runtime.config import ConfigError, ProcessConfig

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
# Version 00 alone: what a later version appends to it is not ours to pass on unread.
_FORM: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

# Of the caller's tracing vendors; bounds of W3C Trace Context, level 1.
MAX_STATE_LENGTH: Final = 512
MAX_STATE_MEMBERS: Final = 32
_STATE: Final = re.compile(r"[!-~ \t]*")

_current: ContextVar[str] = ContextVar(TRACEPARENT, default="")
_state: ContextVar[str] = ContextVar(TRACESTATE, default="")


class Kind(Enum):
    """Which side of a call a span is."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"


class Span(Protocol):
    """A piece of work; ``traceparent`` goes to whom it calls ("" where nothing is known)."""

    traceparent: str

    def set(self, name: str, value: str | int) -> None:
        """Note an attribute."""

    def end(self, fault: str = "") -> None:
        """It is over; ``fault`` is the reason where it went wrong. Twice is fine."""


class _Unrecorded:
    """The parent's context, passed through."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def set(self, name: str, value: str | int) -> None:
        pass

    def end(self, fault: str = "") -> None:
        pass


UNTRACED: Final[Span] = _Unrecorded("")


class _Tracer(Protocol):
    def start(self, name: str, kind: Kind, parent: str) -> Span: ...

    def close(self) -> None: ...


class _NoTracer:
    def start(self, name: str, kind: Kind, parent: str) -> Span:
        return _Unrecorded(parent)

    def close(self) -> None:
        pass


_tracer: _Tracer = _NoTracer()


def configure(process: str, config: ProcessConfig) -> None:
    """Send spans where ``config.traces`` says, if anywhere.

    ``config.traces_ratio`` of the traces that begin here is kept; others follow the caller.
    ConfigError where the export is not installed or cannot be opened.
    """
    global _tracer
    if not config.traces:
        return
    if not 0 <= config.traces_ratio <= 1:
        raise ConfigError(["GATEBEYZ_TRACES_RATIO must be from 0 to 1"])
    try:
        from runtime.span_export import Exporting
    except ImportError:
        raise ConfigError(['GATEBEYZ_TRACES needs the extra "tracing" installed']) from None
    _tracer = Exporting(process, config.traces, config.traces_ratio)


def close() -> None:
    """Send what was not sent yet."""
    _tracer.close()


def parse_traceparent(text: str) -> str:
    """``text`` if it is a context of version 00, else ""."""
    return text if _FORM.fullmatch(text) else ""


def parse_tracestate(text: str) -> str:
    """``text`` if it can be passed on as it is, else "": what is too long is left out whole."""
    is_short = len(text) <= MAX_STATE_LENGTH and text.count(",") < MAX_STATE_MEMBERS
    return text if is_short and _STATE.fullmatch(text) else ""


def new_traceparent() -> str:
    """A context for work that nobody traces."""
    digits = os.urandom(24).hex()
    return f"00-{digits[:32]}-{digits[32:]}-00"


def start_entrance(name: str, parent: str) -> Span:
    """Begin what a stranger asked for: under their context, else under a new one."""
    span = start_span(name, Kind.SERVER, parent)
    return span if span.traceparent else _Unrecorded(new_traceparent())


def start_span(name: str, kind: Kind, parent: str | None = None) -> Span:
    """Begin a piece of work under ``parent``, or under what runs now where none is named."""
    return _tracer.start(name, kind, _current.get() if parent is None else parent)


def enter(span: Span, state: str = "") -> None:
    """From here on this task works for ``span``, of a caller whose ``tracestate`` that is. A
    request or RPC has a task of its own, so nothing needs to be put back.
    """
    _current.set(span.traceparent)
    _state.set(state)


def current() -> str:
    """The traceparent of what runs now; "" outside of a request."""
    return _current.get()


def state() -> str:
    """The caller's tracestate; "" where it had none."""
    return _state.get()


def trace_id() -> str:
    """The trace of what runs now; "" outside of a request."""
    return _current.get()[3:35]


def parent_of(metadata: Iterable[tuple[str, Any]] | None, request: Any) -> str:
    """The caller's context: gRPC metadata, else the request's own field where it has one."""
    for key, value in metadata or ():
        if key == TRACEPARENT:
            return parse_traceparent(str(value))
    return parse_traceparent(getattr(request, TRACEPARENT, ""))


def state_of(metadata: Iterable[tuple[str, Any]] | None, request: Any) -> str:
    """The caller's tracestate: gRPC metadata, else the request's own field where it has one."""
    for key, value in metadata or ():
        if key == TRACESTATE:
            return parse_tracestate(str(value))
    return parse_tracestate(getattr(request, TRACESTATE, ""))
