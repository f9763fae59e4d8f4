"""The monthly quota: where a month begins and ends, and what of it is used.

A month begins on the account's day, at midnight UTC. What was used is the sum of the daily
roll-ups that settlements write. Days that are over hardly change, so they are read seldom; the
days around now are read each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

import msgspec

from services.auth.account import Account

MAX_RESET_DAY: Final = 28
RECENT_DAYS: Final = 2
RECHECK_S: Final = 600.0
MAX_REMEMBERED: Final = 50_000


class Quota(msgspec.Struct, frozen=True):
    """Tokens of a month, what is used of them, and when they begin anew (epoch seconds)."""

    tokens: int
    used: int
    resets_at: float


@dataclass(frozen=True, slots=True)
class Period:
    """A month of an account: ``begins`` is its first day, ``next_begins`` the first after it."""

    begins: date
    next_begins: date

    @property
    def ends_at(self) -> float:
        """The end in seconds since the epoch."""
        midnight = datetime.min.time()
        return datetime.combine(self.next_begins, midnight, UTC).timestamp()

    def days_until(self, now: float) -> list[str]:
        """The days from the first to that of ``now``, as roll-ups name them ("YYYYMMDD")."""
        today = datetime.fromtimestamp(now, UTC).date()
        count = (today - self.begins).days + 1
        return [(self.begins + timedelta(days=n)).strftime("%Y%m%d") for n in range(count)]


def period_of(account: Account, now: float) -> Period:
    """The month ``now`` falls into."""
    created = datetime.fromtimestamp(account.created_at, UTC).date()
    day = account.reset_day or min(created.day, MAX_RESET_DAY)
    today = datetime.fromtimestamp(now, UTC).date()
    begins = today.replace(day=day)
    if today < begins:
        begins = _month_before(begins)
    return Period(begins, _month_after(begins))


def _month_after(begins: date) -> date:
    return (begins.replace(day=1) + timedelta(days=32)).replace(day=begins.day)


def _month_before(begins: date) -> date:
    return (begins.replace(day=1) - timedelta(days=1)).replace(day=begins.day)


class UsageSource(Protocol):
    """What the meter needs of the roll-ups."""

    async def tokens_of_days(self, account_id: str, days: Sequence[str]) -> list[int]:
        """Tokens of every kind of each day."""
        ...


class QuotaMeter:
    """What accounts used of their month, read economically."""

    def __init__(self, source: UsageSource) -> None:
        self._source = source
        # account → (first day, last of the days over, when read, their sum)
        self._over: OrderedDict[str, tuple[str, str, float, int]] = OrderedDict()

    async def used(self, account: Account, now: float) -> int:
        """Tokens used since the month began."""
        days = period_of(account, now).days_until(now)
        over, recent = days[:-RECENT_DAYS], days[-RECENT_DAYS:]
        earlier = await self._used_before(account.account_id, over, now) if over else 0
        return earlier + sum(await self._source.tokens_of_days(account.account_id, recent))

    async def _used_before(self, account_id: str, days: list[str], now: float) -> int:
        first, last = days[0], days[-1]
        known = self._over.get(account_id)
        if known and known[:2] == (first, last) and now - known[2] < RECHECK_S:
            return known[3]
        total = sum(await self._source.tokens_of_days(account_id, days))
        self._over[account_id] = (first, last, now, total)
        self._over.move_to_end(account_id)
        if len(self._over) > MAX_REMEMBERED:
            self._over.popitem(last=False)
        return total
