"""The hop: the floor in two processes, with one gRPC stream between them and nothing else.

``python -m tests.bench.hop back PORT UPSTREAM`` and ``… front PORT BACK``: what a gateway with gRPC
inside costs before it does anything. All requests share the stream, frames are packed by hand, what
is ready leaves together, the middle of an answer waits for company as on the product's links, and
nothing is checked, counted, logged, kept within bounds or cancelled.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import aiohttp
import grpc
import grpc.aio
import uvloop

from runtime.link.writer import PACE_S
from tests.bench.floor import serve

LINK: Final = "/bench.Hop/Link"
BEGIN, HEAD, CHUNK, END = range(4)
_FRAME: Final = struct.Struct("!IBI")
_OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


def frames(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The call's number, the frame's kind and its payload, of each frame in a message."""
    at = 0
    while at < len(message):
        number, kind, size = _FRAME.unpack_from(message, at)
        at += _FRAME.size
        yield number, kind, message[at : at + size]
        at += size


class Outbound:
    """What one side has to say; an iterator of messages."""

    def __init__(self, pace_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._pace_s = pace_s
        self._pieces: list[bytes] = []
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def say(self, number: int, kind: int, payload: bytes, *, is_paced: bool = False) -> None:
        """One frame; with others where it ``is_paced``."""
        self._pieces += (_FRAME.pack(number, kind, len(payload)), payload)
        if not is_paced or self._loop.time() >= self._last + self._pace_s:
            self._ready.set()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._last + self._pace_s, self._ready.set)

    async def message(self) -> bytes:
        """All that is ready, when something is."""
        await self._ready.wait()
        # As the product's callers do: what came meanwhile goes along.
        for _ in range(2):
            await asyncio.sleep(0)
        self._ready.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = self._loop.time()
        message = b"".join(self._pieces)
        self._pieces.clear()
        return message


class Back:
    """Asks the provider."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def link(self, messages: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        """Serve a front."""
        outbound = Outbound(PACE_S)
        hearing = asyncio.ensure_future(self._hear(messages, outbound))
        try:
            while True:
                yield await outbound.message()
        finally:
            hearing.cancel()

    async def _hear(self, messages: AsyncIterator[bytes], outbound: Outbound) -> None:
        running = set()
        async for message in messages:
            for number, _, payload in frames(message):
                task = asyncio.ensure_future(self._answer(number, payload, outbound))
                running.add(task)
                task.add_done_callback(running.discard)

    async def _answer(self, number: int, request: bytes, outbound: Outbound) -> None:
        path, body = request.split(b"\n", 1)
        answer = await self._session.post(
            self._upstream + path.decode(),
            data=body,
            headers={"content-type": "application/json", "x-api-key": "bench"},
        )
        async with answer:
            kind = answer.headers.get("content-type", "")
            is_stream = kind.startswith("text/event-stream")
            outbound.say(number, HEAD, kind.encode(), is_paced=not is_stream)
            if is_stream:
                async for chunk in answer.content.iter_any():
                    outbound.say(number, CHUNK, chunk, is_paced=True)
                outbound.say(number, END, b"")
            else:
                outbound.say(number, END, await answer.read())


class Front:
    """Serves HTTP, as an ASGI app; opens the link with the first request."""

    def __init__(self, back: str) -> None:
        self._back = back
        self._outbound: Outbound | None = None
        self._calls: dict[int, Callable[[tuple[int, bytes]], None]] = {}
        self._number = 0
        self._work: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        outbound = self._outbound or self._open()
        pieces, has_more = [], True
        while has_more:
            event = await receive()
            pieces.append(event["body"])
            has_more = event["more_body"]
        self._number = number = self._number + 1
        answers: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self._calls[number] = answers.put_nowait
        outbound.say(number, BEGIN, b"".join((scope["path"].encode(), b"\n", *pieces)))
        kind = HEAD
        while kind != END:
            kind, payload = await answers.get()
            if kind == HEAD:
                headers = [(b"content-type", payload)]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                continue
            body = {"type": "http.response.body", "body": payload, "more_body": kind != END}
            await send(body)
        del self._calls[number]

    def _open(self) -> Outbound:
        self._outbound = outbound = Outbound(0.0)
        channel = grpc.aio.insecure_channel(self._back, options=_OPTIONS)
        stream = channel.stream_stream(LINK)()
        self._work = [
            asyncio.ensure_future(self._speak(stream, outbound)),
            asyncio.ensure_future(self._hear(stream)),
        ]
        return outbound

    async def _speak(self, stream: Any, outbound: Outbound) -> None:
        while True:
            await stream.write(await outbound.message())

    async def _hear(self, stream: Any) -> None:
        async for message in stream:
            for number, kind, payload in frames(message):
                self._calls[number]((kind, payload))


async def serve_back(port: int, upstream: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server(options=_OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(Back(upstream).link)
    service, method = LINK[1:].split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    role, listen, target = sys.argv[1:]
    if role == "back":
        uvloop.run(serve_back(int(listen), target))
    else:
        serve(Front(target), int(listen))
