"""The way into a counting process: a wide pipe, written without copies.

The event loop's own pipes are sockets that take a fifth of a megabyte at once; through them a job
goes in a dozen turns, each of which both sides wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Iterable
from typing import Final

_PIPE_BYTES: Final = 1_048_576
_PIECES_AT_ONCE: Final = 256
"""Below any system's limit for one gathered write."""


class Feed:
    """The writing end of a pipe; one write at a time."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: asyncio.Future[None] | None = None

    @classmethod
    def open(cls) -> tuple[Feed, int]:
        """A feed, and the descriptor to read it from: the caller's to close. Raises OSError."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # A narrower pipe is only slower.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return cls(writing), reading

    async def write(self, pieces: Iterable[bytes]) -> None:
        """Write all of it. Raises OSError where nobody reads any more, or the feed is closed."""
        left = deque(memoryview(piece) for piece in pieces if piece)
        while left:
            if self._fd < 0:
                raise BrokenPipeError
            try:
                written = os.writev(self._fd, [left[at] for at in range(_at_once(left))])
            except BlockingIOError:
                await self._wait_writable()
            else:
                _drop(left, written)

    async def _wait_writable(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        loop.add_writer(self._fd, _settle, self._waiting)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if self._fd >= 0:
                loop.remove_writer(self._fd)

    def close(self) -> None:
        """End it; a write that waits ends in an OSError."""
        if self._fd < 0:
            return
        if self._waiting is not None:
            asyncio.get_running_loop().remove_writer(self._fd)
            _settle(self._waiting)
        os.close(self._fd)
        self._fd = -1


def _at_once(left: deque[memoryview]) -> int:
    return min(len(left), _PIECES_AT_ONCE)


def _drop(left: deque[memoryview], written: int) -> None:
    """Take ``written`` bytes off the front."""
    while written:
        size = len(left[0])
        if size > written:
            left[0] = left[0][written:]
            return
        left.popleft()
        written -= size


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
