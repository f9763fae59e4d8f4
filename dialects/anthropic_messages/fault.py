"""Faults in Anthropic's envelope (protocols/anthropic-messages §11, translation-matrix §5)."""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.dialect import Sent
from dialects.errors import UPSTREAM_REFUSES_US, Fault, FaultClass
from dialects.phrases import tells_overflow, told_wait_s
from dialects.scrub import scrub_message
from dialects.sse import render_frame

_RENDER: Final[dict[FaultClass, tuple[int, str]]] = {
    FaultClass.BAD_REQUEST: (400, "invalid_request_error"),
    FaultClass.CONTEXT_OVERFLOW: (400, "invalid_request_error"),
    FaultClass.UNSUPPORTED_FEATURE: (400, "invalid_request_error"),
    FaultClass.UNAUTHENTICATED: (401, "authentication_error"),
    FaultClass.FORBIDDEN: (403, "permission_error"),
    FaultClass.UNKNOWN_MODEL: (404, "not_found_error"),
    FaultClass.NOT_FOUND: (404, "not_found_error"),
    FaultClass.METHOD_NOT_ALLOWED: (405, "invalid_request_error"),
    FaultClass.CONFLICT: (409, "conflict_error"),
    FaultClass.TOO_LARGE: (413, "request_too_large"),
    FaultClass.UNSUPPORTED_MEDIA: (415, "invalid_request_error"),
    FaultClass.OUT_OF_CREDIT: (402, "billing_error"),
    FaultClass.QUOTA_EXHAUSTED: (429, "rate_limit_error"),
    FaultClass.RATE_LIMITED: (429, "rate_limit_error"),
    FaultClass.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error"),
    FaultClass.OVERLOADED: (529, "overloaded_error"),
    FaultClass.UPSTREAM_ERROR: (500, "api_error"),
    FaultClass.TIMEOUT: (504, "timeout_error"),
    FaultClass.CONTENT_POLICY: (400, "invalid_request_error"),
    FaultClass.INTERNAL: (500, "api_error"),
}

_OF_TYPE: Final[dict[str, FaultClass]] = {
    "invalid_request_error": FaultClass.BAD_REQUEST,
    "not_found_error": FaultClass.UNKNOWN_MODEL,
    "conflict_error": FaultClass.CONFLICT,
    "request_too_large": FaultClass.TOO_LARGE,
    "rate_limit_error": FaultClass.UPSTREAM_RATE_LIMITED,
    "overloaded_error": FaultClass.OVERLOADED,
    "api_error": FaultClass.UPSTREAM_ERROR,
    "timeout_error": FaultClass.TIMEOUT,
}

_OF_STATUS: Final[dict[int, FaultClass]] = {
    400: FaultClass.BAD_REQUEST,
    404: FaultClass.UNKNOWN_MODEL,
    408: FaultClass.TIMEOUT,
    409: FaultClass.CONFLICT,
    413: FaultClass.TOO_LARGE,
    415: FaultClass.UNSUPPORTED_MEDIA,
    422: FaultClass.BAD_REQUEST,
    429: FaultClass.UPSTREAM_RATE_LIMITED,
    503: FaultClass.OVERLOADED,
    504: FaultClass.TIMEOUT,
    529: FaultClass.OVERLOADED,
}

# What these answers say concerns the gateway's own account, not the client's key.
_OURS: Final = frozenset({"authentication_error", "permission_error", "billing_error"})
_OURS_STATUS: Final = frozenset({401, 402, 403})

_OVERFLOW: Final = "prompt is too long"


def parse_fault(status: int, body: bytes) -> Fault:
    """The fault an upstream's error answer tells; any bytes will do (HTML pages, nothing)."""
    try:
        value = json_text.parse(body)
    except ValueError:
        value = None
    return fault_of(value, status)


def fault_of(value: object, status: int | None = None) -> Fault:
    """The fault of a parsed envelope; ``status`` is None inside a stream."""
    error = value.get("error") if isinstance(value, dict) else None
    detail = error if isinstance(error, dict) else {}
    type_name = detail.get("type")
    type_name = type_name if isinstance(type_name, str) else ""
    if type_name in _OURS or status in _OURS_STATUS:
        return UPSTREAM_REFUSES_US
    told = detail.get("message")
    message = scrub_message(told) if isinstance(told, str) and told.strip() else ""
    kind = _OF_TYPE.get(type_name) or _OF_STATUS.get(status or 0) or FaultClass.UPSTREAM_ERROR
    if kind is FaultClass.BAD_REQUEST and tells_overflow(message):
        kind = FaultClass.CONTEXT_OVERFLOW
    if not message:
        said = f" (HTTP {status})" if status else ""
        message = f"The upstream answered with an error{said}."
    wait_s = told_wait_s(message) if kind is FaultClass.UPSTREAM_RATE_LIMITED else None
    return Fault(kind, message, retry_after_s=wait_s)


def render_fault(fault: Fault, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and body."""
    status, type_name = _RENDER[fault.kind]
    message = fault.message
    if fault.kind is FaultClass.CONTEXT_OVERFLOW and _OVERFLOW not in message:
        message = f"{_OVERFLOW}: {message}"  # Claude Code compacts on this phrase
    if fault.param and fault.param not in message:
        message = f"{fault.param}: {message}"
    return status, {
        "type": "error",
        "error": {"type": type_name, "message": message},
        "request_id": request_id,
    }


def render_stream_fault(fault: Fault, request_id: str, sent: Sent) -> bytes:
    """The terminal event of a stream that broke after its first byte."""
    return render_frame("error", json_text.render(render_fault(fault, request_id)[1]))
