"""A running event stream to a client: whole frames only, signs of life, an honest end.

Bytes pass as they came, but never half a frame: the tail after the last frame boundary waits for
the next read. So a keep-alive can be put between frames, and a stream that breaks off ends in the
dialect's error event instead of in a fragment that a client's parser would choke on.

One ticker a stream breaks silence. It looks at a clock that each write sets, so a chunk costs
neither a task nor a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from starlette.types import Send

from dialects.dialect import Dialect, Sent
from dialects.errors import Fault
from edge.faults import identity_headers

MAX_TAIL_BYTES: Final = 8 * 1024 * 1024
_BOUNDARIES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")

STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits in silence: for the status, then between signs of life."""

    commit_after_s: float
    keepalive_s: float


class OversizedFrameError(Exception):
    """The upstream sent a frame without an end."""


def frame_end(data: bytes) -> int:
    """Where the last whole frame of ``data`` ends; 0 where none does."""
    ends = [at + len(mark) for mark in _BOUNDARIES if (at := data.rfind(mark)) >= 0]
    return max(ends, default=0)


class EventStream:
    """One answer's stream over ASGI."""

    __slots__ = (
        "_clock", "_dialect", "_first", "_is_open", "_last", "_request_id", "_send", "_sent_at",
        "_tail", "_turn", "headers",
    )  # fmt: skip

    def __init__(self, send: Send, dialect: Dialect, request_id: str) -> None:
        self._send = send
        self._dialect = dialect
        self._request_id = request_id
        self._clock = asyncio.get_running_loop().time
        self._sent_at = self._clock()
        self._turn = asyncio.Lock()  # to open it: silence and the answer may come at once
        self._tail = b""
        self._first = b""
        self._last = b""
        self._is_open = False
        # What stands in the head whatever opens the stream, silence included.
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def is_open(self) -> bool:
        """Whether the status went out, so that errors must go in-band."""
        return self._is_open

    async def open(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Send status and headers, unless silence was broken with them already."""
        async with self._turn:
            await self._open(headers)

    async def write(self, chunk: bytes) -> None:
        """Pass the whole frames of an open stream on and keep the tail."""
        data = self._tail + chunk if self._tail else chunk
        end = len(data) if data.endswith(b"\n\n") else frame_end(data)
        self._tail = data[end:] if end < len(data) else b""
        if len(self._tail) > MAX_TAIL_BYTES:
            raise OversizedFrameError
        if not end:
            return
        self._last = data if end == len(data) else data[:end]
        self._first = self._first or self._last
        self._sent_at = self._clock()
        await self._send({"type": "http.response.body", "body": self._last, "more_body": True})

    @contextlib.asynccontextmanager
    async def kept_alive(self, patience: Patience) -> AsyncIterator[None]:
        """Break silence while the context lasts: with the status, then with signs of life.

        Errors have a status of their own until then; afterwards they are in-band.
        """
        ticker = asyncio.ensure_future(self._tick(patience))
        try:
            yield
        finally:
            ticker.cancel()

    async def close(self) -> None:
        """End well: a last frame without its blank line still belongs to the answer."""
        await self._send({"type": "http.response.body", "body": self._tail, "more_body": False})

    async def fail(self, fault: Fault) -> None:
        """End in the dialect's error event; half a frame is dropped."""
        event = self._dialect.render_stream_fault(fault, self._request_id, self._what_went())
        await self._send({"type": "http.response.body", "body": event, "more_body": False})

    async def _tick(self, patience: Patience) -> None:
        while True:
            limit_s = patience.keepalive_s if self._is_open else patience.commit_after_s
            rest_s = self._sent_at + limit_s - self._clock()
            if rest_s > 0:
                await asyncio.sleep(rest_s)
                continue
            self._sent_at = self._clock()
            async with self._turn:
                await self._open([])
            sign = self._dialect.keepalive(self._what_went())
            await self._send({"type": "http.response.body", "body": sign, "more_body": True})

    async def _open(self, headers: list[tuple[bytes, bytes]]) -> None:
        if self._is_open:
            return
        self._is_open = True
        identity = identity_headers(self._request_id)
        all_headers = [*STREAM_HEADERS, *identity, *self.headers, *headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": all_headers})

    def _what_went(self) -> Sent:
        return Sent(self._first, self._last)
