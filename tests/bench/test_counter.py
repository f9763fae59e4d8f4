"""What the token counter costs and carries, beside the bare library measured in the same run.

The machine may be shared: each figure stands beside a baseline taken in turn with it, and what
counts is the ratio. ``CPU`` is that of the counter's processes alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from services.counter import reconstruction
from services.counter.family import load_calibration
from services.counter.job import Counted, Item
from services.counter.meter import Meter
from services.counter.vocabulary import load_vocabulary
from services.counter.worker import count_item
from tests.counter_process import (
    BARE_COUNT,
    MODEL,
    ROOT,
    CounterProcess,
    connected,
    count,
    counters,
    documents,
)

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

BATCH = 20
ROUNDS = 5
CLAUDE = "claude-sonnet-4-5"
needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="two cores are needed to see two replicas side by side",
)


def bare_count(texts: Sequence[str]) -> tuple[float, int]:
    """(seconds, tokens) of the library alone on one core, by the call that is safe on any text."""
    encode = load_vocabulary("o200k_base")._encode
    began = time.perf_counter()
    tokens = sum(len(encode(text)) for text in texts)
    return time.perf_counter() - began, tokens


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What this thread does in here, it does on ``core``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def spread(work: Callable[[Any], Awaitable[Any]], jobs: Sequence[Any], at_once: int) -> float:
    """Seconds until every job is done, ``at_once`` of them running."""
    waiting = iter(jobs)

    async def drive() -> None:
        for job in waiting:
            await work(job)

    began = time.perf_counter()
    await asyncio.gather(*(drive() for _ in range(at_once)))
    return time.perf_counter() - began


@needs_two_cores
async def test_documents_of_100_kb_go_through_at_the_librarys_own_speed() -> None:
    """All of the counter shares one core, as in a pod of one; the library takes turns on it."""
    texts = documents(100_000, 400)
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    megabytes = sum(map(len, texts)) / 1e6
    core, *_ = sorted(os.sched_getaffinity(0))
    bare_count(texts[:10])
    for what, is_pinned in (("on one core", True), ("free to use all cores", False)):
        with counters(1) as (process,):
            if is_pinned:
                process.pin(core)
            async with connected([process]) as (stub,):
                await count(stub, texts[:BATCH])
                rounds = [
                    await measure_round(process, stub, texts, batches, core) for _ in range(ROUNDS)
                ]
        walls = [round_.bare_s / round_.took_s for round_ in rounds]
        print(
            f"\n100 KB documents, one counting process, {BATCH} to a call, {what}: "
            f"{megabytes / statistics.median(round_.took_s for round_ in rounds):.0f} MB/s, "
            f"{statistics.median(walls):.0%} of the bare library by the clock "
            f"(rounds {min(walls):.0%} to {max(walls):.0%})"
            f"\n  by CPU: the counting process "
            f"{statistics.median(r.bare_cpu_s / r.workers_cpu_s for r in rounds):.0%}, "
            f"all of the counter {statistics.median(r.bare_cpu_s / r.cpu_s for r in rounds):.0%}"
        )


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds that the same documents took the bare library and, right after, the counter."""

    bare_s: float
    bare_cpu_s: float
    took_s: float
    workers_cpu_s: float
    cpu_s: float


async def measure_round(
    process: CounterProcess, stub: Any, texts: Sequence[str], batches: Sequence[Any], core: int
) -> Round:
    with on_core(core):
        began = time.process_time()
        bare_s, _tokens = bare_count(texts)
        bare_cpu_s = time.process_time() - began
    workers_s, whole_s = process.workers_cpu_s(), process.cpu_s()
    took_s = await spread(lambda batch: count(stub, batch), batches, 2)
    return Round(
        bare_s, bare_cpu_s, took_s, process.workers_cpu_s() - workers_s, process.cpu_s() - whole_s
    )


async def test_a_count_of_1_kb() -> None:
    texts = documents(1_000, 2_000)
    _bare_s, _ = bare_count(texts[:100])
    bare_us = bare_count(texts)[0] / len(texts) * 1e6
    print(f"\n1 KB: the bare library takes {bare_us:.0f} µs")
    with counters(1) as (process,):
        async with connected([process]) as (stub,):
            for at_once in (1, 16):
                for what, items in (("empty call", []), ("1 KB count", None)):
                    await measure_calls(process, stub, texts, at_once, what, items)
            print(f"  resident: {process.rss_mb():.0f} MB, the service and one counting process")


async def measure_calls(
    process: CounterProcess,
    stub: Any,
    texts: Sequence[str],
    at_once: int,
    what: str,
    items: Sequence[str] | None,
) -> None:
    """Print the latencies of one call a text; of ``items`` where they are given."""
    latencies: list[float] = []

    async def call(text: str) -> None:
        began = time.perf_counter()
        await count(stub, [text] if items is None else items)
        latencies.append(time.perf_counter() - began)

    cpu_s = process.cpu_s()
    took_s = await spread(call, texts, at_once)
    cpu_us = (process.cpu_s() - cpu_s) / len(texts) * 1e6
    p50, p99 = (statistics.quantiles(latencies, n=100)[at] * 1e3 for at in (49, 98))
    print(
        f"  {at_once:>2} at once, {what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
        f"{len(texts) / took_s:.0f}/s, {cpu_us:.0f} µs CPU a call"
    )


@needs_two_cores
async def test_two_replicas_beside_one() -> None:
    """Each replica has a core of its own, as in a cluster; so has each bare process beside it."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    texts = documents(100_000, 160)
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    rates: dict[str, list[float]] = {"one": [], "two": [], "bare one": [], "bare two": []}
    with counters(2) as processes:
        for process, core in zip(processes, cores, strict=True):
            process.pin(core)
        async with connected(processes) as stubs:
            for _ in range(ROUNDS):
                for name, used in (("one", stubs[:1]), ("two", stubs)):
                    turns = [(stub, batch) for batch in batches for stub in used]
                    took_s = await spread(
                        lambda turn: count(turn[0], turn[1], model=CLAUDE), turns, 2 * len(used)
                    )
                    rates[name].append(len(turns) / took_s)
                for name, number in (("bare one", 1), ("bare two", 2)):
                    rates[name].append(number / await bare_processes(cores[:number]))
    gain = statistics.median(rates["two"]) / statistics.median(rates["one"])
    bare = statistics.median(rates["bare two"]) / statistics.median(rates["bare one"])
    print(
        f"\ntwo replicas serve {gain:.2f} times what one serves; two bare processes do "
        f"{bare:.2f} times the work of one here ({gain / bare:.0%} of that)"
    )


async def bare_processes(cores: Sequence[int]) -> float:
    """Seconds that bare counting takes, one process on each of ``cores``."""
    began = time.perf_counter()
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", BARE_COUNT, str(core), cwd=ROOT, stdout=subprocess.DEVNULL
        )
        for core in cores
    ]
    await asyncio.gather(*(process.wait() for process in processes))
    return time.perf_counter() - began


PATHOLOGICAL = {
    "one letter": "a",
    "spaces": " ",
    "line breaks": "\n",
    "tabs": " \t",
    "digits": "7",
    "base64": "Zm9vYmFy",
    "one ideograph": "字",
    "marks": "e\u0301",
    "brackets": "[{",
    "emoji": "👩\u200d👩\u200d👧",
}


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
def test_pathological_texts_take_linear_time(model: str) -> None:
    """n, 2n and 4n bytes, the last one as large as a body may be."""
    ways = [False, True] if model == CLAUDE and reconstruction.is_installed() else [False]
    for way in ways:
        meter = Meter(load_calibration(), may_reconstruct=way)
        print(f"\n{model}{', reconstructed' if way else ''}: seconds for 8, 16 and 32 MB")
        for name, unit in PATHOLOGICAL.items():
            times = [_count_repeated(meter, model, unit, size) for size in (8, 16, 32)]
            shown = "  ".join(f"{took_s:.2f}" for took_s in times)
            print(f"  {name:<14} {shown}   x{times[1] / times[0]:.1f}  x{times[2] / times[1]:.1f}")


def _count_repeated(meter: Meter, model: str, unit: str, megabytes: int) -> float:
    data = unit.encode() * (megabytes * 1_000_000 // len(unit.encode()))
    began = time.process_time()
    counted = count_item(Item(0, model, "", data), meter, lambda report: None)
    assert isinstance(counted, Counted)
    return time.process_time() - began
