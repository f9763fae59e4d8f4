"""What the count_tokens surface remembers of each account: how often it asked, and what was told.

Both are of one process and bounded: a forgotten allowance is a full one, a forgotten count is
asked for again.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from runtime.faults import Reason, ServiceFault

MAX_ACCOUNTS: Final = 10_000
MAX_ACCOUNTS_REMEMBERED: Final = 1_000
MAX_COUNTS: Final = 256
REMEMBERED_S: Final = 600.0
_MINUTE_S: Final = 60.0

Clock = Callable[[], float]


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_at: float


class CountAllowance:
    """Counts a minute for each account, apart from the limits of its plan; zero is no limit."""

    def __init__(self, per_minute: int, clock: Clock = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def spend(self, account_id: str) -> None:
        """Take one count. Raises ServiceFault RATE_LIMITED with the time until the next."""
        if not self._per_minute:
            return
        now, rate = self._clock(), self._per_minute / _MINUTE_S
        bucket = self._buckets.setdefault(account_id, _Bucket(self._per_minute, now))
        self._buckets.move_to_end(account_id)
        if len(self._buckets) > MAX_ACCOUNTS:
            self._buckets.popitem(last=False)
        bucket.left = min(self._per_minute, bucket.left + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.left < 1:
            raise ServiceFault(
                Reason.RATE_LIMITED,
                f"This account may count {self._per_minute} times a minute.",
                metadata={"limit": "count_tokens_per_minute"},
                retry_after_s=(1 - bucket.left) / rate,
            )
        bucket.left -= 1


class CountMemory:
    """Providers' counts by account and by a keyed digest of what was counted."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        # Digests of prompts without a key could be tried out by whoever reads this memory.
        self._key = secrets.token_bytes(32)
        self._accounts: OrderedDict[str, OrderedDict[bytes, tuple[float, int]]] = OrderedDict()

    def digest(self, parts: Iterable[bytes]) -> bytes:
        """The key of a count: everything its provider would see, in order."""
        hashed = hashlib.blake2b(key=self._key, digest_size=16)
        for part in parts:
            hashed.update(len(part).to_bytes(8, "big"))
            hashed.update(part)
        return hashed.digest()

    def recall(self, account_id: str, digest: bytes) -> int | None:
        """The count told to this account a while ago."""
        counts = self._accounts.get(account_id)
        found = counts.get(digest) if counts is not None else None
        if counts is None or found is None:
            return None
        told_at, tokens = found
        if self._clock() - told_at > REMEMBERED_S:
            del counts[digest]
            return None
        counts.move_to_end(digest)
        self._accounts.move_to_end(account_id)
        return tokens

    def remember(self, account_id: str, digest: bytes, tokens: int) -> None:
        """Keep a count; the one unused for longest makes room."""
        counts = self._accounts.setdefault(account_id, OrderedDict())
        counts[digest] = (self._clock(), tokens)
        counts.move_to_end(digest)
        self._accounts.move_to_end(account_id)
        if len(counts) > MAX_COUNTS:
            counts.popitem(last=False)
        if len(self._accounts) > MAX_ACCOUNTS_REMEMBERED:
            self._accounts.popitem(last=False)
