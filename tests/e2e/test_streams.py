"""Streams through all processes, against a provider whose every move the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
from aiohttp import web

from tests.doubles.upstream import Move, ScriptedUpstream, broken, hangup, silence, stream, whole
from tests.e2e.stack import Stack, start_stack
from tests.grammar import check_stream
from tests.ports import free_port

CREDENTIAL = "canary-credential-of-the-upstream"


@dataclass(frozen=True, slots=True)
class Surface:
    """One dialect: where it is served and what its streams look like."""

    path: str
    body: dict[str, object]
    opening: bytes  # first frames, with a field and an event nobody knows
    rest: bytes
    sign_of_life: bytes
    error: bytes


def frames(*events: dict[str, object]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
        for event in events
    )


def chunks(*events: dict[str, object]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


RESPONSE = {"id": "resp_abc", "object": "response", "model": "m", "output": [], "status": "queued"}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
SURFACES = {
    "anthropic_messages": Surface(
        "/v1/messages",
        {"max_tokens": 50, "messages": [{"role": "user", "content": "hi \u2028 ü"}], "zebra": 1.0},
        frames(
            {
                "type": "message_start",
                "message": {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "m",
                    "content": [],
                    "stop_reason": None,
                    "stop_sequence": None,
                    "usage": {"input_tokens": 3, "output_tokens": 1, "aurora_tokens": 9},
                },
            },
            {"type": "an_event_of_the_future", "n": 1},
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "text", "text": ""},
            },
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "Hé"},
            },
        ),
        frames(
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 5},
            },
            {"type": "message_stop"},
        ),
        b"event: ping\n",
        b"event: error\n",
    ),
    "openai_chat": Surface(
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "hi \u2028 ü"}], "zebra": 1.0},
        chunks(
            {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hé"}}]},
            {**CHUNK, "choices": [], "aurora": {"n": 1}},
        ),
        chunks({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        + b"data: [DONE]\n\n",
        b": keep-alive",
        b'data: {"error"',
    ),
    "openai_responses": Surface(
        "/v1/responses",
        {"input": "hi \u2028 ü", "zebra": 1.0},
        frames(
            {"type": "response.created", "response": RESPONSE, "sequence_number": 0},
            {"type": "response.an_event_of_the_future", "sequence_number": 1},
        ),
        frames(
            {
                "type": "response.completed",
                "response": {**RESPONSE, "status": "completed"},
                "sequence_number": 2,
            }
        ),
        b"keepalive",
        b"event: response.failed\n",
    ),
}
DIALECTS = tuple(SURFACES)
ROADS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture(scope="module")
def scripted_stack(ports: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    upstreams = [
        {
            "name": f"{dialect}-{place}",
            "dialect": dialect,
            "base_url": f"http://127.0.0.1:{port}"
            + ("" if dialect == "anthropic_messages" else "/v1"),
            "credential": {"env": "SCRIPTED_KEY"},
            "allow_private": True,
        }
        for dialect in DIALECTS
        for place, port in enumerate(ports)
    ]
    models = [
        {
            "id": dialect,
            "routes": [{"upstream": f"{dialect}-{place}", "model": "far-away"} for place in (0, 1)],
        }
        for dialect in DIALECTS
    ]
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "gatebeyz.yaml").write_text(
        json.dumps({"upstreams": upstreams, "models": models}), encoding="utf-8"
    )
    running = start_stack(
        folder,
        {
            "SCRIPTED_KEY": CREDENTIAL,
            "GATEBEYZ_KEEPALIVE_S": "0.3",
            "GATEBEYZ_COMMIT_AFTER_S": "0.6",
        },
    )
    yield running
    running.stop()


@pytest.fixture
async def first(ports: list[int]) -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream()
    await upstream.start(ports[0])
    yield upstream
    await upstream.stop()


@pytest.fixture
async def second(ports: list[int]) -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream()
    await upstream.start(ports[1])
    yield upstream
    await upstream.stop()


@pytest.fixture
async def client(scripted_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": scripted_stack.key, "content-type": "application/json"}
    async with httpx.AsyncClient(
        base_url=scripted_stack.url, headers=headers, timeout=20
    ) as opened:
        yield opened


def body_of(surface: Surface, model: str, *, is_stream: bool = True) -> bytes:
    return json.dumps({**surface.body, "stream": is_stream, "model": model, "last": [1]}).encode()


def opened(
    client: httpx.AsyncClient, dialect: str, model: str
) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
    surface = SURFACES[dialect]
    return client.stream("POST", surface.path, content=body_of(surface, model))


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_both_ways_bytes_pass_untouched(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str
) -> None:
    surface = SURFACES[dialect]
    sent = surface.opening + surface.rest
    first.script = [stream(*(sent[at : at + 7] for at in range(0, len(sent), 7)))]

    async with opened(client, dialect, dialect) as answer:
        received = b"".join([piece async for piece in answer.aiter_raw()])

    assert received == sent
    assert first.seen[0].path == surface.path
    expected = body_of(surface, "X").replace(b'"X"', b'"far-away"')
    assert first.seen[0].body == expected
    assert CREDENTIAL in " ".join(first.seen[0].headers.values())
    assert client.headers["x-api-key"] not in " ".join(first.seen[0].headers.values())


@pytest.mark.edge(66)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_headers_of_a_stream(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str
) -> None:
    surface = SURFACES[dialect]
    first.script = [stream(surface.opening, surface.rest)]

    async with opened(client, dialect, dialect) as answer:
        await answer.aread()

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in answer.headers
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_nothing_is_buffered_and_silence_is_broken(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str
) -> None:
    surface = SURFACES[dialect]
    first.script = [stream(surface.opening, hang=True)]

    async with opened(client, dialect, dialect) as answer:
        pieces = answer.aiter_raw()
        received = b""
        while received.count(surface.sign_of_life) < 2:
            received += await asyncio.wait_for(anext(pieces), 5)

    assert received.startswith(surface.opening)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_silence_before_the_first_byte_commits_the_status(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str
) -> None:
    first.script = [silence()]

    async with opened(client, dialect, dialect) as answer:
        assert answer.status_code == 200
        piece = await anext(answer.aiter_raw())

    assert piece.endswith(b"\n\n")


@pytest.mark.edge(42)
@pytest.mark.parametrize(("dialect", "model"), ROADS)
async def test_a_client_that_leaves_cancels_the_upstream_within_a_second(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str, model: str
) -> None:
    first.script = [stream(SURFACES[model].opening, hang=True)]

    async with opened(client, dialect, model) as answer:
        await anext(answer.aiter_raw())

    await asyncio.wait_for(first.gone.wait(), 1.0)


@pytest.mark.parametrize(("dialect", "model"), ROADS)
async def test_a_client_that_leaves_before_the_first_byte_cancels_the_upstream(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str, model: str
) -> None:
    first.script = [silence()]
    surface = SURFACES[dialect]
    asking = asyncio.ensure_future(client.post(surface.path, content=body_of(surface, model)))
    await asyncio.wait_for(first.asked.wait(), 5)

    asking.cancel()

    await asyncio.wait_for(first.gone.wait(), 1.0)


@pytest.mark.parametrize(("dialect", "model"), ROADS)
@pytest.mark.parametrize("is_cut", [True, False], ids=["connection cut", "closed early"])
async def test_a_truncated_upstream_ends_in_an_error_event(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str, model: str, is_cut: bool
) -> None:
    half = SURFACES[model].opening + SURFACES[model].rest[:25]
    first.script = [stream(half, cut=is_cut)]

    async with opened(client, dialect, model) as answer:
        received = b"".join([piece async for piece in answer.aiter_raw()])

    if answer.status_code == 500 and dialect != model:
        # It broke off before anything went out: a status tells, and the SDK tries again.
        assert json.loads(received)["error"]["message"]
        return
    ending = received.rstrip(b"\n").rpartition(b"\n\n")[2] + b"\n"
    assert ending.startswith(SURFACES[dialect].error), received
    assert b"message_stop" not in received
    assert b"[DONE]" not in received
    assert b"response.completed" not in received
    if dialect != model:
        check_stream(dialect, received)


async def test_a_broken_response_keeps_its_id_and_its_numbers(
    client: httpx.AsyncClient, first: ScriptedUpstream
) -> None:
    first.script = [stream(SURFACES["openai_responses"].opening, cut=True)]

    async with opened(client, "openai_responses", "openai_responses") as answer:
        received = b"".join([piece async for piece in answer.aiter_raw()])

    events = [json.loads(line[6:]) for line in received.split(b"\n") if line.startswith(b"data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["id"] == "resp_abc"


WHOLE = b'{"id": "x", "usage": {"input_tokens": 1, "output_tokens": 1, "prompt_tokens": 1}}'


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_whole_answer_that_breaks_off_is_an_error(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str
) -> None:
    first.script = [broken(WHOLE[:20], len(WHOLE))]
    surface = SURFACES[dialect]

    answer = await client.post(surface.path, content=body_of(surface, dialect, is_stream=False))

    assert answer.status_code >= 500
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "refusal",
    [
        hangup(),
        whole(b'{"error": {"message": "slow down"}}', 429),
        whole(b"<html>bad gateway</html>", 502),
        whole(b'{"error": {"message": "bad key"}}', 401),
        stream(b'event: error\ndata: {"type": "error", "error": {"message": "overloaded"}}\n\n'),
    ],
    ids=["hangup", "429", "502", "401", "error event"],
)
async def test_the_next_route_answers_where_the_first_does_not(
    client: httpx.AsyncClient,
    first: ScriptedUpstream,
    second: ScriptedUpstream,
    dialect: str,
    refusal: Move,
) -> None:
    surface = SURFACES[dialect]
    first.script, second.script = [refusal], [stream(surface.opening, surface.rest)]

    async with opened(client, dialect, dialect) as answer:
        received = await answer.aread()

    assert received == surface.opening + surface.rest
    assert (len(first.seen), len(second.seen)) == (1, 1)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_route_is_tried_after_the_first_byte(
    client: httpx.AsyncClient, first: ScriptedUpstream, second: ScriptedUpstream, dialect: str
) -> None:
    surface = SURFACES[dialect]
    first.script = [stream(surface.opening, cut=True)]
    second.script = [stream(surface.opening, surface.rest)]

    async with opened(client, dialect, dialect) as answer:
        received = await answer.aread()

    assert received.startswith(surface.opening)
    assert second.seen == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_no_upstream_at_all_is_told_in_the_dialect(
    client: httpx.AsyncClient, dialect: str
) -> None:
    surface = SURFACES[dialect]

    answer = await client.post(surface.path, content=body_of(surface, dialect))

    assert answer.status_code >= 500
    assert "127.0.0.1" not in answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_an_upstream_says_of_the_gateways_account_stays_inside(
    client: httpx.AsyncClient, first: ScriptedUpstream, second: ScriptedUpstream, dialect: str
) -> None:
    error = {"message": "Rate limit reached for organization org-gatebeyz123456. Slow down."}
    refusal = whole(json.dumps({"error": error}).encode(), 429, retry_after="7200")
    first.script, second.script = [refusal], [refusal]
    surface = SURFACES[dialect]

    answer = await client.post(surface.path, content=body_of(surface, dialect))

    assert answer.status_code == 429
    assert "org-gatebeyz" not in answer.text
    assert "Slow down" in answer.text
    assert "retry-after" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.edge(69)
@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_error_under_200_is_an_error(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str, is_stream: bool
) -> None:
    first.script = [whole(b'{"error": {"message": "Busy", "code": "server_is_overloaded"}}')]
    surface = SURFACES[dialect]

    answer = await client.post(surface.path, content=body_of(surface, dialect, is_stream=is_stream))

    assert answer.status_code >= 500
    assert answer.json()["error"]["message"] == "Busy"


@pytest.mark.edge(67)
@pytest.mark.parametrize(("dialect", "model"), [(DIALECTS[0], DIALECTS[0]), DIALECTS[:2]])
async def test_a_client_that_does_not_read_holds_its_upstream_back(
    client: httpx.AsyncClient, first: ScriptedUpstream, dialect: str, model: str
) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(SURFACES[model].opening)
        delta = {**CHUNK, "choices": [{"index": 0, "delta": {"content": "x" * 60_000}}]}
        pieces = {
            "anthropic_messages": frames(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "x" * 60_000},
                }
            ),
            "openai_chat": chunks(delta),
        }
        while True:
            await response.write(pieces[model])
            sent += len(pieces[model])

    first.script = [flood]
    async with opened(client, dialect, model) as answer:
        assert answer.status_code == 200
        seen = -1
        while seen != sent:  # until nothing more fits anywhere on the way
            seen = sent
            await asyncio.sleep(1.0)
        assert sent < 64 * 1024 * 1024
    await asyncio.wait_for(first.gone.wait(), 10.0)
