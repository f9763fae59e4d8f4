"""One canonical JSON line per request and per RPC, on stdout.

What makes a line redacts it too: fields that may hold content or secrets are refused by name, and
whatever looks like a key is masked wherever it stands.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import orjson
import structlog

from runtime import tracing

_KEY_LIKE: Final = re.compile(r"\b(sk-[a-z]{2,4}-)[0-9A-Za-z_-]{6,}|(?i:bearer\s+)\S{8,}")
_FORBIDDEN: Final = frozenset(
    {"body", "prompt", "messages", "headers", "authorization", "key", "secret", "token", "grant"}
)
_MAX_FIELD: Final = 2_000

# Bound once: structlog would put a logger together for every line.
_logger: structlog.stdlib.BoundLogger | None = None


class _Line:
    """The one processor: it fills a line in, redacts it and renders it.

    A chain of processors, each asked for one field, costs twice as much.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._second = 0
        self._clock_text = ""

    def __call__(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
        if "exc_info" in event:
            structlog.processors.format_exc_info(_logger, level, event)
        rendered = self._render(event, level)
        return rendered if _is_harmless(event, rendered) else self._render(_redact(event), level)

    def _render(self, event: Mapping[str, Any], level: str) -> bytes:
        line = {**event, "process": self._process}
        if trace_id := tracing.trace_id():
            line["trace_id"] = trace_id
        line["level"] = level
        line["timestamp"] = self._timestamp()
        return orjson.dumps(line, default=str)

    def _timestamp(self) -> str:
        """Now as RFC 3339 in UTC, to the microsecond; its seconds are rendered once each."""
        second, nanos = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._clock_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._clock_text}.{nanos // 1_000:06d}Z"


def _is_harmless(event: Mapping[str, Any], rendered: bytes) -> bool:
    """Whether redacting would change nothing, told at a tenth of its price."""
    return (
        len(rendered) <= _MAX_FIELD
        and _FORBIDDEN.isdisjoint(event)
        and b"sk-" not in rendered
        and b"bearer" not in rendered.lower()
    )


def _redact(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields, without what must not be told."""
    line: dict[str, Any] = {}
    for field, value in event.items():
        if field in _FORBIDDEN:
            line[field] = "[redacted]"
        elif isinstance(value, str):
            line[field] = _KEY_LIKE.sub("[redacted]", value)[:_MAX_FIELD]
        else:
            line[field] = value
    return line


def configure(process: str, level: str = "INFO") -> None:
    """Set up logging for this process; standard-library loggers join the same stream."""
    global _logger
    structlog.configure(
        processors=[_Line(process)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    _logger = structlog.get_logger().bind()
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)


class _Forward(logging.Handler):
    """Standard-library records as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exc_info"] = record.exc_info
        get_logger().log(record.levelno, "library", **fields)


def get_logger() -> structlog.stdlib.BoundLogger:
    """A logger; bind context with ``.bind(request_id=…)``."""
    return _logger or structlog.get_logger()
