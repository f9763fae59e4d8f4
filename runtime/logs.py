"""One canonical JSON line per request and per RPC, on stdout.

The last processor redacts: fields that may hold content or secrets are refused by name, and
whatever looks like a key is masked wherever it stands.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import orjson
import structlog

from runtime import tracing

_KEY_LIKE: Final = re.compile(r"\b(sk-[a-z]{2,4}-)[0-9A-Za-z_-]{6,}|(?i:bearer\s+)\S{8,}")
_FORBIDDEN: Final = frozenset(
    {"body", "prompt", "messages", "headers", "authorization", "key", "secret", "token", "grant"}
)
_MAX_FIELD: Final = 2_000


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for field in list(event):
        value = event[field]
        if field in _FORBIDDEN:
            event[field] = "[redacted]"
        elif isinstance(value, str):
            cleaned = _KEY_LIKE.sub("[redacted]", value)
            event[field] = cleaned[:_MAX_FIELD]
    return event


def _add_trace(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if trace_id := tracing.trace_id():
        event["trace_id"] = trace_id
    return event


def _render(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(process: str, level: str = "INFO") -> None:
    """Set up logging for this process; standard-library loggers join the same stream."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
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
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
