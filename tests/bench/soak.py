"""``make soak``: half of what the gateway can carry, for SOAK_S seconds; does anything grow?

The mix: whole answers, bursts, paced streams, translated ones, prepaid ones, and streams whose
callers hang up in the middle. Memory, descriptors, threads, tasks and leases of each process are
read as time goes by. The slope of memory is told per 10,000 requests, of the second half alone: the
relay remembers what was settled in the last ten minutes, so that SOAK_S should be twice that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from tests.bench import process
from tests.bench.crowd import Ask, Crowd, Stage
from tests.bench.gateway import Gateway
from tests.bench.run import PRODUCTION, Settings, running_bench
from tests.bench.shape import native, translated
from tests.bench.wish import Wish

DEFAULT_S: Final = 1_800.0
WARM_S: Final = 3.0
PROBE_S: Final = 6.0
PROBE_RATE: Final = 30.0
SAMPLES: Final = 40
SETTLE_S: Final = 3.0
MB: Final = 1e6
PER_REQUESTS: Final = 10_000
GAUGES: Final = {
    "gatebeyz_tasks": "tasks",
    "gatebeyz_edge_leases": "leases",
    "gatebeyz_auth_leases": "leases",
    "gatebeyz_edge_in_flight": "in flight",
    "gatebeyz_relay_in_flight": "in flight",
    "gatebeyz_relay_settlements_waiting": "unsettled",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One process after so many requests."""

    requests: int
    rss_mb: float
    counts: dict[str, int]


def mix(gateway: Gateway, plan_key: str, prepaid_key: str) -> list[Ask]:
    """The requests, in the order they come."""
    api, prepaid = gateway.api.port, gateway.credits.port
    paced = native(Wish(events=40, pause_us=5_000), is_stream=True)
    small, burst = native(Wish()), native(Wish(events=100), is_stream=True)
    chat = translated("openai_chat", Wish(events=40, pause_us=5_000), is_stream=True)
    responses = translated("openai_responses", Wish(events=5))
    return [
        Ask(api, small, plan_key),
        Ask(api, paced, plan_key),
        Ask(api, burst, plan_key),
        Ask(api, chat, plan_key),
        Ask(prepaid, small, prepaid_key),
        Ask(api, paced, plan_key, leaves=True),
        Ask(api, small, plan_key),
        Ask(api, responses, plan_key),
        Ask(prepaid, paced, prepaid_key, leaves=True),
        Ask(api, chat, plan_key, leaves=True),
    ]


def read_counts(pid: int, metrics: str | None) -> dict[str, int]:
    """Descriptors and threads from the system, the rest from the process's own metrics."""
    running = psutil.Process(pid)
    counts = {"fds": running.num_fds(), "threads": running.num_threads()}
    if metrics is None:
        return counts
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        if name := GAUGES.get(family.name):
            counts[name] = round(sum(sample.value for sample in family.samples))
    return counts


def slope_mb(samples: list[Sample]) -> float:
    """Megabytes for each 10,000 requests, by least squares over the second half."""
    rest = samples[len(samples) // 2 :]
    line = statistics.linear_regression(
        [sample.requests for sample in rest], [sample.rss_mb for sample in rest]
    )
    return line.slope * PER_REQUESTS


async def read_all(gateway: Gateway, requests: int) -> dict[str, Sample]:
    """Every process now."""
    found = {}
    for name, pid in gateway.roles.items():
        counts = await asyncio.to_thread(read_counts, pid, gateway.metrics.get(name))
        rss = sum(member.memory_info().rss for member in process.tree([pid]))
        found[name] = Sample(requests, rss / MB, counts)
    return found


async def soak(folder: Path, seconds: float, say: Callable[[str], None]) -> str:
    """The table of a soak on a gateway of its own."""
    async with running_bench(folder, Settings.read(os.environ), say, PRODUCTION) as bench:
        gateway = bench.gateway
        plan_key, prepaid_key = (await gateway.plan_keys())[0], (await gateway.prepaid_keys())[0]
        crowd, total = Crowd(mix(gateway, plan_key, prepaid_key)), Stage()
        await crowd.come(PROBE_RATE, WARM_S, warm_s=0)
        rate = await saturation(gateway, crowd, say) / 2
        samples = [await read_all(gateway, 0)]
        begun = time.monotonic()
        for number in range(SAMPLES):
            stage = await crowd.come(rate, seconds / SAMPLES, warm_s=0)
            total.add(stage)
            samples.append(await read_all(gateway, total.offered))
            if number % 5 == 4:
                say(f"[{time.monotonic() - begun:5.0f} s] {total.offered} requests")
        crowd.close()
        await asyncio.sleep(SETTLE_S)
        samples.append(await read_all(gateway, total.offered))
    return render(samples, total, rate, time.monotonic() - begun)


async def saturation(gateway: Gateway, crowd: Crowd, say: Callable[[str], None]) -> float:
    """The rate at which these requests would keep the gateway's core busy, by its CPU time."""
    tree = gateway.api.processes()
    before, begun = process.cpu_s(tree), time.monotonic()
    await crowd.come(PROBE_RATE, PROBE_S, warm_s=0)
    busy = (process.cpu_s(tree) - before) / (time.monotonic() - begun)
    say(f"{PROBE_RATE:.0f} requests/s keep {busy:.0%} of a core busy")
    return PROBE_RATE / busy


def render(samples: list[dict[str, Sample]], total: Stage, rate: float, took_s: float) -> str:
    """A line for each process: memory, its slope, and every count at start, middle and end."""
    lines = [
        f"{total.offered} requests in {took_s:.0f} s ({rate:.0f}/s), {len(total.good_s)} right, "
        f"{total.left} left by their callers, {len(total.refused_s)} refused, "
        f"{len(total.wrong)} wrong",
        *total.wrong[:5],
        f"{'process':<12}{'MB start':>9}{'middle':>8}{'end':>8}{'MB/10,000':>11}   "
        "counts at start / middle / end",
    ]
    for name in samples[0]:
        own = [sample[name] for sample in samples]
        # The first one is of a process that has hardly begun, the last one of one at rest.
        three = (own[1], own[len(own) // 2], own[-1])
        told = "  ".join(
            f"{what} {' / '.join(str(sample.counts.get(what, 0)) for sample in three)}"
            for what in own[0].counts
        )
        memory = "".join(f"{sample.rss_mb:>8.1f}" for sample in three)
        lines.append(f"{name:<12} {memory}{slope_mb(own[1:-1]):>11.2f}   {told}")
    return "\n".join(lines)


def main() -> None:
    """Soak for SOAK_S seconds and print what became of it."""
    seconds = float(os.environ.get("SOAK_S", DEFAULT_S))
    with (
        tempfile.TemporaryDirectory(prefix="gb-bench-") as folder,
        contextlib.suppress(KeyboardInterrupt),
    ):

        def say(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        print(uvloop.run(soak(Path(folder), seconds, say)))


if __name__ == "__main__":
    main()
