"""What each real process tells of itself after it has served, and what it does not."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import urllib.request
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.load import SHAPES, Tally, send
from tests.cluster.plan import KINDS, METRICS_PORT

TIMES = 3


async def test_every_process_tells_what_it_did_and_of_nobody(tmp_path: Path) -> None:
    settings = {"GATEBEYZ_DRAIN_PAUSE_S": "0"}
    async with running_cluster(tmp_path, dict.fromkeys(KINDS, 1), settings) as cluster:
        tally = Tally()
        async with aiohttp.ClientSession(headers={"x-api-key": cluster.key}) as session:
            for shape in SHAPES * TIMES:
                await send(session, cluster.edges[0], shape, tally)
        await asyncio.sleep(1)  # a batch of settlements is on its way for a moment
        told = {name: await asyncio.to_thread(scrape, cluster, name) for name in KINDS}

    everything = "".join(told.values())
    assert tally.lost == tally.cut == []
    assert total(told["edge"], "gatebeyz_edge_requests_total") == len(SHAPES) * TIMES
    assert total(told["edge"], "gatebeyz_edge_first_byte_seconds_count") == 4 * TIMES
    assert total(told["edge"], "gatebeyz_edge_in_flight") == 0
    assert total(told["edge"], "gatebeyz_edge_leases") == 1
    assert 0 <= total(told["edge"], "gatebeyz_edge_lease_silence_seconds") < 5
    assert total(told["relay"], "gatebeyz_relay_generates_total") == 4 * TIMES
    assert total(told["relay"], "gatebeyz_relay_upstream_attempts_total") == 4 * TIMES
    assert total(told["relay"], "gatebeyz_relay_upstream_healthy") == 1
    assert total(told["relay"], "gatebeyz_relay_tokens_total") > 0
    assert total(told["relay"], "gatebeyz_relay_settlements_waiting") == 0
    assert 0 <= total(told["relay"], "gatebeyz_relay_revocation_silence_seconds") < 5
    assert total(told["auth"], "gatebeyz_auth_settlements_total") == 4 * TIMES
    assert total(told["auth"], "gatebeyz_auth_cost_dollars_total") > 0
    assert total(told["counter"], "gatebeyz_counting_workers_ready") == 1
    assert all(total(text, "gatebeyz_ready") == 1 for text in told.values())
    for secret in (cluster.key, cluster.key[-6:], "acc_", "req_", "One two", "Hello"):
        assert secret not in everything
    if shutil.which("promtool"):  # names and types by its own rules, where it is installed
        assert [line for text in told.values() for line in lint(text)] == []


def lint(text: str) -> list[str]:
    """What promtool finds wrong with metrics of ours."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return [line for line in (done.stdout + done.stderr).splitlines() if "gatebeyz_" in line]


def scrape(cluster: Cluster, name: str) -> str:
    address = cluster.replicas[name][0].address
    with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def total(text: str, name: str) -> float:
    """The sum of a series' samples."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )
