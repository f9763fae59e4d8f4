"""Errors of Chat Completions: ``{"error": {message, type, param, code}}``, both directions."""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.dialect import Sent
from dialects.errors import UPSTREAM_REFUSES_US, Fault, FaultClass
from dialects.openai_chat.wire import as_text
from dialects.phrases import tells_bad_key, tells_overflow, told_wait_s
from dialects.scrub import scrub_message
from dialects.sse import render_data

_INVALID: Final = "invalid_request_error"

# class → HTTP status, type, code (translation-matrix §5.1)
_RENDERED: Final[dict[FaultClass, tuple[int, str, str | None]]] = {
    FaultClass.BAD_REQUEST: (400, _INVALID, None),
    FaultClass.CONTEXT_OVERFLOW: (400, _INVALID, "context_length_exceeded"),
    FaultClass.UNSUPPORTED_FEATURE: (400, _INVALID, "unsupported_parameter"),
    FaultClass.UNAUTHENTICATED: (401, _INVALID, "invalid_api_key"),
    FaultClass.FORBIDDEN: (403, _INVALID, "model_not_allowed"),
    FaultClass.UNKNOWN_MODEL: (404, _INVALID, "model_not_found"),
    FaultClass.NOT_FOUND: (404, _INVALID, None),
    FaultClass.METHOD_NOT_ALLOWED: (405, _INVALID, "method_not_supported"),
    FaultClass.CONFLICT: (409, "conflict", None),
    FaultClass.TOO_LARGE: (413, _INVALID, "request_too_large"),
    FaultClass.UNSUPPORTED_MEDIA: (415, _INVALID, "unsupported_media_type"),
    FaultClass.OUT_OF_CREDIT: (429, "insufficient_quota", "insufficient_quota"),
    FaultClass.QUOTA_EXHAUSTED: (429, "insufficient_quota", "insufficient_quota"),
    FaultClass.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    FaultClass.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    FaultClass.OVERLOADED: (503, "service_unavailable_error", "server_is_overloaded"),
    FaultClass.UPSTREAM_ERROR: (500, "server_error", None),
    FaultClass.TIMEOUT: (504, "server_error", "timeout"),
    FaultClass.CONTENT_POLICY: (400, _INVALID, "content_policy_violation"),
    FaultClass.INTERNAL: (500, "server_error", None),
}

_BY_CODE: Final = {
    "context_length_exceeded": FaultClass.CONTEXT_OVERFLOW,
    "model_not_found": FaultClass.UNKNOWN_MODEL,
    "unsupported_parameter": FaultClass.UNSUPPORTED_FEATURE,
    "unsupported_value": FaultClass.UNSUPPORTED_FEATURE,
    "content_policy_violation": FaultClass.CONTENT_POLICY,
    "content_filter": FaultClass.CONTENT_POLICY,
    "invalid_prompt": FaultClass.CONTENT_POLICY,
    "rate_limit_exceeded": FaultClass.UPSTREAM_RATE_LIMITED,
    "slow_down": FaultClass.UPSTREAM_RATE_LIMITED,
    "server_is_overloaded": FaultClass.OVERLOADED,
    "rate_limit_error": FaultClass.UPSTREAM_RATE_LIMITED,
    "overloaded_error": FaultClass.OVERLOADED,
    "service_unavailable_error": FaultClass.OVERLOADED,
    "request_too_large": FaultClass.TOO_LARGE,
    "invalid_request_error": FaultClass.BAD_REQUEST,
    "server_error": FaultClass.UPSTREAM_ERROR,
}

_BY_STATUS: Final = {
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
    524: FaultClass.TIMEOUT,
    529: FaultClass.OVERLOADED,
}

# The gateway's own credential or account is at fault: the client must neither see nor act on it.
_OURS: Final = {401, 402, 403}
_OUR_CODES: Final = {
    "invalid_api_key",
    "insufficient_quota",
    "credit_balance_exhausted",
    "authentication_error",
    "permission_error",
    "billing_error",
}


def parse_fault(status: int, body: bytes) -> Fault:
    """What an upstream's error answer says, fit for a client; any bytes are accepted."""
    try:
        parsed = json_text.parse(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, list) and parsed:  # Google wraps its errors in a list
        parsed = parsed[0]
    found = find_error(parsed) if isinstance(parsed, dict) else None
    return fault_of(found or {}, status)


def find_error(body: dict[str, Any]) -> dict[str, Any] | None:
    """The error object of a body or chunk in any of the shapes seen, or None."""
    error = body.get("error")
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        return {"message": error}
    if body.get("choices"):
        return None
    if body.get("object") == "error" or body.get("type") == "error":
        return body
    for key in ("detail", "errors"):  # FastAPI, proxies
        if detail := body.get(key):
            shown = detail if isinstance(detail, str) else json_text.render_text(detail)
            return {"message": shown}
    if isinstance(body.get("message"), str) and "id" not in body:
        return body
    return None


def fault_of(error: dict[str, Any], status: int = 500) -> Fault:
    """A fault for an error object; ``status`` speaks where the object does not.

    In a stream there is no status; some servers give one as a numeric ``code`` or ``status``.
    """
    code = error.get("code")
    for value in (code, error.get("status_code"), error.get("status")):
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(number, int) and 400 <= number < 600 and status in (200, 500):
            status = number
    words = (as_text(code), as_text(error.get("type")))
    message = scrub_message(as_text(error.get("message")))
    if status in _OURS or any(word in _OUR_CODES for word in words) or tells_bad_key(message):
        return UPSTREAM_REFUSES_US
    kind = next((_BY_CODE[word] for word in words if word in _BY_CODE), None)
    if kind is None or kind in (FaultClass.BAD_REQUEST, FaultClass.UPSTREAM_ERROR):
        kind = _BY_STATUS.get(status, kind or FaultClass.UPSTREAM_ERROR)
    if kind in (FaultClass.BAD_REQUEST, FaultClass.UPSTREAM_ERROR) and tells_overflow(message):
        kind = FaultClass.CONTEXT_OVERFLOW
    return Fault(
        kind,
        message or f"The upstream answered with status {status}.",
        param=as_text(error.get("param")) or None,
        retry_after_s=told_wait_s(message) if kind is FaultClass.UPSTREAM_RATE_LIMITED else None,
    )


def _envelope(fault: Fault) -> tuple[int, dict[str, Any]]:
    status, kind, code = _RENDERED[fault.kind]
    error = {"message": fault.message, "type": kind, "param": fault.param, "code": code}
    return status, {"error": error}


def render_fault(fault: Fault, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body. Chat's envelope has no room for the request id: it goes in a header."""
    return _envelope(fault)


def render_stream_fault(fault: Fault, request_id: str, sent: Sent) -> bytes:
    """The terminal event of a stream that broke; no [DONE] follows it."""
    return render_data(json_text.render(_envelope(fault)[1]))


def keepalive(sent: Sent) -> bytes:
    """A comment: every client passes over it (openai-chat §7.1)."""
    return b": keep-alive\n\n"
