"""A crowd: requests that come whether or not the ones before are answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from tests.bench.load import Caller, Refused, Shape, connect

# The first moments of a stage, until it is under way.
WARM_S: Final = 2.0
RETRYABLE: Final = frozenset({429, 503, 529})
PAUSE_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Ask:
    """A request; where it ``leaves``, its caller hangs up when the answer has begun."""

    port: int
    shape: Shape
    key: str
    leaves: bool = False


@dataclass(slots=True)
class Stage:
    """What became of the requests of one stage."""

    offered: int = 0
    good_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: int = 0

    def add(self, other: Stage) -> None:
        """Count another stage in."""
        self.offered += other.offered
        self.left += other.left
        self.good_s += other.good_s
        self.refused_s += other.refused_s
        self.wrong += other.wrong

    def note_refusal(self, refused: Refused, took_s: float) -> None:
        """A refusal that is one, or what is wrong with it."""
        self.refused_s.append(took_s)
        kind = orjson.loads(refused.body)["error"]["type"]
        if refused.status not in RETRYABLE or b"retry-after" not in refused.headers:
            self.wrong.append(f"{refused.status} {kind} {refused.headers}")


class Crowd:
    """Requests that come at a rate, in turn, each on a connection that is free, or a new one."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._asks = itertools.cycle([(ask, ask.shape.request(ask.port, ask.key)) for ask in asks])
        self._free: defaultdict[int, list[Caller]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, rate: float, seconds: float, warm_s: float = WARM_S) -> Stage:
        """A stage, after ``warm_s`` of the same that do not count; what runs is waited for."""
        stage = Stage()
        begun = time.monotonic()
        counted_at, end_at = begun + warm_s, begun + warm_s + seconds
        sent = 0
        while (now := time.monotonic()) < end_at:
            while sent < (now - begun) * rate:
                task = asyncio.create_task(self._ask(stage, is_counted=now >= counted_at))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                sent += 1
            await asyncio.sleep(PAUSE_S)
        await asyncio.gather(*self._tasks)
        return stage

    async def _ask(self, stage: Stage, *, is_counted: bool) -> None:
        into = stage if is_counted else Stage()
        into.offered += 1
        ask, request = next(self._asks)
        began = time.monotonic()
        try:
            caller = await self._caller(ask.port)
            caller.begun.clear()
            answered = asyncio.ensure_future(caller.ask(request, ask.shape.checker()))
            if ask.leaves:
                begun = asyncio.ensure_future(caller.begun.wait())
                await asyncio.wait([begun, answered], return_when=asyncio.FIRST_COMPLETED)
                begun.cancel()
                caller.close()
            await answered
            into.good_s.append(time.monotonic() - began)
        except Refused as refused:
            into.note_refusal(refused, time.monotonic() - began)
        except (AssertionError, OSError, TimeoutError) as error:
            if ask.leaves and isinstance(error, ConnectionError):
                into.left += 1
                return
            stage.wrong.append(f"{type(error).__name__} {error}")
            return
        if caller.must_close:
            caller.close()
        else:
            self._free[ask.port].append(caller)

    async def _caller(self, port: int) -> Caller:
        """One on a connection that is free and open still, else on a new one."""
        free = self._free[port]
        while free:
            if not (caller := free.pop()).must_close:
                return caller
        return await connect(port)

    def close(self) -> None:
        """Hang up."""
        for caller in itertools.chain(*self._free.values()):
            caller.close()
