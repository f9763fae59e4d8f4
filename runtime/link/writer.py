"""One writer per link and side: what is ready together leaves together.

A call that has something to say is marked, once, however much it gathers until its turn. While a
message is under way the next one fills, so the busier a link is, the more each message carries.
The middle of a stream waits a moment for company where a message has only just left; what a caller
waits for (an answer's begin, its end) never does, and takes along what is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Generic, Protocol, TypeVar

# A message is closed here; a single call's piece may exceed it.
MESSAGE_BYTES: Final = 512 * 1024
# Between two messages that carry nothing urgent: half a frame of a screen, and a busy link sends a
# sixth of the messages (measured: docs/adr/0019).
PACE_S: Final = 0.008
# The most that anybody may ask for.
MAX_PACE_S: Final = 0.02
# What would rather not go alone.
COMPANY_S: Final = 0.004


Frame = TypeVar("Frame")
Heard = TypeVar("Heard", contravariant=True)
Made = TypeVar("Made", covariant=True)


class Speaker(Protocol[Heard]):
    """A call as a writer sees it."""

    is_marked: bool

    def fill(self, frame: Heard, /) -> int:
        """Put everything it has to say into ``frame``; about how many bytes that is."""


class Frames(Protocol[Made]):
    """A message's repeated field."""

    def add(self) -> Made: ...


class Writer(Generic[Frame]):
    """See the module."""

    __slots__ = ("_last", "_loop", "_marked", "_timer", "_wake", "pace_s")

    def __init__(self, pace_s: float = PACE_S) -> None:
        self.pace_s = pace_s
        self._loop = asyncio.get_running_loop()
        self._marked: deque[Speaker[Frame]] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def mark(self, speaker: Speaker[Frame]) -> None:
        """``speaker`` has something to say that somebody waits for."""
        self._take(speaker)
        self._wake.set()

    def mark_paced(self, speaker: Speaker[Frame]) -> None:
        """The same, but not right behind the last message."""
        self._take(speaker)
        if self._loop.time() >= self._last + self.pace_s:
            self._wake.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._last + self.pace_s, self._wake.set)

    def mark_idle(self, speaker: Speaker[Frame]) -> None:
        """The same, but rather along with what comes next than alone."""
        self._take(speaker)
        if self._timer is None:
            self._timer = self._loop.call_later(COMPANY_S, self._wake.set)

    def wake(self) -> None:
        """End ``ready`` even though nobody has anything to say."""
        self._wake.set()

    async def ready(self) -> None:
        """Until somebody has something to say."""
        await self._wake.wait()

    def drain(self, frames: Frames[Frame]) -> bool:
        """Move what is ready into a message's ``frames``; whether there was anything."""
        size = 0
        is_filled = bool(self._marked)
        while self._marked and size < MESSAGE_BYTES:
            speaker = self._marked.popleft()
            speaker.is_marked = False
            size += speaker.fill(frames.add())
        if not self._marked:
            self._wake.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        self._last = self._loop.time()
        return is_filled

    def _take(self, speaker: Speaker[Frame]) -> None:
        if not speaker.is_marked:
            speaker.is_marked = True
            self._marked.append(speaker)
