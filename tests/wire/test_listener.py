"""Hostile sockets against the edge's listener: what bare uvicorn would let in, or never let go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from edge import listener as edge_listener
from edge.shedding import Shedder
from tests.ports import free_port

SHORT_S = 0.3
LONG_S = 5.0
CHUNK = b"x" * 65_536


class App:
    """Reads a body and answers its length; ``/flood`` answers without end."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        start = {"type": "http.response.start", "status": 200}
        if scope["path"] == "/flood":
            await send({**start, "headers": []})
            await self._flood(receive, send)
        body = str(size).encode()
        await send({**start, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    async def _flood(self, receive: Receive, send: Send) -> None:
        async def send_on() -> None:
            while True:
                await send({"type": "http.response.body", "body": CHUNK, "more_body": True})

        flooding = asyncio.ensure_future(send_on())
        while (await receive())["type"] != "http.disconnect":
            pass
        flooding.cancel()
        self.ended.set()


@pytest.fixture
async def app() -> App:
    return App()


@pytest.fixture
async def port(app: App, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(edge_listener, "HEADER_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(edge_listener, "STALL_TIMEOUT_S", SHORT_S)
    chosen = free_port()
    server: uvicorn.Server = edge_listener.listener(app, f"127.0.0.1:{chosen}", 0)
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(LONG_S):
        while not await is_open(chosen):
            pass
    yield chosen
    server.should_exit = True
    await serving


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer_to(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the listener closes."""
    async with connected(port) as (reader, writer):
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), LONG_S)
    return b""


def request(*lines: bytes, body: bytes = b"") -> bytes:
    head = [b"POST / HTTP/1.1", b"host: a", b"content-length: %d" % len(body), *lines]
    return b"\r\n".join([*head, b"connection: close", b"", body])


async def test_a_request_is_served(port: int) -> None:
    assert (await answer_to(port, request(body=b"four"))).endswith(b"\r\n\r\n4")


@pytest.mark.parametrize(
    "opening",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: a\r\nx-slow: 1"],
    ids=["silent", "half a line", "half a header"],
)
async def test_headers_that_do_not_come_are_not_waited_for(
    app: App, port: int, opening: bytes
) -> None:
    assert await answer_to(port, opening) == b""
    assert app.paths == []


async def test_the_second_request_of_a_connection_is_watched_too(app: App, port: int) -> None:
    first = request().replace(b"connection: close\r\n", b"")
    async with connected(port) as (reader, writer):
        writer.write(first)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\n")
        await asyncio.wait_for(reader.read(), LONG_S)

    assert len(app.paths) == 1


async def test_a_body_may_take_longer_than_headers(port: int) -> None:
    whole = request(body=b"slow")
    async with connected(port) as (reader, writer):
        writer.write(whole[:-2])
        await asyncio.sleep(2 * SHORT_S)
        writer.write(whole[-2:])
        answer = await asyncio.wait_for(reader.read(), LONG_S)

    assert answer.endswith(b"\r\n\r\n4")


@pytest.mark.parametrize(
    "lines",
    [
        [b"x-big: " + b"x" * 70_000],
        [b"x-%d: %b" % (number, b"y" * 100) for number in range(1_000)],
        [b"x-huge: " + b"x" * 20_000_000],
    ],
    ids=["one header", "many headers", "a bomb"],
)
async def test_fat_headers_are_refused(app: App, port: int, lines: list[bytes]) -> None:
    head = request(*lines)
    answer = await answer_to(port, *(head[at : at + 8_192] for at in range(0, len(head), 8_192)))

    assert app.paths == []
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


async def test_a_megabyte_of_url_is_refused(app: App, port: int) -> None:
    answer = await answer_to(port, b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")

    assert app.paths == []
    assert not answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "lines",
    [
        [b"content-length: 4", b"transfer-encoding: chunked"],
        [b"content-length: 4", b"content-length: 5"],
        [b"transfer-encoding: xchunked"],
        [b"content-length: 99999999999999999999"],
        [b"content-length: -1"],
        [b"a header without a colon"],
        [b" folded: line"],
    ],
    ids=["both lengths", "two lengths", "strange coding", "huge", "negative", "no colon", "folded"],
)
async def test_ambiguous_framing_gets_one_refusal(app: App, port: int, lines: list[bytes]) -> None:
    head = b"\r\n".join([b"POST / HTTP/1.1", b"host: a", *lines, b"", b""])
    answer = await answer_to(port, head + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "/smuggled" not in app.paths


async def test_a_client_that_stops_reading_is_let_go(app: App, port: int) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(request().replace(b"POST / ", b"POST /flood "))

        await asyncio.wait_for(app.ended.wait(), LONG_S)


async def test_a_client_that_reads_slowly_is_kept(app: App, port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(request().replace(b"POST / ", b"POST /flood "))
        for _ in range(4):
            await reader.readexactly(8 * len(CHUNK))
            await asyncio.sleep(SHORT_S / 3)

    assert len(app.paths) == 1


OVERLOADED = b"HTTP/1.1 529"


class Busy(Shedder):
    """Refuses what it is told to."""

    def __init__(self) -> None:
        super().__init__(1, 1_000)
        self.is_busy = True

    def refuses(self, in_flight: int) -> bool:
        return self.is_busy


@pytest.fixture
async def busy(app: App) -> AsyncIterator[tuple[int, Busy]]:
    chosen, shedder = free_port(), Busy()
    server = edge_listener.listener(app, f"127.0.0.1:{chosen}", 0, shedder)
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(LONG_S):
        while not await is_open(chosen):
            pass
    yield chosen, shedder
    server.should_exit = True
    await serving


def post(path: str, size: int, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {size}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


async def answer_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    async with asyncio.timeout(LONG_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        return head, await reader.readexactly(length)


async def test_a_refused_request_leaves_the_connection_good(
    busy: tuple[int, Busy], app: App
) -> None:
    port, shedder = busy
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(post("/v1/messages?beta=true", len(CHUNK)))
        head, body = await answer_of(reader)  # before a byte of the body went out
        assert head.startswith(OVERLOADED)
        assert b"retry-after: " in head
        assert b"overloaded_error" in body
        writer.write(CHUNK)
    shedder.is_busy = False
    writer.write(post("/v1/messages", 3) + b"abc")
    head, body = await answer_of(reader)
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"3"
    assert app.paths == ["/v1/messages"]
    writer.close()
    await writer.wait_closed()


async def test_probes_and_pages_are_served_all_the_same(busy: tuple[int, Busy], app: App) -> None:
    port, _ = busy
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/healthz", 0))
    assert (await answer_of(reader))[0].startswith(b"HTTP/1.1 200")
    assert app.paths == ["/healthz"]
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("header", ["connection: close", "expect: 100-continue"])
async def test_a_refusal_ends_the_connection_where_nothing_can_follow(
    busy: tuple[int, Busy], header: str
) -> None:
    port, _ = busy
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/v1/chat/completions", 3, header))
    head, _ = await answer_of(reader)
    assert head.startswith(b"HTTP/1.1 503")
    assert b"connection: close" in head
    async with asyncio.timeout(LONG_S):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_the_body_of_a_refused_request_has_its_deadline(
    busy: tuple[int, Busy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_listener, "HEADER_TIMEOUT_S", SHORT_S)
    port, _ = busy
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/v1/messages", 1_000) + b"a")
    await answer_of(reader)
    async with asyncio.timeout(LONG_S):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
