"""Who waits longest is served next.

An asyncio.Queue wakes whoever waits first and then gives what came to whoever asks next: under load
the woken one goes to the end of the line again, and a few wait ten times as long as the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairLine(Generic[T]):
    """Things to hand out, and a line of those who wait for one. Of one event loop."""

    def __init__(self) -> None:
        self._free: deque[T] = deque()
        self._waiting: deque[asyncio.Future[T]] = deque()

    def put(self, thing: T) -> None:
        """Hand ``thing`` to the first in line, or keep it."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(thing)
                return
        self._free.append(thing)

    async def get(self) -> T:
        """The next thing, in the order of asking."""
        if self._free:
            return self._free.popleft()
        turn: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It came in the moment its taker went away.
                self.put(turn.result())
            raise
