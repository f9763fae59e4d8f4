"""One trace through every process, seen in the spans they export and in what the upstream got."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.load import SHAPES
from tests.cluster.plan import KINDS

ONE_OF_EACH = dict.fromkeys(KINDS, 1)
QUICK = {"GATEBEYZ_DRAIN_PAUSE_S": "0"}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
TRANSLATED = SHAPES[1]
GENERATE = "gatebeyz.inference.v1.InferenceService/Generate"


async def test_a_translated_request_is_one_tree(tmp_path: Path) -> None:
    spans = tmp_path / "spans.jsonl"
    settings = {**QUICK, "GATEBEYZ_TRACES": f"file:{spans}"}
    async with running_cluster(tmp_path, ONE_OF_EACH, settings) as cluster:
        events = await _ask(cluster, {"traceparent": CALLER})
        tree = await _wait_spans(spans, TRACE_ID, 4)
        await _ask(cluster, {})
        logs = {name: cluster.replicas[name][0].child.log.read_text() for name in KINDS}

    by_service = {(span["service"], span["kind"]): span for span in tree}
    edge = by_service["gatebeyz-edge", "SERVER"]
    translator = by_service["gatebeyz-translator", "SERVER"]
    relay = by_service["gatebeyz-relay", "SERVER"]
    upstream = by_service["gatebeyz-relay", "CLIENT"]
    assert edge["parent"] == "00f067aa0ba902b7"
    assert translator["parent"] == edge["id"]
    assert relay["parent"] == translator["id"]
    assert upstream["parent"] == relay["id"]
    assert [edge["name"], translator["name"], relay["name"], upstream["name"]] == [
        "POST /v1/chat/completions", GENERATE, GENERATE, "POST /v1/messages",
    ]  # fmt: skip
    assert upstream["attributes"]["http.response.status_code"] == 200
    # No span per chunk: the events were many, the tree is the four.
    assert events > 8
    assert len(tree) == 4
    for name in ("edge", "translator", "relay"):
        assert f'"trace_id":"{TRACE_ID}"' in logs[name]
    text = spans.read_text()
    assert cluster.key not in text
    assert "One two three" not in text


async def test_without_a_collector_one_trace_id_joins_the_logs(tmp_path: Path) -> None:
    async with running_cluster(tmp_path, ONE_OF_EACH, QUICK) as cluster:
        await _ask(cluster, {})
        await asyncio.sleep(0.3)
        found = {
            name: {
                line["trace_id"]
                for text in cluster.replicas[name][0].child.log.read_text().splitlines()
                if (line := json.loads(text)).get("event") in ("request", "rpc", "generated")
                and "trace_id" in line
            }
            for name in ("edge", "translator", "relay")
        }

    assert len(found["edge"]) == 1
    assert found["edge"] == found["translator"] == found["relay"]


async def _ask(cluster: Cluster, headers: dict[str, str]) -> int:
    """One translated stream, read to its end; how many events came."""
    named = {"x-api-key": cluster.key, **headers}
    async with (
        aiohttp.ClientSession(cluster.edges[0], headers=named) as session,
        session.post(TRANSLATED.path, json=TRANSLATED.body) as answer,
    ):
        body = await answer.read()
    assert TRANSLATED.ending in body
    return body.count(b"data: ")


async def _wait_spans(file: Path, trace_id: str, count: int) -> list[dict[str, Any]]:
    """The spans of a trace, once there are ``count``; they are written in batches."""
    for _ in range(100):
        lines = (await asyncio.to_thread(file.read_text)).splitlines()
        spans = [_span(line) for line in lines]
        ours = [span for span in spans if span["trace"] == trace_id]
        if len(ours) >= count:
            return ours
        await asyncio.sleep(0.1)
    raise AssertionError(f"the trace has {len(ours)} spans: {ours}")


def _span(line: str) -> dict[str, Any]:
    told = json.loads(line)
    return {
        "name": told["name"],
        "service": told["resource"]["attributes"]["service.name"],
        "kind": told["kind"].removeprefix("SpanKind."),
        "trace": told["context"]["trace_id"].removeprefix("0x"),
        "id": told["context"]["span_id"].removeprefix("0x"),
        "parent": (told["parent_id"] or "").removeprefix("0x"),
        "attributes": told["attributes"],
    }
