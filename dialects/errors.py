"""What can be wrong, and whose fault it is.

::

    DialectError
    ├── LocalDialectError    we broke a rule of a grammar ourselves: a bug of ours
    └── RemoteDialectError   bytes that came in broke one: the client's or the upstream's

A :class:`Fault` is an error as a value: one class, one sentence, what a client needs in order to
react. Every dialect renders a fault in its own envelope (``fault.render``) and reads one out of
an upstream's answer (``fault.parse``), so errors cross dialects like everything else: through
one neutral form. Classes follow protocols/translation-matrix §5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FaultClass(StrEnum):
    """The canonical classes; each dialect maps them to status, type and code."""

    BAD_REQUEST = "bad_request"
    CONTEXT_OVERFLOW = "context_overflow"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNKNOWN_MODEL = "unknown_model"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA = "unsupported_media"
    OUT_OF_CREDIT = "out_of_credit"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"
    OVERLOADED = "overloaded"
    UPSTREAM_ERROR = "upstream_error"
    TIMEOUT = "timeout"
    CONTENT_POLICY = "content_policy"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as a value.

    ``param`` names the request field at fault ("messages.3.content"), where there is one.
    ``retry_after_s`` is at most 60; ``retryable`` None leaves the decision to the client's SDK,
    True and False are said in ``x-should-retry``.
    """

    kind: FaultClass
    message: str
    param: str | None = None
    retry_after_s: int | None = None
    retryable: bool | None = None


UPSTREAM_REFUSES_US: Final = Fault(
    FaultClass.UPSTREAM_ERROR,
    "The upstream did not accept the gateway's credential.",
    retryable=False,
)
"""The upstream's account is the gateway's affair: its key, its credit, its permissions. Never a 401
to the caller, whose key is fine, and no word of what the upstream said."""


class DialectError(Exception):
    """A rule of a dialect was broken."""


class LocalDialectError(DialectError):
    """We produced, or were about to produce, something the grammar forbids."""


class RemoteDialectError(DialectError):
    """Bytes that came in break the grammar; carries the fault to show for it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def refuse(message: str, param: str | None = None) -> RemoteDialectError:
    """The error for a request that is wrong in itself (HTTP 400)."""
    return RemoteDialectError(Fault(FaultClass.BAD_REQUEST, message, param))


def refuse_feature(message: str, param: str) -> RemoteDialectError:
    """The error for a request that is right but cannot be carried to this model (HTTP 400)."""
    return RemoteDialectError(Fault(FaultClass.UNSUPPORTED_FEATURE, message, param))
