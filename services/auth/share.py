"""What a holder gets of an account's limits, as arithmetic. Pure.

Every amount handed out is counted against the limit when it leaves the store, so the shares of
all holders never sum to more than the limit (scripts/take_shares.lua). How much leaves at once
is decided here: a small first share lets the first requests pass without a draw, and leaves the
rest for holders that turn out to be busier.
"""

from __future__ import annotations

from typing import Final

from runtime.faults import Reason, ServiceFault
from services.auth.account import Limits

FIRST_PART: Final = 8
KINDS: Final = (
    "requests_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
    "concurrency",
)


def first_share(limits: Limits) -> Limits:
    """What a new lease asks for: an eighth of each limit, at least one; nothing of no limit."""
    return Limits(*(-(-limit // FIRST_PART) for limit in limits.as_tuple()))


def check_wanted(wanted: Limits) -> None:
    """ServiceFault INVALID_REQUEST for amounts below zero or where nothing is wanted at all."""
    amounts = wanted.as_tuple()
    if any(amount < 0 for amount in amounts) or not any(amounts):
        raise ServiceFault(Reason.INVALID_REQUEST, "Ask for amounts above zero.")


def shortage(kind: int, retry_after_s: float) -> ServiceFault:
    """The refusal when nothing is left of the limit at index ``kind``."""
    metadata = {"limit": KINDS[kind]}
    if KINDS[kind] == "concurrency":
        return ServiceFault(
            Reason.CONCURRENCY_LIMITED,
            "Too many requests of this account are running at once.",
            metadata=metadata,
            retry_after_s=retry_after_s,
        )
    return ServiceFault(
        Reason.RATE_LIMITED,
        "The rate limit of this account is reached.",
        metadata=metadata,
        retry_after_s=retry_after_s,
    )
