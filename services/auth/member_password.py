"""Passwords: argon2id, off the event loop, a few at a time.

A verification takes about 100 ms and 64 MiB on purpose, so how many run at once is bounded, and
how many wait: a flood of sign-ins is refused instead of taking the process with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from runtime.faults import Reason, ServiceFault

T = TypeVar("T")

AT_ONCE: Final = 2
MAX_WAITING: Final = 32


class Passwords:
    """Makes and checks verifiers. Cheaper settings are for tests alone."""

    def __init__(self, time_cost: int = 3, memory_kib: int = 64 * 1024) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        # Checked in place of a verifier that is not there, so that the time tells nothing.
        self._nobody = self._hasher.hash("nobody has this password")
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """A verifier to keep."""
        return await self._run(lambda: self._hasher.hash(password))

    async def check(self, verifier: str, password: str) -> bool:
        """Whether the password fits; as slow for no verifier as for a wrong password."""
        return await self._run(lambda: self._verify(verifier, password))

    def is_outdated(self, verifier: str) -> bool:
        """Whether it was made with other settings and should be made anew."""
        return self._hasher.check_needs_rehash(verifier)

    def _verify(self, verifier: str, password: str) -> bool:
        try:
            return self._hasher.verify(verifier or self._nobody, password) and bool(verifier)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise ServiceFault(
                Reason.OVERLOADED, "Too many sign-ins at this moment. Try again.", retry_after_s=2
            )
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
