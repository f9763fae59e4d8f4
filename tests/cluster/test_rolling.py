"""Roll-outs and scale events on a stand-in for a cluster; the long form is ``make cluster``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.load import SHAPES, Tally, send, steady_load
from tests.cluster.plan import KINDS
from tests.cluster.scenario import run_scenario

ONE_OF_EACH = dict.fromkeys(KINDS, 1)
NATIVE, TRANSLATED = SHAPES[0], SHAPES[1]
RESPONSES = {"model": "claude-sonnet-4-5", "stream": True, "input": "demo:slow 1000 One two three."}


@pytest.mark.timeout(300)
async def test_rolling_everything_and_scaling_the_counter_loses_nothing(tmp_path: Path) -> None:
    figures = await run_scenario(tmp_path, workers=10, surge=2)

    print(figures.render())
    assert figures.tally.lost == []
    assert figures.tally.cut == []
    assert all(figures.tally.answered[shape.name] for shape in SHAPES)
    assert set(figures.rolled_s) == set(KINDS)
    assert figures.followed_s < 10
    answered = figures.tally.answered
    assert len(figures.settled) == answered.total() - answered["count"], "each is settled once"


async def test_a_killed_relay_is_seen_as_cut_streams(tmp_path: Path) -> None:
    """The account can fail: a process that does not drain cuts what it carries."""
    async with (
        running_cluster(tmp_path, ONE_OF_EACH) as cluster,
        steady_load(lambda: cluster.edges, cluster.key, 4, pause_s=0) as tally,
    ):
        await asyncio.sleep(2)
        relay = cluster.replicas["relay"][0].child
        relay.kill()
        await relay.wait()
        await asyncio.sleep(1)

    assert tally.cut


@pytest.mark.timeout(120)
async def test_an_edge_past_its_grace_ends_streams_in_their_dialect(tmp_path: Path) -> None:
    settings = {"GATEBEYZ_DRAIN_S": "1", "GATEBEYZ_DRAIN_PAUSE_S": "1"}
    async with running_cluster(tmp_path, ONE_OF_EACH, settings) as cluster:
        edge = cluster.replicas["edge"][0]
        headers = {"x-api-key": cluster.key}
        async with aiohttp.ClientSession(cluster.edges[0], headers=headers) as session:
            slow = [{"role": "user", "content": "demo:slow 1000 One two three four."}]
            bodies = {
                NATIVE.path: {**NATIVE.body, "messages": slow},
                TRANSLATED.path: {**TRANSLATED.body, "messages": slow},
                "/v1/responses": RESPONSES,
            }
            running = [
                asyncio.ensure_future(_read(session, path, body)) for path, body in bodies.items()
            ]
            await asyncio.sleep(2)
            stopping = asyncio.ensure_future(edge.child.stop(20))
            await asyncio.sleep(0.3)
            readiness = await session.get("/healthz")
            late = Tally()
            await send(session, cluster.edges[0], SHAPES[2], late)
            messages, chat, responses = await asyncio.gather(*running)
        await stopping
        status = await edge.child.wait()
        log = edge.child.log.read_text(encoding="utf-8")
        await _is_settled(cluster)

    assert readiness.status == 503
    assert readiness.headers["connection"] == "close"
    assert late.lost == [], "the pause still takes requests in"
    assert b'"type":"overloaded_error"' in messages
    assert b"message_stop" not in messages
    assert b'data: {"error":' in chat
    assert b"[DONE]" not in chat
    assert b"event: response.failed" in responses
    assert log.count('"reason":"DRAINING"') == 3
    assert status == 0


async def _read(session: aiohttp.ClientSession, path: str, body: dict[str, object]) -> bytes:
    async with session.post(path, json=body) as answer:
        assert answer.status == 200
        return await answer.read()


async def _is_settled(cluster: Cluster) -> None:
    """The relay has nothing left to settle, so what the edge cut is in the ledger too."""
    relay = cluster.replicas["relay"][0]
    for _ in range(50):
        waiting = await asyncio.to_thread(relay.metric, "gatebeyz_relay_settlements_waiting")
        in_flight = await asyncio.to_thread(relay.metric, "gatebeyz_relay_in_flight")
        if waiting == in_flight == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the relay still holds settlements or runs exchanges")
