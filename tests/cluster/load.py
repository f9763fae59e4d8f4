"""Steady mixed load on a cluster, and an account of every request that did not end well."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

REQUEST_S = 60.0
CLAUDE = "claude-sonnet-4-5"
MESSAGES = [{"role": "user", "content": "demo:slow 200 One two three four five six seven eight."}]
SHORT = [{"role": "user", "content": "Hello there!"}]


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of request: ``ending`` must stand in a whole answer; ``is_stream`` = events."""

    name: str
    path: str
    body: dict[str, Any]
    ending: bytes
    is_stream: bool = False


SHAPES = (
    Shape(
        "native stream",
        "/v1/messages",
        {"model": CLAUDE, "max_tokens": 500, "stream": True, "messages": MESSAGES},
        b'"type":"message_stop"',
        is_stream=True,
    ),
    Shape(
        "translated stream",
        "/v1/chat/completions",
        {"model": CLAUDE, "max_tokens": 500, "stream": True, "messages": MESSAGES},
        b"data: [DONE]",
        is_stream=True,
    ),
    Shape(
        "native whole",
        "/v1/messages",
        {"model": CLAUDE, "max_tokens": 500, "messages": SHORT},
        b'"stop_reason"',
    ),
    Shape(
        "translated whole",
        "/v1/responses",
        {"model": CLAUDE, "max_output_tokens": 500, "input": "Hello there!"},
        b'"output"',
    ),
    Shape(
        "count",
        "/v1/messages/count_tokens",
        {"model": "gpt-5", "messages": SHORT},
        b'"input_tokens"',
    ),
)


@dataclass(slots=True)
class Tally:
    """What became of the requests; a lost one got no good answer, a cut one no good end."""

    answered: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    elapsed_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def render(self) -> str:
        """A line for each shape, then what went wrong."""
        lines = []
        for shape in SHAPES:
            times = sorted(self.elapsed_s[shape.name])
            if times:
                p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
                lines.append(
                    f"  {shape.name:<18} {self.answered[shape.name]:>6} answered"
                    f"   p50 {p50:7.3f} s   p99 {p99:7.3f} s"
                )
        total = self.answered.total()
        lines.append(f"  {total} answered, {len(self.lost)} lost, {len(self.cut)} streams cut")
        return "\n".join([*lines, *(f"  lost: {text}" for text in self.lost), *self.cut])


@contextlib.asynccontextmanager
async def steady_load(
    edges: Callable[[], list[str]],
    key: str,
    workers: int,
    *,
    pause_s: float = 0.2,
    shapes: Sequence[Shape] = SHAPES,
    tally: Tally | None = None,
) -> AsyncIterator[Tally]:
    """Load while the context lasts; what runs at its end is waited for."""
    tally = tally or Tally()
    stop = asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=REQUEST_S)
    async with aiohttp.ClientSession(
        headers={"x-api-key": key}, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)
    ) as session:

        async def work(number: int) -> None:
            chance = random.Random(number)
            while not stop.is_set():
                await send(session, chance.choice(edges()), chance.choice(shapes), tally)
                await asyncio.sleep(pause_s * chance.random() * 2)

        tasks = [asyncio.ensure_future(work(number)) for number in range(workers)]
        try:
            yield tally
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def send(session: aiohttp.ClientSession, edge: str, shape: Shape, tally: Tally) -> None:
    """One request, read to its end and judged."""
    began = time.perf_counter()
    body = b""
    try:
        async with session.post(edge + shape.path, json=shape.body) as answer:
            async for piece in answer.content.iter_any():
                body += piece
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        broken = tally.cut if body and shape.is_stream else tally.lost
        broken.append(f"{shape.name} at {edge}: {type(error).__name__} {error}")
        return
    if status == 200 and shape.ending in body:
        tally.answered[shape.name] += 1
        tally.elapsed_s[shape.name].append(time.perf_counter() - began)
    elif status == 200 and shape.is_stream:
        tally.cut.append(f"{shape.name} at {edge}: {body[-300:].decode(errors='replace')}")
    else:
        tally.lost.append(f"{shape.name} at {edge}: {status} {body[:300].decode()}")
