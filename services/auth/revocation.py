"""The change log of keys and accounts, followed once per process and fanned out.

::

    store stream ──▶ ChangeLog.follow ──▶ every subscription (leases, WatchRevocations streams)

The log is the one road by which a revocation reaches other processes, so whoever vouches for it
must know that it is still read: ``is_fresh`` turns false when the store was not heard for the
grace.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger

HEARTBEAT_S: Final = 1.0
READ_BLOCK_S: Final = 0.5
RETRY_S: Final = 0.2
REPLAY_COUNT: Final = 500
MAX_BACKLOG: Final = 4096
START_S: Final = 0.5
START: Final = "0-0"


class ChangeKind(StrEnum):
    """What an entry of the log is about."""

    KEY = "key"
    ACCOUNT = "account"
    POLICY = "policy"


class Change(msgspec.Struct, frozen=True):
    """One entry. ``reason`` is empty for a change of policy, which revokes nothing."""

    sequence: str
    kind: ChangeKind
    key_id: str
    account_id: str
    reason: str

    def is_revocation(self) -> bool:
        """Whether running requests must end."""
        return self.kind is not ChangeKind.POLICY

    def touches(self, account_id: str, key_id: str) -> bool:
        """Whether a lease of this key is concerned."""
        if self.key_id:
            return self.key_id == key_id
        return self.account_id == account_id


class ChangeSource(Protocol):
    """What the log needs of the store."""

    async def last_change(self) -> str:
        """The newest sequence, "0-0" of an empty log."""
        ...

    async def read_changes(self, after: str, block_s: float) -> list[Change]:
        """Entries after a sequence, waiting up to ``block_s`` for the first."""
        ...

    async def replay_changes(self, after: str, count: int) -> list[Change]:
        """At most ``count`` entries after a sequence, at once."""
        ...


def order(sequence: str) -> tuple[int, int]:
    """A sequence ("ms-n", or "ms" alone) as numbers that compare; INVALID_REQUEST otherwise."""
    milliseconds, _, number = sequence.partition("-")
    if not (_is_number(milliseconds) and (not number or _is_number(number))):
        raise ServiceFault(Reason.INVALID_REQUEST, "The sequence is not one this service gave.")
    return int(milliseconds), int(number or 0)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


class ChangeLog:
    """The log as this process sees it; ``follow`` must run for the life of the process."""

    def __init__(
        self,
        source: ChangeSource,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._grace_s = grace_s
        self._clock = clock
        self._listeners: set[Callable[[Change], None]] = set()
        self._sequence: str | None = None
        self._read_at = -float("inf")
        self._is_closed = False
        self._is_away = False
        self._started = asyncio.Event()

    async def follow(self) -> None:
        """Read the log until closed; the store's absence is waited out, never skipped over.

        Close it to end it: redis-py 8.1 swallows a cancellation that meets it while connecting.
        """
        while not self._is_closed:
            try:
                await self._read()
            except ServiceFault as fault:
                if not self._is_away:
                    get_logger().warning("change log away", reason=str(fault.reason))
                self._is_away = True
                await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        if self._sequence is None:
            self._sequence = await self._source.last_change()
            changes = []
        else:
            changes = await self._source.read_changes(self._sequence, READ_BLOCK_S)
        self._read_at = self._clock()
        if self._is_away:
            get_logger().info("change log back")
        self._is_away = False
        self._started.set()
        for change in changes:
            self._sequence = change.sequence
            for listener in tuple(self._listeners):
                listener(change)

    @property
    def is_away(self) -> bool:
        """Whether the last attempt to read failed: the store is best left alone for now."""
        return self._is_away

    def is_fresh(self) -> bool:
        """Whether the log was read within the grace."""
        return self._clock() - self._read_at <= self._grace_s

    def close(self) -> None:
        """End every watch, so that watchers follow another replica, and then the reading."""
        self._is_closed = True

    @contextlib.contextmanager
    def listening(self, listener: Callable[[Change], None]) -> Iterator[None]:
        """Call ``listener`` with every change while the context lasts."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def watch(self, after: str) -> AsyncIterator[tuple[Change | None, str]]:
        """Revocations after a sequence ("" = from now on), and None each second of silence.

        Ends when the process drains; STORE_AWAY when the log can no longer be vouched for. A
        watcher goes on from the last sequence it was given.
        """
        queue: asyncio.Queue[Change] = asyncio.Queue(MAX_BACKLOG)
        given = order(after) if after else None
        position = given or order(await self._wait_started())
        with self.listening(lambda change: _put(queue, change)):
            # The first word tells the sequence, so that a watcher cut off at once can resume.
            yield None, _text(position)
            # Replay meets the queue without a gap only once the log is being read.
            await self._wait_started()
            async for change in self._replay(position):
                position = order(change.sequence)
                if change.is_revocation():
                    yield change, change.sequence
            while not self._is_closed:
                if not self.is_fresh() or queue.full():
                    raise _unfollowed()
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        change = await queue.get()
                except TimeoutError:
                    yield None, _text(position)
                    continue
                if order(change.sequence) <= position:
                    continue
                position = order(change.sequence)
                if change.is_revocation():
                    yield change, change.sequence

    async def _wait_started(self) -> str:
        """The newest sequence read; STORE_AWAY when the first reading takes too long."""
        try:
            async with asyncio.timeout(START_S):
                await self._started.wait()
        except TimeoutError:
            raise _unfollowed() from None
        assert self._sequence is not None
        return self._sequence

    async def _replay(self, position: tuple[int, int]) -> AsyncIterator[Change]:
        while changes := await self._source.replay_changes(_text(position), REPLAY_COUNT):
            for change in changes:
                yield change
            position = order(changes[-1].sequence)


def _unfollowed() -> ServiceFault:
    return ServiceFault(
        Reason.STORE_AWAY, "The revocation log cannot be followed.", retry_after_s=1
    )


def _text(position: tuple[int, int]) -> str:
    return f"{position[0]}-{position[1]}"


def _put(queue: asyncio.Queue[Change], change: Change) -> None:
    # A watcher that reads too slowly finds its queue full, is ended, and replays.
    with contextlib.suppress(asyncio.QueueFull):
        queue.put_nowait(change)
