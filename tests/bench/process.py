"""CPU time and memory of processes and all their children, from the operating system (Linux)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import psutil

# The clock of a process's CPU time, made of its id: exact, where /proc counts ticks of 10 ms.
_SCHED_CLOCK: Final = 2


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes: resident, and the proportional share of it where pages are shared."""

    rss: int
    pss: int


def tree(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and their descendants, as far as they still run."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """CPU seconds that these processes have used so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(OSError):
            total += time.clock_gettime(~process.pid << 3 | _SCHED_CLOCK)
    return total


def memory(processes: Iterable[psutil.Process]) -> Memory:
    """What these processes hold now."""
    rss = pss = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            held = process.memory_full_info()
            rss += held.rss
            pss += held.pss
    return Memory(rss, pss)


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """This thread, and every process it starts meanwhile, on that core; None = wherever."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
