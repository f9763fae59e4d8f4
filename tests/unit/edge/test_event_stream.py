"""A stream to a client: whole frames, signs of life, honest ends."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.errors import Fault, FaultClass
from dialects.registry import DIALECTS
from edge.event_stream import (
    MAX_TAIL_BYTES,
    EventStream,
    OversizedFrameError,
    Patience,
    frame_end,
)

FAULT = Fault(FaultClass.UPSTREAM_ERROR, "It broke.")
FRAMES = [
    b"event: a\ndata: {}\n\n",
    b'data: {"x":"\xc3\xbc"}\n\n',
    b": note\n\n",
    b"data: 1\r\n\r\n",
]
QUICK = Patience(commit_after_s=0.01, keepalive_s=0.01)


class Client:
    """What came over ASGI."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.is_over = False
        self.came = asyncio.Event()

    async def send(self, message: Any) -> None:
        assert not self.is_over
        if message["type"] == "http.response.start":
            assert not self.status
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        assert self.status, "a body before its status"
        self.pieces.append(message["body"])
        self.is_over = not message["more_body"]
        self.came.set()


def make_stream(dialect: str = "openai_chat") -> tuple[EventStream, Client]:
    client = Client()
    return EventStream(client.send, DIALECTS[dialect], "req_1"), client


@given(st.lists(st.sampled_from(FRAMES), min_size=1), st.lists(st.integers(0, 200)))
def test_any_split_gives_the_same_bytes_in_whole_frames(frames: list[bytes], at: list[int]) -> None:
    data = b"".join(frames)
    cuts = sorted({0, len(data), *(place for place in at if place < len(data))})

    async def pass_on() -> Client:
        stream, client = make_stream()
        await stream.open([])
        for begin, end in itertools.pairwise(cuts):
            await stream.write(data[begin:end])
        await stream.close()
        return client

    client = asyncio.run(pass_on())
    assert b"".join(client.pieces) == data
    assert all(frame_end(piece) == len(piece) for piece in client.pieces)


async def test_a_last_frame_without_its_blank_line_belongs_to_the_answer() -> None:
    stream, client = make_stream()
    await stream.open([])
    await stream.write(b"data: 1\n\ndata: [DONE]\n")
    await stream.close()

    assert b"".join(client.pieces) == b"data: 1\n\ndata: [DONE]\n"


async def test_half_a_frame_is_dropped_when_the_stream_breaks() -> None:
    stream, client = make_stream()
    await stream.open([])
    await stream.write(b'data: {"a":1}\n\ndata: {"b":')
    await stream.fail(FAULT)

    assert client.pieces[0] == b'data: {"a":1}\n\n'
    assert client.pieces[1].startswith(b'data: {"error":')
    assert client.is_over


async def test_a_frame_without_end_is_refused() -> None:
    stream, _ = make_stream()
    await stream.open([])
    for _ in range(MAX_TAIL_BYTES // 2**20):
        await stream.write(b"x" * 2**20)
    with pytest.raises(OversizedFrameError):
        await stream.write(b"x")


async def test_silence_commits_the_status_and_then_gives_signs_of_life() -> None:
    stream, client = make_stream()
    async with stream.kept_alive(QUICK):
        async with asyncio.timeout(5):
            while len(client.pieces) < 3:
                client.came.clear()
                await client.came.wait()
    assert stream.is_open
    assert client.status == 200
    assert set(client.pieces) == {b": keep-alive\n\n"}


async def test_a_status_that_went_out_is_not_sent_again() -> None:
    stream, client = make_stream()
    await stream.open([(b"x-first", b"1")])
    await stream.open([(b"x-second", b"1")])
    await stream.close()

    assert b"x-first" in client.headers
    assert b"x-second" not in client.headers


async def test_nothing_is_said_while_bytes_flow() -> None:
    stream, client = make_stream()
    async with stream.kept_alive(Patience(commit_after_s=60, keepalive_s=60)):
        await stream.open([])
        for frame in FRAMES:
            await stream.write(frame)
    await stream.close()

    assert client.pieces[:-1] == FRAMES


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_can_fail_before_its_first_frame(dialect: str) -> None:
    stream, client = make_stream(dialect)
    await stream.open([])
    await stream.fail(FAULT)

    assert b"It broke." in client.pieces[0]
    assert client.is_over
