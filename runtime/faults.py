"""Errors of our own, as they cross the wire inside.

::

    ServiceFault             a reason, one sentence, what is needed to react
      raised by a service  → gRPC status + google.rpc.ErrorInfo (domain "gatebeyz") + RetryInfo
      read by a caller     ← fault_of(AioRpcError)

An upstream's error is data and never takes this road. Only the edge renders faults for the
public; see :data:`REASONS` for what each reason means to a client.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN: Final = "gatebeyz"
DETAILS_KEY: Final = "grpc-status-details-bin"
# Tells a channel not to repeat the call by itself: the answer would be the same.
_NO_REPEAT: Final = ("grpc-retry-pushback-ms", "-1")


class Reason(StrEnum):
    """Why a call was refused; stable words that callers may match on."""

    KEY_UNKNOWN = "KEY_UNKNOWN"
    KEY_REVOKED = "KEY_REVOKED"
    KEY_EXPIRED = "KEY_EXPIRED"
    WRONG_PRODUCT = "WRONG_PRODUCT"
    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    ACCOUNT_EXPIRED = "ACCOUNT_EXPIRED"
    MODEL_NOT_ALLOWED = "MODEL_NOT_ALLOWED"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    THINKING_NOT_ALLOWED = "THINKING_NOT_ALLOWED"
    RATE_LIMITED = "RATE_LIMITED"
    CONCURRENCY_LIMITED = "CONCURRENCY_LIMITED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    CREDIT_EXHAUSTED = "CREDIT_EXHAUSTED"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNSUPPORTED_FEATURE = "UNSUPPORTED_FEATURE"
    GRANT_INVALID = "GRANT_INVALID"
    REVOKED = "REVOKED"
    NOT_AN_OPERATOR = "NOT_AN_OPERATOR"
    CALLER_NOT_ALLOWED = "CALLER_NOT_ALLOWED"
    SERVICE_TOKEN_INVALID = "SERVICE_TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    SESSION_ENDED = "SESSION_ENDED"
    CONFIRMATION_NEEDED = "CONFIRMATION_NEEDED"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    OVERLOADED = "OVERLOADED"
    STORE_AWAY = "STORE_AWAY"
    UPSTREAM_UNREACHABLE = "UPSTREAM_UNREACHABLE"
    UPSTREAM_RATE_LIMITED = "UPSTREAM_RATE_LIMITED"
    UPSTREAM_OVERLOADED = "UPSTREAM_OVERLOADED"
    UPSTREAM_CREDENTIAL = "UPSTREAM_CREDENTIAL"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    TOO_LARGE = "TOO_LARGE"
    DRAINING = "DRAINING"
    INTERNAL = "INTERNAL"


_CODE = grpc.StatusCode

CODES: Final[dict[Reason, grpc.StatusCode]] = {
    Reason.KEY_UNKNOWN: _CODE.UNAUTHENTICATED,
    Reason.KEY_REVOKED: _CODE.UNAUTHENTICATED,
    Reason.KEY_EXPIRED: _CODE.UNAUTHENTICATED,
    Reason.WRONG_PRODUCT: _CODE.PERMISSION_DENIED,
    Reason.ADDRESS_NOT_ALLOWED: _CODE.PERMISSION_DENIED,
    Reason.ACCOUNT_SUSPENDED: _CODE.PERMISSION_DENIED,
    Reason.ACCOUNT_EXPIRED: _CODE.PERMISSION_DENIED,
    Reason.MODEL_NOT_ALLOWED: _CODE.PERMISSION_DENIED,
    Reason.MODEL_UNKNOWN: _CODE.NOT_FOUND,
    Reason.THINKING_NOT_ALLOWED: _CODE.PERMISSION_DENIED,
    Reason.RATE_LIMITED: _CODE.RESOURCE_EXHAUSTED,
    Reason.CONCURRENCY_LIMITED: _CODE.RESOURCE_EXHAUSTED,
    Reason.QUOTA_EXHAUSTED: _CODE.FAILED_PRECONDITION,
    Reason.CREDIT_EXHAUSTED: _CODE.FAILED_PRECONDITION,
    Reason.INVALID_REQUEST: _CODE.INVALID_ARGUMENT,
    Reason.UNSUPPORTED_FEATURE: _CODE.UNIMPLEMENTED,
    Reason.GRANT_INVALID: _CODE.UNAUTHENTICATED,
    Reason.REVOKED: _CODE.ABORTED,
    Reason.NOT_AN_OPERATOR: _CODE.PERMISSION_DENIED,
    Reason.CALLER_NOT_ALLOWED: _CODE.PERMISSION_DENIED,
    Reason.SERVICE_TOKEN_INVALID: _CODE.UNAUTHENTICATED,
    Reason.SIGN_IN_REFUSED: _CODE.UNAUTHENTICATED,
    Reason.SESSION_ENDED: _CODE.UNAUTHENTICATED,
    Reason.CONFIRMATION_NEEDED: _CODE.FAILED_PRECONDITION,
    Reason.NOT_FOUND: _CODE.NOT_FOUND,
    Reason.CONFLICT: _CODE.ALREADY_EXISTS,
    Reason.OVERLOADED: _CODE.RESOURCE_EXHAUSTED,
    Reason.STORE_AWAY: _CODE.UNAVAILABLE,
    Reason.UPSTREAM_UNREACHABLE: _CODE.UNAVAILABLE,
    Reason.UPSTREAM_RATE_LIMITED: _CODE.UNAVAILABLE,
    Reason.UPSTREAM_OVERLOADED: _CODE.UNAVAILABLE,
    Reason.UPSTREAM_CREDENTIAL: _CODE.INTERNAL,
    Reason.UPSTREAM_ERROR: _CODE.UNAVAILABLE,
    Reason.UPSTREAM_TIMEOUT: _CODE.DEADLINE_EXCEEDED,
    Reason.TOO_LARGE: _CODE.OUT_OF_RANGE,
    Reason.DRAINING: _CODE.UNAVAILABLE,
    Reason.INTERNAL: _CODE.INTERNAL,
}

# A status without ErrorInfo comes from gRPC itself: the peer is gone, late or overfull.
_BARE: Final[dict[grpc.StatusCode, Reason]] = {
    _CODE.UNAVAILABLE: Reason.OVERLOADED,
    _CODE.DEADLINE_EXCEEDED: Reason.UPSTREAM_TIMEOUT,
    _CODE.RESOURCE_EXHAUSTED: Reason.TOO_LARGE,
    _CODE.INVALID_ARGUMENT: Reason.INVALID_REQUEST,
}


class ServiceFault(Exception):
    """A refusal of our own; ``message`` is fit for a client's eyes, the rest is for its code."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: dict[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}
        self.retry_after_s = retry_after_s

    def status(self) -> status_pb2.Status:
        """The fault as google.rpc.Status."""
        status = status_pb2.Status(code=CODES[self.reason].value[0], message=self.message)
        info = error_details_pb2.ErrorInfo(
            reason=self.reason, domain=DOMAIN, metadata=self.metadata
        )
        status.details.append(_pack(info))
        if self.retry_after_s is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(self.retry_after_s * 1000))
            status.details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
        return status


def _pack(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


async def abort(context: grpc.aio.ServicerContext, fault: ServiceFault) -> NoReturn:
    """End an RPC with a fault. Trailers must be a plain tuple of tuples."""
    trailers: tuple[tuple[str, str | bytes], ...] = (
        (DETAILS_KEY, fault.status().SerializeToString()),
    )
    if fault.reason is not Reason.DRAINING:  # another replica will do
        trailers = (*trailers, _NO_REPEAT)
    await context.abort(CODES[fault.reason], fault.message, trailers)
    raise AssertionError("abort returned")


def fault_of(error: grpc.aio.AioRpcError) -> ServiceFault:
    """The fault a peer ended an RPC with; gRPC's own failures become OVERLOADED and the like."""
    for key, value in error.trailing_metadata() or ():
        if key != DETAILS_KEY:
            continue
        fault = read_fault(value if isinstance(value, bytes) else value.encode())
        if fault is not None:
            return fault
    reason = _BARE.get(error.code(), Reason.INTERNAL)
    retry_after_s = 1.0 if reason is Reason.OVERLOADED else None
    return ServiceFault(reason, _BARE_MESSAGES[reason], retry_after_s=retry_after_s)


def read_fault(details: bytes) -> ServiceFault | None:
    """The fault in a serialized google.rpc.Status; None where it tells none of ours."""
    status = status_pb2.Status.FromString(details)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    if info.domain != DOMAIN or info.reason not in Reason.__members__:
        return None
    delay_s = retry.retry_delay.ToMilliseconds() / 1000
    return ServiceFault(
        Reason(info.reason),
        status.message,
        metadata=dict(info.metadata),
        retry_after_s=delay_s or None,
    )


# gRPC's own text names addresses and internals, so it never reaches a client.
_BARE_MESSAGES: Final[dict[Reason, str]] = {
    Reason.OVERLOADED: "A part of the gateway is unavailable for the moment. Try again.",
    Reason.UPSTREAM_TIMEOUT: "The request took too long.",
    Reason.TOO_LARGE: "The request is too large.",
    Reason.INVALID_REQUEST: "The request is not valid.",
    Reason.INTERNAL: "The gateway failed to answer. The failure was recorded.",
}
