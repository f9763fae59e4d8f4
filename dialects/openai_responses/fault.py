"""Errors of the Responses surface: the envelope of an HTTP error and the events of a broken stream.

After the 200 two events say the same thing, because clients look in different places (measured
with openai 3.54.0, openai-node 7.57.0 and the AI SDK): ``error`` in a form that is flat and nested
at once makes the SDKs raise, ``response.failed`` is what Codex classifies by.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dialects.dialect import Sent
from dialects.errors import UPSTREAM_REFUSES_US, Fault, FaultClass
from dialects.json_text import render
from dialects.openai_responses.payload import object_of, optional_text, parse_object
from dialects.phrases import tells_bad_key, tells_overflow, told_wait_s
from dialects.scrub import scrub_message
from dialects.sse import render_frame

_K: Final = FaultClass

# class: (HTTP status, type, code)
_ENVELOPES: Final[dict[FaultClass, tuple[int, str, str | None]]] = {
    _K.BAD_REQUEST: (400, "invalid_request_error", None),
    _K.CONTEXT_OVERFLOW: (400, "invalid_request_error", "context_length_exceeded"),
    _K.UNSUPPORTED_FEATURE: (400, "invalid_request_error", "unsupported_parameter"),
    _K.UNAUTHENTICATED: (401, "invalid_request_error", "invalid_api_key"),
    _K.FORBIDDEN: (403, "invalid_request_error", "model_not_allowed"),
    _K.UNKNOWN_MODEL: (404, "invalid_request_error", "model_not_found"),
    _K.NOT_FOUND: (404, "invalid_request_error", "not_found"),
    _K.METHOD_NOT_ALLOWED: (405, "invalid_request_error", "method_not_allowed"),
    _K.CONFLICT: (409, "invalid_request_error", "conflict"),
    _K.TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    _K.UNSUPPORTED_MEDIA: (415, "invalid_request_error", "unsupported_media_type"),
    _K.OUT_OF_CREDIT: (429, "insufficient_quota", "insufficient_quota"),
    _K.QUOTA_EXHAUSTED: (429, "insufficient_quota", "insufficient_quota"),
    _K.RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    _K.UPSTREAM_RATE_LIMITED: (429, "rate_limit_error", "rate_limit_exceeded"),
    _K.OVERLOADED: (503, "server_error", "server_is_overloaded"),
    _K.UPSTREAM_ERROR: (500, "server_error", "server_error"),
    _K.TIMEOUT: (504, "server_error", "timeout"),
    _K.CONTENT_POLICY: (400, "invalid_request_error", "invalid_prompt"),
    _K.INTERNAL: (500, "server_error", "server_error"),
}

_BY_CODE: Final[dict[str, FaultClass]] = {
    "context_length_exceeded": _K.CONTEXT_OVERFLOW,
    "model_not_found": _K.UNKNOWN_MODEL,
    "unsupported_parameter": _K.UNSUPPORTED_FEATURE,
    "unsupported_value": _K.UNSUPPORTED_FEATURE,
    "content_policy_violation": _K.CONTENT_POLICY,
    "invalid_prompt": _K.CONTENT_POLICY,
    "bio_policy": _K.CONTENT_POLICY,
    "cyber_policy": _K.CONTENT_POLICY,
    "misalignment_policy_violation": _K.CONTENT_POLICY,
    "rate_limit_exceeded": _K.UPSTREAM_RATE_LIMITED,
    "rate_limit_error": _K.UPSTREAM_RATE_LIMITED,
    "server_is_overloaded": _K.OVERLOADED,
    "slow_down": _K.OVERLOADED,
    "overloaded_error": _K.OVERLOADED,
    "server_error": _K.UPSTREAM_ERROR,
    "timeout": _K.TIMEOUT,
    "invalid_request_error": _K.BAD_REQUEST,
}

_BY_STATUS: Final[dict[int, FaultClass]] = {
    404: _K.NOT_FOUND,
    405: _K.METHOD_NOT_ALLOWED,
    408: _K.TIMEOUT,
    409: _K.CONFLICT,
    413: _K.TOO_LARGE,
    415: _K.UNSUPPORTED_MEDIA,
    429: _K.UPSTREAM_RATE_LIMITED,
    503: _K.OVERLOADED,
    504: _K.TIMEOUT,
    524: _K.TIMEOUT,
    529: _K.OVERLOADED,
}

# The upstream's account is the gateway's affair: these never reach a client in its words.
_OURS: Final = frozenset({401, 402, 403})
_OUR_CODES: Final = frozenset(
    {
        *("invalid_api_key", "authentication_error", "permission_error", "invalid_organization"),
        *("insufficient_quota", "billing_error", "usage_not_included"),
    }
)
_RESPONSE_ID: Final = re.compile(rb'"response":\s*\{\s*"id":\s*"([A-Za-z0-9_-]{1,200})"')
_SEQUENCE: Final = re.compile(rb'"sequence_number":\s*(\d+)')


def parse_fault(status: int, body: bytes) -> Fault:
    """An upstream's error body (any shape, any bytes) as a fault."""
    data = parse_object(body)
    return fault_of(status, data) if data is not None else fault_of(status, {})


def fault_of(status: int, data: dict[str, Any]) -> Fault:
    """The fault in an error object; ``status`` is 200 for one that came inside a stream.

    Shapes met: ``{"error": {message, type, code, param}}``, the flat ``{code, message, param}``
    of stream events, ``{"code": …, "error": "text"}`` (xAI) and ``{"detail": "text"}``.
    """
    inner = object_of(data.get("error")) or data
    code = optional_text(inner.get("code"))
    kind = optional_text(inner.get("type"))
    message = next(
        (
            text
            for text in (inner.get("message"), data.get("error"), data.get("detail"))
            if isinstance(text, str) and text
        ),
        "",
    )
    words = {word for word in (code, kind) if word}
    if status in _OURS or words & _OUR_CODES or tells_bad_key(message):
        return UPSTREAM_REFUSES_US
    found = _classify(status, code, kind, message)
    return Fault(
        found,
        scrub_message(message) or _sentence(status),
        param=optional_text(inner.get("param")),
        retry_after_s=told_wait_s(message) if found is _K.UPSTREAM_RATE_LIMITED else None,
    )


def _classify(status: int, code: str | None, kind: str | None, message: str) -> FaultClass:
    if tells_overflow(message):
        return _K.CONTEXT_OVERFLOW
    for word in (code, None if status in _BY_STATUS else kind):
        if word in _BY_CODE:
            return _BY_CODE[word]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _K.BAD_REQUEST if 400 <= status < 500 else _K.UPSTREAM_ERROR


def _sentence(status: int) -> str:
    return (
        f"The upstream answered with status {status}." if status >= 400 else "The upstream failed."
    )


def render_fault(fault: Fault, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an HTTP error. The request id goes in a header, not in this body."""
    status, kind, code = _ENVELOPES[fault.kind]
    return status, {
        "error": {"message": fault.message, "type": kind, "param": fault.param, "code": code}
    }


def render_failure(fault: Fault, response: dict[str, Any], sequence: int) -> bytes:
    """The two events that end a broken stream; ``response`` is the object as far as it came."""
    _, kind, code = _ENVELOPES[fault.kind]
    code = code or "invalid_request"
    error = {
        "type": "error",
        "sequence_number": sequence,
        "code": code,
        "message": fault.message,
        "param": fault.param,
        "error": {"type": kind, "code": code, "message": fault.message, "param": fault.param},
    }
    failed = {
        "type": "response.failed",
        "sequence_number": sequence + 1,
        "response": {
            **response,
            "status": "failed",
            "error": {"code": code, "message": fault.message},
        },
    }
    return render_frame("error", render(error)) + render_frame("response.failed", render(failed))


def render_stream_fault(fault: Fault, request_id: str, sent: Sent) -> bytes:
    """The end of a stream whose Writer is not at hand: it goes on with its id and its numbers.

    SDK helpers throw at a response whose id changes between events.
    """
    named = _RESPONSE_ID.search(sent.first)
    response: dict[str, Any] = {
        "id": named[1].decode() if named else f"resp_{request_id}",
        "object": "response",
        "output": [],
        "incomplete_details": None,
        "usage": None,
    }
    return render_failure(fault, response, _next_sequence(sent))


def keepalive(sent: Sent) -> bytes:
    """A sign of life in a stream whose Writer is not at hand."""
    return render_keepalive(_next_sequence(sent))


def _next_sequence(sent: Sent) -> int:
    numbers = _SEQUENCE.findall(sent.last)
    return int(numbers[-1]) + 1 if numbers else 0


def render_keepalive(sequence: int) -> bytes:
    """A data event, because Codex's idle timer does not see comments.

    At the very start it is a comment: SDK helpers insist on ``response.created`` as first event.
    """
    if sequence == 0:
        return b": keep-alive\n\n"
    return render_frame("keepalive", b'{"type":"keepalive","sequence_number":%d}' % sequence)
