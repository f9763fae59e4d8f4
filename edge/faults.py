"""Faults for the public: the only place where our errors become a client's.

Before the first byte a fault is a status and a body in the surface's dialect, afterwards the
dialect's terminal error event. One table says what each reason means to a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.types import Scope, Send

from dialects.dialect import Dialect
from dialects.errors import Fault, FaultClass
from runtime.faults import Reason, ServiceFault

MAX_RETRY_AFTER_S: Final = 60
_BAD_KEY: Final = "The API key is not valid. Check it, or reset it in the panel."

# reason → (class, whether an SDK should retry; None leaves it to the SDK)
PUBLIC: Final[dict[Reason, tuple[FaultClass, bool | None]]] = {
    Reason.KEY_UNKNOWN: (FaultClass.UNAUTHENTICATED, False),
    Reason.KEY_REVOKED: (FaultClass.UNAUTHENTICATED, False),
    Reason.KEY_EXPIRED: (FaultClass.UNAUTHENTICATED, False),
    Reason.REVOKED: (FaultClass.UNAUTHENTICATED, False),
    Reason.WRONG_PRODUCT: (FaultClass.UNAUTHENTICATED, False),
    Reason.ADDRESS_NOT_ALLOWED: (FaultClass.FORBIDDEN, False),
    Reason.ACCOUNT_SUSPENDED: (FaultClass.FORBIDDEN, False),
    Reason.ACCOUNT_EXPIRED: (FaultClass.FORBIDDEN, False),
    Reason.MODEL_NOT_ALLOWED: (FaultClass.FORBIDDEN, False),
    Reason.THINKING_NOT_ALLOWED: (FaultClass.FORBIDDEN, False),
    Reason.MODEL_UNKNOWN: (FaultClass.UNKNOWN_MODEL, False),
    Reason.NOT_FOUND: (FaultClass.NOT_FOUND, False),
    Reason.RATE_LIMITED: (FaultClass.RATE_LIMITED, True),
    Reason.CONCURRENCY_LIMITED: (FaultClass.RATE_LIMITED, True),
    Reason.QUOTA_EXHAUSTED: (FaultClass.QUOTA_EXHAUSTED, False),
    Reason.CREDIT_EXHAUSTED: (FaultClass.OUT_OF_CREDIT, False),
    Reason.INVALID_REQUEST: (FaultClass.BAD_REQUEST, False),
    Reason.UNSUPPORTED_FEATURE: (FaultClass.UNSUPPORTED_FEATURE, False),
    Reason.TOO_LARGE: (FaultClass.TOO_LARGE, False),
    Reason.OVERLOADED: (FaultClass.OVERLOADED, True),
    Reason.STORE_AWAY: (FaultClass.OVERLOADED, True),
    Reason.DRAINING: (FaultClass.OVERLOADED, True),
    Reason.GRANT_INVALID: (FaultClass.OVERLOADED, True),
    Reason.UPSTREAM_RATE_LIMITED: (FaultClass.UPSTREAM_RATE_LIMITED, True),
    Reason.UPSTREAM_OVERLOADED: (FaultClass.OVERLOADED, True),
    Reason.UPSTREAM_UNREACHABLE: (FaultClass.UPSTREAM_ERROR, None),
    Reason.UPSTREAM_ERROR: (FaultClass.UPSTREAM_ERROR, None),
    Reason.UPSTREAM_TIMEOUT: (FaultClass.TIMEOUT, None),
    # The upstream refused our credential: never a 401 to the client, whose key is fine.
    Reason.UPSTREAM_CREDENTIAL: (FaultClass.INTERNAL, None),
}


def public_fault(error: ServiceFault) -> Fault:
    """What a client is told of a fault of ours. Every kind of bad key reads the same."""
    kind, retryable = PUBLIC.get(error.reason, (FaultClass.INTERNAL, None))
    is_bad_key = kind is FaultClass.UNAUTHENTICATED and error.reason is not Reason.WRONG_PRODUCT
    message = _BAD_KEY if is_bad_key else error.message
    retry_after_s = None
    if error.retry_after_s is not None and retryable is not False:
        retry_after_s = min(MAX_RETRY_AFTER_S, max(1, round(error.retry_after_s)))
    return Fault(kind, message, error.metadata.get("param"), retry_after_s, retryable)


def retry_headers(given: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """An upstream's advice on retrying: a wait of up to a minute, or none at all.

    Anthropic's SDKs sleep for whatever is said, OpenAI's retry at once beyond a minute; for a
    longer wait both are told not to retry.
    """
    wait, advice = given.get("retry-after", ""), given.get("x-should-retry", "")
    headers = []
    if wait.isdecimal() and int(wait) > MAX_RETRY_AFTER_S:
        advice = "false"
    elif wait.isdecimal():
        headers.append((b"retry-after", wait.encode()))
    if advice in ("true", "false"):
        headers.append((b"x-should-retry", advice.encode()))
    return headers


def fault_headers(fault: Fault) -> list[tuple[bytes, bytes]]:
    """retry-after and x-should-retry, where the fault has an opinion."""
    headers = []
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", str(fault.retry_after_s).encode()))
    if fault.retryable is not None:
        headers.append((b"x-should-retry", b"true" if fault.retryable else b"false"))
    return headers


async def send_fault(
    scope: Scope,
    send: Send,
    dialect: Dialect,
    fault: Fault,
    request_id: str,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer with a fault, before anything else was sent."""
    status, body = dialect.render_fault(fault, request_id)
    all_headers = [*fault_headers(fault), *(headers or [])]
    await send_json(scope, send, status, orjson.dumps(body), request_id, all_headers)


async def send_json(
    scope: Scope,
    send: Send,
    status: int,
    body: bytes,
    request_id: str,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Answer with a JSON body; a HEAD request gets the headers alone."""
    all_headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *identity_headers(request_id),
        *(headers or []),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status}
    await send({**start, "headers": all_headers})
    is_head = scope.get("method") == "HEAD"
    await send({"type": "http.response.body", "body": b"" if is_head else body})


def identity_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """The request id under the names both families read."""
    value = request_id.encode()
    return [(b"request-id", value), (b"x-request-id", value)]
