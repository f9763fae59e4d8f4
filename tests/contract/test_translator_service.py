"""The translator over real sockets: a gRPC caller before it, relay and providers behind it."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import grpc.aio
import pytest
from aiohttp import web

from dialects.dialect import AnswerContext
from dialects.events import (
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    End,
    Event,
    Finish,
    FinishReason,
    Start,
    UsageReport,
)
from dialects.registry import DIALECTS
from dialects.usage import Usage
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason
from tests.contract.translating import ScriptedCounter, text_of, translating, written
from tests.doubles.upstream import Move, silence, stream, whole
from tests.grammar import check_stream

CELLS = [(client, up) for client in DIALECTS for up in DIALECTS if client != up]
USAGE = Usage(input=40, cache_read=2, output=9)


def context() -> AnswerContext:
    numbers = itertools.count()
    return AnswerContext(
        model="some-model",
        request_id="req_up",
        now=1_700_000_000,
        new_id=lambda: f"{next(numbers):024}",
        include_usage=True,
    )


def saying(*texts: str, usage: Usage | None = USAGE) -> list[Event]:
    deltas = [BlockDelta(0, text) for text in texts]
    reports = [] if usage is None else [UsageReport(usage)]
    return [
        Start("msg_up", "some-model"),
        BlockOpen(0, BlockKind.TEXT),
        *deltas,
        BlockClose(0),
        *reports,
        Finish(FinishReason.STOP),
        End(),
    ]


def upstream_stream(dialect: str, *texts: str) -> bytes:
    return written(DIALECTS[dialect], saying(*texts), context())


def breaking(begun: bytes) -> Move:
    """A stream that begins, lets its first bytes arrive, and breaks off."""

    async def move(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(begun)
        await asyncio.sleep(0.1)
        return response

    return move


def head_of(messages: list[inference_pb2.GenerateResponse]) -> inference_pb2.Head:
    return messages[0].head


def answer_text(dialect: str, body: bytes) -> str:
    events = DIALECTS[dialect].read_answer(json.loads(body))
    return "".join(event.text for event in events if isinstance(event, BlockDelta))


@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_a_stream_of_every_cell_ends_whole_and_in_the_clients_grammar(
    client: str, up: str
) -> None:
    data = upstream_stream(up, "Hel", "lo 😀")
    pieces = [data[at : at + 11] for at in range(0, len(data), 11)]
    async with translating((up, stream(*pieces))) as bench:
        messages = await bench.ask(client)
    check_stream(client, text_of(messages))
    assert head_of(messages).status == 200
    assert messages[-1].outcome.end == inference_pb2.END_COMPLETE
    assert messages[-1].outcome.usage.input_tokens == 40
    assert sum(message.HasField("head") for message in messages) == 1


@pytest.mark.edge(75)
@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_a_client_that_does_not_stream_gets_one_whole_answer(client: str, up: str) -> None:
    async with translating((up, stream(upstream_stream(up, "Hel", "lo")))) as bench:
        (message,) = await bench.ask(client, stream=False)
        asked = json.loads(bench.upstreams[0].seen[0].body)
    assert asked["stream"] is True  # however long it thinks, nothing on the way falls idle
    assert message.head.headers["content-type"] == "application/json"
    assert answer_text(client, message.chunk) == "Hello"
    assert DIALECTS[client].usage_of(json.loads(message.chunk)).total_input == 42


@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_an_upstream_that_ignores_stream_is_streamed_all_the_same(
    client: str, up: str
) -> None:
    body = json.dumps(DIALECTS[up].write_answer(saying("Hello"), context())).encode()
    async with translating((up, whole(body))) as bench:
        streamed = await bench.ask(client)
        (folded,) = await bench.ask(client, stream=False)
    check_stream(client, text_of(streamed))
    assert b"Hello" in text_of(streamed)
    assert answer_text(client, folded.chunk) == "Hello"


async def test_input_tokens_are_counted_while_the_upstream_thinks() -> None:
    counter = ScriptedCounter(tokens=77, delay_s=0.15)
    data = upstream_stream("openai_chat", "Hello")

    async def thinking(request: Any) -> Any:
        await asyncio.wait_for(counter.asked.wait(), 10)  # the counter works at the same time
        await asyncio.sleep(0.15)
        return await stream(data)(request)

    async with translating(("openai_chat", thinking), counter=counter, grace_s=10.0) as bench:
        messages = await bench.ask("anthropic_messages")
    start = json.loads(text_of(messages).split(b"data: ")[1].split(b"\n")[0])
    assert start["message"]["usage"]["input_tokens"] == 77


@pytest.mark.parametrize("counter", [{"delay_s": 30.0}, {"tokens": None}])
async def test_a_counter_that_does_not_answer_holds_nothing_up(counter: dict[str, Any]) -> None:
    move = stream(upstream_stream("openai_responses", "Hello"))
    scripted = ScriptedCounter(**counter)
    async with translating(("openai_responses", move), counter=scripted, grace_s=0.05) as bench:
        async with asyncio.timeout(20):
            messages = await bench.ask("anthropic_messages")
    start = json.loads(text_of(messages).split(b"data: ")[1].split(b"\n")[0])
    assert 0 < start["message"]["usage"]["input_tokens"] != 77
    assert b'"input_tokens":40' in text_of(messages)


async def test_only_a_streaming_messages_client_makes_the_counter_work() -> None:
    async with translating(("openai_chat", stream(upstream_stream("openai_chat", "x")))) as bench:
        await bench.ask("anthropic_messages", stream=False)
        await bench.ask("openai_responses")
        assert not bench.counter.asked.is_set()


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_stop_sequence_the_upstream_lacks_cuts_the_answer_and_the_upstream(
    is_stream: bool,
) -> None:
    data = upstream_stream("openai_responses", "one ", "two EN", "D three")
    begun = data[: data.index(b"response.output_text.done")].rpartition(b"event:")[0]
    move = stream(begun, hang=True)
    async with translating(("openai_responses", move), model="gpt-5") as bench:
        async with asyncio.timeout(20):
            messages = await bench.ask(
                "anthropic_messages", stream=is_stream, stop_sequences=["END"]
            )
            await bench.upstreams[0].gone.wait()
    shown = text_of(messages)
    assert b"three" not in shown
    assert b'"stop_sequence":"END"' in shown
    assert b'"output_tokens":3' in shown
    outcome = messages[-1].outcome
    assert outcome.end == inference_pb2.END_COMPLETE
    assert (outcome.usage.output_tokens, outcome.usage.estimated) == (3, True)


@pytest.mark.edge(68)
@pytest.mark.edge(69)
@pytest.mark.reported(11)
@pytest.mark.parametrize(("client", "up"), CELLS)
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_error_before_the_first_byte_keeps_its_status(
    client: str, up: str, is_stream: bool
) -> None:
    error = {
        "anthropic_messages": {"type": "overloaded_error", "message": "Overloaded"},
        "openai_chat": {"code": "server_is_overloaded", "message": "Overloaded", "type": "x"},
        "openai_responses": {"code": "server_is_overloaded", "message": "Overloaded"},
    }[up]
    event = {"type": "error", "error": error}
    frame = b"event: error\ndata: %b\n\n" % json.dumps(event).encode()
    moves = [whole(json.dumps(event).encode(), 529), whole(json.dumps(event).encode()),
             stream(frame)]  # fmt: skip
    for move in moves:
        async with translating((up, move)) as bench:
            (message,) = await bench.ask(client, stream=is_stream)
        body = json.loads(message.chunk)
        assert message.head.status == (529 if client == "anthropic_messages" else 503)
        assert body["error"]["message"] == "Overloaded"
        assert message.outcome.end == inference_pb2.END_UPSTREAM_ERROR


@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_an_error_inside_the_stream_ends_it_in_the_clients_dialect(
    client: str, up: str
) -> None:
    data = upstream_stream(up, "Hello")
    place = data.index(b"Hello")
    begun = data[: data.index(b"\n\n", place) + 2]
    async with translating((up, breaking(begun))) as bench:
        messages = await bench.ask(client)
    check_stream(client, text_of(messages))
    assert b"Hello" in text_of(messages)
    assert b"[DONE]" not in text_of(messages)
    assert messages[-1].outcome.end == inference_pb2.END_UPSTREAM_ERROR


@pytest.mark.edge(69)
@pytest.mark.parametrize("up", [*DIALECTS])
async def test_an_html_page_is_an_upstream_error(up: str) -> None:
    client = next(name for name in DIALECTS if name != up)
    page = b"<!doctype html><html><body>502 Bad Gateway</body></html>"
    for status in (200, 502):
        async with translating((up, whole(page, status, content_type="text/html"))) as bench:
            (message,) = await bench.ask(client)
        assert message.head.status == 500 if status == 200 else message.head.status >= 500
        assert b"<" not in message.chunk


async def test_the_next_dialects_route_answers_where_the_first_cannot() -> None:
    busy = whole(b'{"error":{"message":"busy","code":"rate_limit_exceeded"}}', 429)
    failing = stream(b'data: {"error":{"message":"busy","code":"server_is_overloaded"}}\n\n')
    good = stream(upstream_stream("openai_responses", "Hello"))
    for first in (busy, failing):
        scripts = (("openai_chat", first), ("openai_responses", good))
        async with translating(*scripts) as bench:
            messages = await bench.ask("anthropic_messages")
        assert b"Hello" in text_of(messages)
        assert head_of(messages).upstream == "up2"


async def test_no_route_is_tried_after_the_first_byte() -> None:
    data = upstream_stream("openai_chat", "Hello")
    begun = data[: data.index(b'"finish_reason":"stop"')].rpartition(b"data: ")[0]
    other = stream(upstream_stream("openai_responses", "Other"))
    scripts = (("openai_chat", breaking(begun)), ("openai_responses", other))
    async with translating(*scripts) as bench:
        messages = await bench.ask("anthropic_messages")
        assert not bench.upstreams[1].seen
    assert b"event: error" in text_of(messages)


async def test_a_wait_the_upstream_speaks_of_reaches_the_client_as_a_header() -> None:
    body = b'{"error":{"code":"rate_limit_exceeded","message":"Try again in 1.2s."}}'
    async with translating(("openai_responses", whole(body, 429))) as bench:
        (message,) = await bench.ask("anthropic_messages")
    assert message.head.status == 429
    assert message.head.headers["retry-after"] == "2"


@pytest.mark.edge(70)
@pytest.mark.parametrize("up", [*DIALECTS])
async def test_a_refused_credential_tells_nothing_and_asks_for_no_retry(up: str) -> None:
    client = next(name for name in DIALECTS if name != up)
    told = {"type": "billing_error", "code": "insufficient_quota", "message": "org-abcdefgh12"}
    body = json.dumps({"type": "error", "error": told}).encode()
    async with translating((up, whole(body, 402))) as bench:
        (message,) = await bench.ask(client)
    assert message.head.status == 500
    assert message.head.headers["x-should-retry"] == "false"
    assert b"org-" not in message.chunk


async def test_a_caller_that_leaves_closes_the_upstream() -> None:
    data = upstream_stream("openai_chat", "Hello")
    begun = data[: data.index(b'"finish_reason":"stop"')].rpartition(b"data: ")[0]
    async with translating(("openai_chat", stream(begun, hang=True))) as bench:
        request = bench.request("anthropic_messages", {"messages": [], "stream": True})
        request.body = json.dumps(
            {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
        ).encode()
        call = bench.stub.Generate(request)
        await call.read()
        call.cancel()
        async with asyncio.timeout(10):
            await bench.upstreams[0].gone.wait()


async def test_a_fault_of_the_relay_keeps_its_reason() -> None:
    async with translating(("openai_chat", whole(b"{}", 401))) as bench:
        assert (await bench.refusal("openai_responses")).reason is Reason.UPSTREAM_CREDENTIAL


async def test_a_caller_may_leave_while_nothing_came_yet() -> None:
    async with translating(("openai_chat", silence())) as bench:
        call = bench.stub.Generate(
            bench.request(
                "anthropic_messages",
                {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "stream": True},
            )
        )
        await asyncio.wait_for(bench.upstreams[0].asked.wait(), 10)
        call.cancel()
        async with asyncio.timeout(10):
            await bench.upstreams[0].gone.wait()
        with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
            await call.read()
