"""What each process takes of a machine: memory and CPU, idle and loaded. ``make sizes``.

One replica of each on this machine, with as many counting processes as by default; the callers
and the provider share the machine, so CPU counts for each answer and not for each second. Memory is
the proportional share of the whole process tree at its highest.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.load import SHAPES, Shape, Tally, steady_load
from tests.cluster.plan import KINDS

SAMPLE_S = 0.5
MIB = 2**20
BIG = Shape(
    "count of 1 MB",
    "/v1/messages/count_tokens",
    {"model": "gpt-5", "messages": [{"role": "user", "content": "Lorem ipsum dolor. " * 55_000}]},
    b'"input_tokens"',
)
LONG = tuple(shape for shape in SHAPES if shape.is_stream)
WHOLE = tuple(shape for shape in SHAPES if not shape.is_stream)


@dataclass(frozen=True, slots=True)
class Phase:
    """``callers`` send shapes, one after the other, for some seconds."""

    name: str
    seconds: float
    callers: int = 0
    shapes: Sequence[Shape] = ()


PHASES = (
    Phase("idle", 10),
    Phase("whole answers and counts, 16 callers", 10, 16, WHOLE),
    Phase("400 streams at once", 15, 400, LONG),
    Phase("counts of 1 MB, 8 at once", 10, 8, (BIG,)),
)


@dataclass(slots=True)
class Use:
    """What one process took in a phase."""

    cpu_s: float = 0.0
    peak_bytes: int = 0


@dataclass(slots=True)
class Measured:
    """A phase's uses by process, and what was answered in it."""

    phase: Phase
    elapsed_s: float = 0.0
    answered: int = 0
    lost: int = 0
    uses: dict[str, Use] = field(default_factory=lambda: {name: Use() for name in KINDS})

    def render(self) -> str:
        lines = [f"{self.phase.name}: {self.answered} answered, {self.lost} lost"]
        for name, use in self.uses.items():
            each = f"{use.cpu_s / self.answered * 1000:8.2f} ms each" if self.answered else ""
            lines.append(
                f"  {name:<11} {use.peak_bytes / MIB:7.0f} MiB"
                f"   {use.cpu_s / self.elapsed_s:5.2f} cores {each}"
            )
        return "\n".join(lines)


async def measure(cluster: Cluster, phase: Phase) -> Measured:
    """One phase on a running cluster."""
    measured = Measured(phase)
    roots = {name: psutil.Process(cluster.replicas[name][0].child.pid) for name in KINDS}
    before = {name: _cpu_s(root) for name, root in roots.items()}
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with _load(cluster, phase) as tally:
        while loop.time() - began < phase.seconds:
            for name, root in roots.items():
                use = measured.uses[name]
                use.peak_bytes = max(use.peak_bytes, _bytes(root))
            await asyncio.sleep(SAMPLE_S)
    measured.elapsed_s = loop.time() - began
    for name, root in roots.items():
        measured.uses[name].cpu_s = _cpu_s(root) - before[name]
    measured.answered, measured.lost = tally.answered.total(), len(tally.lost) + len(tally.cut)
    return measured


@contextlib.asynccontextmanager
async def _load(cluster: Cluster, phase: Phase) -> AsyncIterator[Tally]:
    if not phase.callers:
        yield Tally()
        return
    load = steady_load(
        lambda: cluster.edges, cluster.key, phase.callers, pause_s=0.0, shapes=phase.shapes
    )
    async with load as tally:
        yield tally


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _bytes(root: psutil.Process) -> int:
    return sum(one.memory_full_info().pss for one in _tree(root))


def _cpu_s(root: psutil.Process) -> float:
    times = [one.cpu_times() for one in _tree(root)]
    return sum(one.user + one.system for one in times)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gatebeyz-") as folder:
        settings = {"GATEBEYZ_COUNTER_WORKERS": ""}
        async with running_cluster(Path(folder), dict.fromkeys(KINDS, 1), settings) as cluster:
            for phase in PHASES:
                print((await measure(cluster, phase)).render(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
