"""``python -m tests.bench.overload``: what is left of the peak when twice as much comes in.

Requests come whether or not the ones before are answered. First at rates that grow by a quarter,
until more of them bring no more right answers: the most that were answered is the peak. Then half
of the peak's rate, the same, twice and four times that. Whatever is not a right answer must be a
refusal that a client can act on: 529, 503 or 429 in its dialect, with ``retry-after``, within a
second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.crowd import Ask, Crowd, Stage
from tests.bench.load import drive, quantile
from tests.bench.run import PRODUCTION, Settings, running_bench
from tests.bench.scenario import Side
from tests.bench.shape import native
from tests.bench.wish import Wish

STAGE_S: Final = 10.0
# What callers that wait for their answers get, to begin with; then by so much more.
CALLERS: Final = 8
STEP_S: Final = 5.0
GROWTH: Final = 1.25
MAX_STEPS: Final = 10
LOADS: Final = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The goodput of the peak and of each stage, by how many times the peak was offered."""

    peak_per_s: float
    stages: dict[float, Stage]

    def render(self) -> str:
        """A line for each stage, and what was wrong."""
        lines = [f"peak {self.peak_per_s:.0f} answers/s"]
        for load, stage in self.stages.items():
            goodput = len(stage.good_s) / STAGE_S
            lines.append(
                f"{load:g} x: offered {stage.offered / STAGE_S:.0f}/s, answered {goodput:.0f}/s "
                f"({goodput / self.peak_per_s:.0%} of the peak, p50 "
                f"{quantile(stage.good_s, 0.5):.2f} s, p99 {quantile(stage.good_s, 0.99):.2f} s), "
                f"refused {len(stage.refused_s)} (slowest "
                f"{max(stage.refused_s, default=0):.3f} s), wrong {len(stage.wrong)}"
            )
            lines += [text[:200] for text in stage.wrong[:5]]
        return "\n".join(lines)


async def overload(folder: Path, say: Callable[[str], None]) -> Verdict:
    """The whole measurement on a gateway of its own."""
    shape = native(Wish())
    async with running_bench(folder, Settings.read(os.environ), say, PRODUCTION) as bench:
        key = (await bench.gateway.plan_keys())[0]
        port = bench.systems[Side.GATEWAY].port
        crowd = Crowd([Ask(port, shape, key)])
        tally = await drive(port, shape, [key], CALLERS, STEP_S)
        peak = await peak_of(crowd, tally.requests / tally.elapsed_s, say)
        stages: dict[float, Stage] = {}
        for load in LOADS:
            stages[load] = await crowd.come(peak * load, STAGE_S)
            say(Verdict(peak, {load: stages[load]}).render())
            await asyncio.sleep(1)
        crowd.close()
    return Verdict(peak, stages)


async def peak_of(crowd: Crowd, rate: float, say: Callable[[str], None]) -> float:
    """The most right answers a second that any rate brought, from ``rate`` on."""
    best = 0.0
    for _ in range(MAX_STEPS):
        stage = await crowd.come(rate, STEP_S)
        goodput = len(stage.good_s) / STEP_S
        say(f"{rate:.0f} requests/s: {goodput:.0f} answers/s")
        if goodput < best:
            break
        best, rate = goodput, rate * GROWTH
    return best


def main() -> None:
    """Print it all."""
    with tempfile.TemporaryDirectory(prefix="gb-bench-") as folder:
        verdict = uvloop.run(overload(Path(folder), lambda text: print(text, file=sys.stderr)))
    print(verdict.render())


if __name__ == "__main__":
    main()
