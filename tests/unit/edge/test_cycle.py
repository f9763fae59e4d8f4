"""An answer's bytes on the connection, and how many writes they take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from edge.cycle import Cycle

Headers = list[tuple[bytes, bytes]]


class Connection:
    """A transport that keeps what is written to it, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        self.is_reading = True

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.writes.append(b"".join(pieces))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


def cycle_on(connection: Any, method: str = "POST", *, keep_alive: bool = True) -> Cycle:
    return Cycle(
        scope={"type": "http", "method": method},
        transport=connection,
        flow=FlowControl(connection),
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=[(b"server", b"gatebeyz")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


def start(headers: Headers, status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_a_whole_answer_is_one_write() -> None:
    connection = Connection()
    cycle = cycle_on(connection)
    await cycle.send(start([(b"content-length", b"5")]))
    await cycle.send(body(b"hello"))

    assert connection.writes == [
        b"HTTP/1.1 200 OK\r\nserver: gatebeyz\r\ncontent-length: 5\r\n\r\nhello"
    ]
    assert cycle.response_complete
    assert not connection.is_closed


async def test_a_streams_head_does_not_wait_and_each_chunk_is_one_write() -> None:
    connection = Connection()
    cycle = cycle_on(connection)
    await cycle.send(start([(b"content-type", b"text/event-stream")]))
    assert connection.writes[0].endswith(b"transfer-encoding: chunked\r\n\r\n")
    await cycle.send(body(b"data: 1\n\n", more=True))
    await cycle.send(body(b"", more=True))  # an empty chunk would end the body
    await cycle.send(body(b"end"))

    assert connection.writes[1:] == [b"9\r\ndata: 1\n\n\r\n", b"3\r\nend\r\n0\r\n\r\n"]


async def test_head_gets_the_head_alone() -> None:
    connection = Connection()
    cycle = cycle_on(connection, "HEAD")
    await cycle.send(start([(b"content-length", b"5")]))
    await cycle.send(body(b"hello"))

    assert b"".join(connection.writes).endswith(b"content-length: 5\r\n\r\n")


@pytest.mark.parametrize("asked", ["by the client", "by the answer"])
async def test_a_last_answer_says_so_and_closes(asked: str) -> None:
    connection = Connection()
    cycle = cycle_on(connection, keep_alive=asked == "by the answer")
    own = [(b"connection", b"close")] if asked == "by the answer" else []
    await cycle.send(start([(b"content-length", b"0"), *own]))
    await cycle.send(body(b""))

    assert b"".join(connection.writes).count(b"connection: close\r\n") == 1
    assert connection.is_closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0b"])
async def test_no_header_breaks_out_of_its_line(value: bytes) -> None:
    connection = Connection()
    with pytest.raises(RuntimeError, match="what no header may"):
        await cycle_on(connection).send(start([(b"x-note", value)]))
    assert connection.writes == []


@pytest.mark.parametrize(
    ("data", "why"), [(b"too long", "longer"), (b"shrt", "shorter")], ids=["longer", "shorter"]
)
async def test_a_body_is_as_long_as_was_said(data: bytes, why: str) -> None:
    cycle = cycle_on(Connection())
    await cycle.send(start([(b"content-length", b"5")]))
    with pytest.raises(RuntimeError, match=why):
        await cycle.send(body(data))


async def test_messages_out_of_order_are_refused() -> None:
    cycle = cycle_on(Connection())
    with pytest.raises(RuntimeError, match="begins with its status"):
        await cycle.send(body(b"hello"))
    await cycle.send(start([(b"content-length", b"0")]))
    with pytest.raises(RuntimeError, match="one status"):
        await cycle.send(start([]))
    await cycle.send(body(b""))
    with pytest.raises(RuntimeError, match="complete"):
        await cycle.send(body(b""))


async def test_pieces_of_a_body_come_joined_and_a_large_one_holds_its_sender_up() -> None:
    connection = Connection()
    cycle = cycle_on(connection)
    cycle.take(b"one ")
    cycle.take(b"two" * 40_000)
    assert not connection.is_reading
    cycle.more_body = False

    assert await cycle.receive() == {
        "type": "http.request",
        "body": b"one " + b"two" * 40_000,
        "more_body": False,
    }
    assert connection.is_reading
