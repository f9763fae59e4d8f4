"""What a cluster must go through without losing a request: roll-outs and scale events."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.cluster import MIN_READY_S, Cluster, running_cluster
from tests.cluster.image import Image
from tests.cluster.load import SHAPES, Tally, steady_load
from tests.cluster.network import Network
from tests.cluster.plan import KINDS

COUNT_METHOD = "/gatebeyz.counter.v1.CounterService/CountTokens"
# What a relay gets to send its last batch.
SETTLED_S = 1.0
COUNT_ONLY = tuple(shape for shape in SHAPES if shape.name == "count")
COUNTS = {"auth": 2, "counter": 1, "relay": 2, "translator": 2, "edge": 2}


@dataclass(slots=True)
class Figures:
    """What a scenario saw; times in seconds."""

    tally: Tally
    rolled_s: dict[str, float] = field(default_factory=dict)
    followed_s: float = 0.0
    settled: Counter[str] = field(default_factory=Counter)

    def render(self) -> str:
        rolled = "  ".join(f"{name} {taken:.1f} s" for name, taken in self.rolled_s.items())
        return (
            f"{self.tally.render()}\n  rolled: {rolled}\n"
            f"  {len(self.settled)} requests are in the ledger\n"
            f"  every new counter was in use {self.followed_s:.1f} s after it was ready"
        )


async def run_scenario(
    folder: Path,
    *,
    workers: int,
    surge: int = 1,
    kinds: tuple[str, ...] = tuple(KINDS),
    network: Network | None = None,
    image: Image | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Figures:
    """Roll every process in turn, then scale the counter 1→3→1, under load all the while."""
    async with running_cluster(folder, COUNTS, network=network, image=image) as cluster:
        say(f"running on {cluster.network.name}: {COUNTS}")
        async with steady_load(lambda: cluster.edges, cluster.key, workers) as tally:
            figures = Figures(tally)
            await asyncio.sleep(3)
            for name in kinds:
                began = time.monotonic()
                await cluster.roll(name, surge)
                figures.rolled_s[name] = time.monotonic() - began
                say(f"rolled {name} in {figures.rolled_s[name]:.1f} s; lost {len(tally.lost)}")
            await cluster.scale("counter", 3)
            counts = steady_load(
                lambda: cluster.edges, cluster.key, 4, pause_s=0.05, shapes=COUNT_ONLY, tally=tally
            )
            async with counts:
                figures.followed_s = await wait_used(cluster)
            say(f"counter 1→3 followed within {figures.followed_s:.1f} s")
            await asyncio.sleep(MIN_READY_S)
            await cluster.scale("counter", 1)
            await asyncio.sleep(3)
        await asyncio.sleep(SETTLED_S)
        figures.settled = await cluster.settled_requests()
    return figures


async def wait_used(cluster: Cluster, within_s: float = 60.0) -> float:
    """Seconds until every counter has counted for somebody."""
    began = time.monotonic()
    waiting = list(cluster.replicas["counter"])
    while waiting and time.monotonic() - began < within_s:
        for replica in list(waiting):
            handled = await asyncio.to_thread(
                replica.metric, "gatebeyz_rpc_handled_total", method=COUNT_METHOD
            )
            if handled:
                waiting.remove(replica)
        await asyncio.sleep(0.1)
    assert not waiting, f"never used: {[replica.address for replica in waiting]}"
    return time.monotonic() - began
