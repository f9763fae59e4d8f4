"""The way into a counting process: all bytes in order, and an end to every write."""

from __future__ import annotations

import asyncio
import os

import pytest

from services.counter.feed import Feed

LARGE = bytes(range(256)) * 16_384  # four times what the pipe holds


def read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as stream:
        return stream.read()


async def test_all_pieces_arrive_in_order_past_what_the_pipe_holds() -> None:
    feed, reading = Feed.open()
    reader = asyncio.ensure_future(asyncio.to_thread(read_all, reading))
    pieces = [b"", LARGE, *(b"%d" % at for at in range(2_000)), b"", LARGE]
    await feed.write(pieces)
    await feed.write([b"end"])
    feed.close()
    assert await reader == b"".join(pieces) + b"end"


async def test_a_write_fails_where_nobody_reads() -> None:
    feed, reading = Feed.open()
    os.close(reading)
    with pytest.raises(OSError, match="pipe"):
        await feed.write([b"x"])
    feed.close()


async def test_a_reader_that_goes_away_ends_a_write_that_waits() -> None:
    feed, reading = Feed.open()
    writing = asyncio.ensure_future(feed.write([LARGE]))
    await asyncio.sleep(0)
    os.close(reading)
    with pytest.raises(OSError, match="pipe"):
        await writing
    feed.close()


async def test_closing_ends_a_write_that_waits_and_may_be_repeated() -> None:
    feed, reading = Feed.open()
    writing = asyncio.ensure_future(feed.write([LARGE]))
    await asyncio.sleep(0)
    feed.close()
    feed.close()
    with pytest.raises(BrokenPipeError):
        await writing
    with pytest.raises(BrokenPipeError):
        await feed.write([b"x"])
    os.close(reading)


async def test_a_write_given_up_leaves_the_loop_alone() -> None:
    feed, reading = Feed.open()
    writing = asyncio.ensure_future(feed.write([LARGE]))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert not asyncio.get_running_loop().remove_writer(feed._fd)
    feed.close()
    os.close(reading)
