"""A provider that costs next to nothing: ``python -m tests.bench.provider PORT``.

Plain uvloop protocols, answers made once and kept. The request says what it wants (``wish.py``).
A paced stream keeps its schedule: event k is due k pauses after the first one, and carries the
moment it was really sent.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
import time
from typing import Any, Final

import uvloop

from tests.bench.answer import Frame, body_of, stream_of
from tests.bench.wish import Wish, read_wish

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DIALECTS: Final = (
    (b"/messages/count_tokens", "count_tokens"),
    (b"/messages", "anthropic_messages"),
    (b"/chat/completions", "openai_chat"),
    (b"/responses", "openai_responses"),
)
# Events of a burst that go out before another connection has its turn.
_TURN: Final = 20
_SHARED: Final = b"request-id: req_bench0001\r\nconnection: keep-alive\r\n"
_STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\ncache-control: no-cache\r\n%b\r\n" % _SHARED
)
_LAST_CHUNK: Final = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@functools.lru_cache(maxsize=256)
def _whole(dialect: str, wish: Wish) -> bytes:
    body = body_of(dialect, wish)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n"
    return head % (len(body), _SHARED) + body


@functools.lru_cache(maxsize=256)
def _stream(dialect: str, wish: Wish) -> tuple[bytes, tuple[Frame, ...], bytes]:
    """The stream as it stands on the wire: opening, deltas, end."""
    answer = stream_of(dialect, wish)
    deltas = []
    for delta in answer.deltas:
        data = _chunk(delta.data)
        deltas.append(Frame(data, data.index(delta.data) + delta.stamp_at))
    return _STREAM_HEAD + _chunk(answer.head), tuple(deltas), _chunk(answer.tail) + _LAST_CHUNK


class Provider(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._needed = 0
        self._timer: asyncio.Handle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._socket = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if len(self._received) < self._needed:
            return
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        body_at = end + 4
        self._needed = body_at + (int(length[1]) if length else 0)
        if len(self._received) < self._needed:
            return
        request, self._received, self._needed = self._received, b"", 0
        self._take(request[:end], request[body_at:])

    def _take(self, head: bytes, body: bytes) -> None:
        line = head[: head.find(b"\r\n")]
        dialect = next((name for mark, name in _DIALECTS if mark in line), "count_tokens")
        wish = read_wish(body)
        is_stream = b'"stream":true' in body and dialect != "count_tokens"
        answer = self._start if is_stream else self._answer
        if wish.wait_us:
            self._timer = self._loop.call_later(wish.wait_us / 1e6, answer, dialect, wish)
        else:
            answer(dialect, wish)

    def _answer(self, dialect: str, wish: Wish) -> None:
        self._write(_whole(dialect, wish))

    def _start(self, dialect: str, wish: Wish) -> None:
        head, self._deltas, self._tail = _stream(dialect, wish)
        self._next = 0
        self._write(head)
        if wish.pause_us:
            self._pause_s = wish.pause_us / 1e6
            self._due_at = self._loop.time()
            self._step()
        else:
            self._burst()

    def _step(self) -> None:
        """One event of a paced stream, and the timer of the next."""
        if self._next == len(self._deltas):
            self._write(self._tail)
            return
        self._write(self._deltas[self._next].stamped(time.monotonic_ns()))
        self._next += 1
        self._due_at += self._pause_s
        self._timer = self._loop.call_at(self._due_at, self._step)

    def _burst(self) -> None:
        """A turn of events, each a write of its own."""
        for delta in self._deltas[self._next : self._next + _TURN]:
            self._write(delta.data)
        self._next += _TURN
        if self._next >= len(self._deltas):
            self._write(self._tail)
        else:
            self._timer = self._loop.call_soon(self._burst)

    def _write(self, data: bytes) -> None:
        """To the socket at once: the transport would gather what one turn of the loop writes."""
        if self._transport is None:
            return
        written = 0
        if not self._transport.get_write_buffer_size():
            try:
                written = os.write(self._socket, data)
            except BlockingIOError:
                written = 0
            except OSError:
                self._transport.abort()
                return
        if written < len(data):
            self._transport.write(data[written:])


async def serve(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
