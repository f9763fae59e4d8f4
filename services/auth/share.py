"""What a holder gets of an account's limits, as arithmetic. Pure.

What leases hold and what was spent within a minute never exceeds a limit together
(scripts/take_shares.lua). How much is held at once is decided by demand: a small first share lets
the first requests pass without a draw, a holder that runs short hopes for more each time, and the
nearer the limit, the less it is given beyond its need.
"""

from __future__ import annotations

from typing import Final

import msgspec

from admission.allowance import CONCURRENCY, FIELDS
from runtime.faults import Reason, ServiceFault
from services.auth.account import Limits

FIRST_PART: Final = 8
NOTHING: Final = Limits()


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What a holder asks for, and what it says of earlier shares; see auth.proto."""

    wanted: Limits = NOTHING
    hoped: Limits = NOTHING
    held: Limits = NOTHING
    overspent: Limits = NOTHING
    returned: Limits = NOTHING

    def amounts(self) -> tuple[int, ...]:
        """All of it in the order scripts/take_shares.lua takes it."""
        groups = (self.wanted, self.hoped, self.held, self.overspent, self.returned)
        return tuple(amount for group in groups for amount in group.as_tuple())


class Shares(msgspec.Struct, frozen=True):
    """What a draw gave, what stands of the shares held before, and what is left for everyone."""

    drawn: Limits
    kept: Limits
    remaining: Limits


def first_share(limits: Limits) -> Limits:
    """What a new lease asks for: an eighth of each limit, at least one; nothing of no limit."""
    return Limits(*(-(-limit // FIRST_PART) for limit in limits.as_tuple()))


def shares_of(amounts: list[int]) -> Shares:
    """The twelve amounts of scripts/take_shares.lua."""
    return Shares(Limits(*amounts[:4]), Limits(*amounts[4:8]), Limits(*amounts[8:12]))


def shortage(kind: int, retry_after_s: float) -> ServiceFault:
    """The refusal when less than wanted is left of the limit at index ``kind``."""
    metadata = {"limit": FIELDS[kind]}
    if kind == CONCURRENCY:
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
