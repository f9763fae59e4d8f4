"""The line for a counting process: first come, first served, and nothing is lost on the way."""

from __future__ import annotations

import asyncio

from services.counter.fair_line import FairLine


async def test_what_is_there_is_taken_at_once() -> None:
    line: FairLine[int] = FairLine()
    line.put(1)
    line.put(2)
    assert [await line.get(), await line.get()] == [1, 2]


async def test_a_newcomer_does_not_overtake_who_waits() -> None:
    line: FairLine[str] = FairLine()
    served: list[str] = []

    async def take(name: str) -> None:
        thing = await line.get()
        served.append(name)
        line.put(thing)

    early = [asyncio.ensure_future(take(f"early {at}")) for at in range(3)]
    await asyncio.sleep(0)
    line.put("worker")
    await take("late")
    await asyncio.gather(*early)
    assert served == ["early 0", "early 1", "early 2", "late"]


async def test_who_leaves_the_line_takes_nothing_along() -> None:
    line: FairLine[int] = FairLine()
    first, second = (asyncio.ensure_future(line.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    line.put(1)
    assert await second == 1


async def test_what_came_as_its_taker_left_goes_to_the_next() -> None:
    line: FairLine[int] = FairLine()
    first, second = (asyncio.ensure_future(line.get()) for _ in range(2))
    await asyncio.sleep(0)
    line.put(1)
    first.cancel()
    assert await second == 1
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
