"""One run of the benchmarks: everything is started once, every scenario takes its turns.

Turns of the sides that are compared stand next to each other (A B A B A B), so that a machine that
is busy with something else is busy for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.config import SHED_DELAY_S
from laptop.profile import SHED_DELAY
from tests.bench import process
from tests.bench.ceiling import running_ceiling
from tests.bench.gateway import (
    Gateway,
    System,
    running_bare,
    running_composed,
    running_floor,
    running_gateway,
    running_hop,
    running_provider,
)
from tests.bench.load import Tally, drive, held_open, quantile
from tests.bench.process import on_core
from tests.bench.report import Figures, Line, Row
from tests.bench.scenario import NO_GOAL, Goal, Scenario, Side
from tests.bench.shape import native
from tests.bench.wish import Wish

WARM_S: Final = 0.3
# What is settled and logged after an answer belongs to it.
SETTLE_S: Final = 0.15
IDLE_S: Final = 3.0
IDLE_STREAMS: Final = 200
# The edge's own default; scenarios are measured without, overload and soak with it.
PRODUCTION: Final = {SHED_DELAY: str(SHED_DELAY_S)}
MB: Final = 1e6
KB: Final = 1_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made; see ``read``."""

    repeats: int = 3
    pace: float = 1.0  # how long a turn is, to what its scenario says
    only: tuple[str, ...] = ()
    is_pinned: bool = True

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """From BENCH=quick, BENCH_ONLY=part,of,names, BENCH_REPEATS and BENCH_PIN=0."""
        is_quick = environ.get("BENCH") == "quick"
        only = tuple(name for name in environ.get("BENCH_ONLY", "").split(",") if name)
        return cls(
            repeats=int(environ.get("BENCH_REPEATS", "3")),
            pace=0.5 if is_quick else 1.0,
            only=only,
            is_pinned=environ.get("BENCH_PIN") != "0",
        )

    def takes(self, name: str) -> bool:
        """Whether a scenario of that name was asked for."""
        return not self.only or any(part in name for part in self.only)

    def cores(self) -> tuple[int | None, int | None]:
        """One core for what is measured, another for what measures; None where it has no two."""
        cores = sorted(os.sched_getaffinity(0))
        return (cores[0], cores[-1]) if self.is_pinned and len(cores) > 1 else (None, None)


@dataclass(slots=True)
class Bench:
    """Everything that runs, and whom it measures with."""

    settings: Settings
    gateway: Gateway
    systems: dict[Side, System]
    say: Callable[[str], None]
    keys: dict[Side, list[str]] = field(default_factory=dict)

    async def measure(self, scenario: Scenario) -> Row:
        """All turns of a scenario."""
        return await self._take_turns(scenario, scenario.sides)

    async def measure_limits(self, scenario: Scenario) -> Row:
        """The same load on what tells how far it can be carried; see ``running_limits``."""
        return await self._take_turns(scenario, (Side.FLOOR, Side.HOP, Side.COMPOSED))

    async def _take_turns(self, scenario: Scenario, sides: Sequence[Side]) -> Row:
        row = Row(scenario)
        sides = [side for side in sides if side in self.systems]
        for side in sides:
            await self._turn(scenario, side, WARM_S)
        for _ in range(self.settings.repeats):
            for side in sides:
                figures = await self._turn(scenario, side, scenario.seconds * self.settings.pace)
                row.turns.setdefault(side, []).append(figures)
        return row

    async def _turn(self, scenario: Scenario, side: Side, seconds: float) -> Figures:
        system, shape = self.systems[side], scenario.shape_for(side)
        keys = await self._keys(side, scenario.limit)
        roles = self.gateway.roles if system.pids == self.gateway.api.pids else {}
        members = {name: process.tree([pid]) for name, pid in roles.items()}
        members = members or {system.name: system.processes()}
        before = {name: process.cpu_s(tree) for name, tree in members.items()}
        tally = await drive(system.port, shape, keys, scenario.at_once, seconds, scenario.limit)
        await asyncio.sleep(SETTLE_S)
        used = {name: process.cpu_s(tree) - before[name] for name, tree in members.items()}
        units = getattr(tally, f"{scenario.unit}s")
        return _figures(tally, {name: share / units * 1e6 for name, share in used.items()})

    async def _keys(self, side: Side, limit: int) -> list[str]:
        if side is Side.COLD:
            return await self.gateway.cold_keys(limit)
        if side not in self.keys:
            make = self.gateway.prepaid_keys if side is Side.PREPAID else self.gateway.plan_keys
            self.keys[side] = await make()
        return self.keys[side]

    async def memory(self) -> list[Line]:
        """Of all processes: at rest, and for each stream that is open and silent."""
        processes = self.gateway.api.processes()
        at_rest = process.memory(processes)
        before = process.cpu_s(processes)
        await asyncio.sleep(IDLE_S)
        idle_share = (process.cpu_s(processes) - before) / IDLE_S
        key = (await self._keys(Side.GATEWAY, 0))[0]
        port = self.gateway.api.port
        shape = native(Wish(events=2, pause_us=60_000_000), is_stream=True)
        # Once before, so that what only the first streams need is not counted.
        async with held_open(port, shape, key, 20):
            pass
        await asyncio.sleep(1)
        quiet = process.memory(processes).pss
        async with held_open(port, shape, key, IDLE_STREAMS):
            await asyncio.sleep(0.5)
            held = process.memory(processes).pss - quiet
        roles = {
            name: process.memory(process.tree([pid])).rss / MB
            for name, pid in self.gateway.roles.items()
        }
        shown = ", ".join(f"{name} {size:.0f}" for name, size in roles.items())
        self.say(f"resident, MB: {shown}; counting processes included")
        return [
            Line("resident memory at rest, all processes", at_rest.rss / MB, "MB", Goal(450, 300)),
            Line("the same, shared pages counted once", at_rest.pss / MB, "MB"),
            Line("CPU at rest, all processes", idle_share * 100, "%"),
            Line(
                f"memory per open idle stream ({IDLE_STREAMS})",
                held / IDLE_STREAMS / KB,
                "KB",
                Goal(90, 50),
            ),
        ]


def _figures(tally: Tally, roles_us: dict[str, float]) -> Figures:
    return Figures(
        cpu_us=sum(roles_us.values()),
        per_s=tally.requests / tally.elapsed_s,
        first_ms=quantile(tally.first_s, 0.5) * 1e3,
        whole_ms=quantile(tally.whole_s, 0.5) * 1e3,
        delay_p50_ms=quantile(tally.delays_s, 0.5) * 1e3,
        delay_p99_ms=quantile(tally.delays_s, 0.99) * 1e3,
        roles_us=roles_us,
    )


@contextlib.asynccontextmanager
async def running_bench(
    folder: Path,
    settings: Settings,
    say: Callable[[str], None],
    environ: dict[str, str] | None = None,
) -> AsyncIterator[Bench]:
    """Provider, floor, ceiling and gateway, for as long as the context lasts.

    ``environ`` is for the gateway.
    """
    core, own_core = settings.cores()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(on_core(own_core))
        provider = await stack.enter_async_context(running_provider(folder, own_core))
        floor = await stack.enter_async_context(running_floor(folder, provider, core))
        ceiling = await stack.enter_async_context(running_ceiling(folder, provider, core))
        gateway = await stack.enter_async_context(running_gateway(folder, provider, core, environ))
        bare = await stack.enter_async_context(running_bare(folder, gateway, core))
        systems = {
            Side.BARE: bare,
            Side.DIRECT: provider,
            Side.FLOOR: floor,
            Side.GATEWAY: gateway.api,
            Side.COLD: gateway.api,
            Side.PREPAID: gateway.credits,
        }
        if ceiling is None:
            say("no nginx here: the ceiling is left out")
        else:
            systems[Side.CEILING] = ceiling
        yield Bench(settings, gateway, systems, say)


@contextlib.asynccontextmanager
async def running_limits(bench: Bench, folder: Path) -> AsyncIterator[None]:
    """A hop and nothing else, and the gateway without one, for as long as the context lasts."""
    core, _ = bench.settings.cores()
    async with contextlib.AsyncExitStack() as stack:
        hop = running_hop(folder, bench.systems[Side.DIRECT], core)
        bench.systems[Side.HOP] = await stack.enter_async_context(hop)
        composed = running_composed(folder, bench.gateway, core)
        bench.systems[Side.COMPOSED] = await stack.enter_async_context(composed)
        yield


async def run(
    scenarios: Sequence[Scenario], settings: Settings, folder: Path, say: Callable[[str], None]
) -> tuple[list[Row], list[Row], list[Line]]:
    """The rows, what limits them, and the single figures of one run."""
    rows: list[Row] = []
    limits: list[Row] = []
    lines: list[Line] = []
    async with running_bench(folder, settings, say) as bench:
        if settings.takes("memory"):
            lines += await bench.memory()
        for scenario in scenarios:
            if settings.takes(scenario.name):
                began = time.monotonic()
                row = await bench.measure(scenario)
                rows.append(row)
                ratio = "" if math.isnan(row.ratio) else f", {row.ratio:.2f} times the base"
                cost = row.median(scenario.measured, "cpu_us")
                took_s = time.monotonic() - began
                say(f"{scenario.title}: {cost:.0f} µs{ratio} ({took_s:.0f} s)")
        if limited := [row.scenario for row in rows if row.scenario.is_limited]:
            async with running_limits(bench, folder):
                for scenario in limited:
                    limits.append(await bench.measure_limits(scenario))
                    say(f"{scenario.title}: what limits it")
    return rows, limits, lines + derived({row.scenario.name: row for row in rows})


def derived(rows: Mapping[str, Row]) -> list[Line]:
    """The figures that follow from those of the scenarios."""
    lines = []
    if row := rows.get("first-byte"):
        base, ours = row.added("first_ms")
        title = f"first byte added at 1, p50: {ours:.2f} ms to the floor's {base:.2f}"
        lines.append(Line(title, ours / base, "x", Goal(3, 2)))
    if row := rows.get("slow-500"):
        for name, goal in (("delay_p50_ms", NO_GOAL), ("delay_p99_ms", Goal(2, 1.3))):
            base, ours = row.added(name)
            which = name.split("_")[1]
            title = f"event delay added, 500 slow streams, {which}: {ours:.1f} ms to {base:.1f}"
            lines.append(Line(title, ours / base, "x", goal))
    native_row = rows.get("paced-4")
    for name in ("chat-paced", "responses-paced"):
        if native_row and (row := rows.get(name)):
            lines.append(_added_by_translation(row, native_row))
    if row := rows.get("cold"):
        cold, warm = (row.median(side, "whole_ms") for side in (Side.COLD, Side.GATEWAY))
        lines.append(Line(f"latency of a cold key's request (warm: {warm:.1f})", cold, "ms"))
    shares = [
        row.median(row.scenario.measured, "cpu_us") / row.median(Side.DIRECT, "cpu_us")
        for row in rows.values()
        if Side.DIRECT in row.turns
    ]
    if shares:
        lines.append(Line("gateway's CPU to the provider's, least of all", min(shares), "x"))
        lines.append(Line("the same, median", statistics.median(shares), "x"))
    return lines


def _added_by_translation(row: Row, native_row: Row) -> Line:
    """Told for a floor whose paced event costs 220 µs, as the goal is."""
    ours, natively = (each.median(Side.GATEWAY, "cpu_us") for each in (row, native_row))
    scale = 220 / row.median(Side.FLOOR, "cpu_us")
    title = f"added per event by {row.scenario.name}, at a floor of 220 µs"
    return Line(title, (ours - natively) * scale, "µs", Goal(60, 30))
