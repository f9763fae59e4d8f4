"""When a link's writer speaks."""

from __future__ import annotations

import asyncio
from typing import Any

from runtime.link.writer import Writer


class Speaker:
    """A call that has something to say."""

    is_marked = False

    def fill(self, frame: Any, /) -> int:
        frame.append("said")
        return 1


class Frames(list[list[str]]):
    def add(self) -> list[str]:
        self.append([])
        return self[-1]


def is_ready(writer: Writer[Any]) -> bool:
    ready = writer.ready()
    try:
        ready.send(None)
    except StopIteration:
        return True
    ready.close()
    return False


async def test_the_middle_of_a_stream_waits_behind_a_message_that_has_just_left() -> None:
    writer: Writer[Any] = Writer(pace_s=60)
    writer.mark(Speaker())
    assert writer.drain(Frames())
    writer.mark_paced(Speaker())
    await asyncio.sleep(0)
    assert not is_ready(writer)


async def test_what_somebody_waits_for_takes_along_what_waits() -> None:
    writer: Writer[Any] = Writer(pace_s=60)
    writer.drain(Frames())
    writer.mark_paced(Speaker())
    writer.mark(Speaker())
    assert is_ready(writer)
    frames = Frames()
    writer.drain(frames)
    assert frames == [["said"], ["said"]]


async def test_a_writer_without_a_pace_never_waits() -> None:
    writer: Writer[Any] = Writer(pace_s=0)
    writer.drain(Frames())
    writer.mark_paced(Speaker())
    assert is_ready(writer)
