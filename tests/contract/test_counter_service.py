"""gatebeyz.counter.v1 spoken to a real counter process with real counting processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from runtime.channels import open_channel
from runtime.faults import Reason, fault_of
from tests.counter_process import CounterProcess, connected
from tests.ports import free_port

QUEUE_ITEMS = 64
SAY = "What is the capital of France?"
LONG = "It was a bright cold day in April, and the clocks were striking thirteen. " * 100_000


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def process(metrics_port: int) -> Iterator[CounterProcess]:
    running = CounterProcess(
        2,
        GATEBEYZ_COUNTER_QUEUE_ITEMS=str(QUEUE_ITEMS),
        GATEBEYZ_COUNTER_METRICS_LISTEN=f"127.0.0.1:{metrics_port}",
        GATEBEYZ_METRICS_LISTEN=f"127.0.0.1:{metrics_port}",
    )
    yield running
    running.stop()


@pytest.fixture
async def stub(process: CounterProcess) -> AsyncIterator[Any]:
    async with connected([process]) as (opened,):
        yield opened


def text(content: str, model: str = "gpt-4o") -> counter_pb2.CountItem:
    return counter_pb2.CountItem(model=model, text=content)


def body(
    content: object, model: str = "gpt-4o", dialect: Any = inference_pb2.DIALECT_OPENAI_CHAT
) -> counter_pb2.CountItem:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return counter_pb2.CountItem(model=model, body=data, dialect=dialect)


async def ask(stub: Any, *items: counter_pb2.CountItem) -> list[Any]:
    """Every event of one call."""
    return [
        getattr(answer, answer.WhichOneof("event"))
        async for answer in stub.CountTokens(counter_pb2.CountTokensRequest(items=items))
    ]


def counts(events: list[Any]) -> list[counter_pb2.Count]:
    found = [event for event in events if isinstance(event, counter_pb2.Count)]
    return sorted(found, key=lambda count: count.index)


async def test_items_of_every_kind_are_counted_in_one_call(stub: Any) -> None:
    messages = [{"role": "user", "content": SAY}]
    events = await ask(
        stub,
        text(SAY),
        body({"messages": messages}),
        body({"input": SAY}, dialect=inference_pb2.DIALECT_OPENAI_RESPONSES),
        body(
            {"messages": messages},
            "claude-sonnet-4-5",
            inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
        ),
        text(SAY, "nobody-knows-it"),
        body(b"{"),
    )
    found = counts(events)
    assert [count.tokens for count in found[:3]] == [7, 14, 14]
    assert found[3].tokens == pytest.approx(14, abs=2)
    assert [count.method for count in found[:3]] == [counter_pb2.METHOD_VOCABULARY] * 3
    assert found[4].method == counter_pb2.METHOD_CALIBRATED
    assert 0 < found[4].error_median <= found[4].error_p90
    assert found[5].error_reason == "INVALID_REQUEST"
    total = events[-1]
    assert (total.items, total.failed) == (6, 1)
    assert total.tokens == sum(count.tokens for count in found)


async def test_a_long_item_is_told_of_on_the_way(stub: Any) -> None:
    events = await ask(stub, text(LONG))
    progress = [event for event in events if isinstance(event, counter_pb2.Progress)]
    assert len(progress) >= 3
    assert [event.done_bytes for event in progress] == sorted(
        event.done_bytes for event in progress
    )
    assert {event.total_bytes for event in progress} == {len(LONG)}
    assert progress[-1].tokens <= counts(events)[0].tokens


async def test_a_short_item_does_not_wait_for_a_long_one(stub: Any) -> None:
    # Long enough for the other process to be there, should it be starting anew just now.
    events = await ask(stub, text(LONG * 3), text(SAY))
    first = next(event for event in events if isinstance(event, counter_pb2.Count))
    assert first.index == 1


async def test_many_items_are_all_answered_once(stub: Any) -> None:
    events = await ask(stub, *(text(f"{SAY} {at}") for at in range(60)))
    assert [count.index for count in counts(events)] == list(range(60))
    assert len(events) == 61


async def test_a_full_queue_refuses_with_a_time_to_come_back(stub: Any) -> None:
    request = counter_pb2.CountTokensRequest(items=[text(LONG)] * 3)
    running = stub.CountTokens(request)
    await running.read()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(stub, *(text(SAY) for _ in range(QUEUE_ITEMS)))
    running.cancel()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    fault = fault_of(refused.value)
    assert fault.reason is Reason.OVERLOADED
    assert fault.retry_after_s is not None
    assert 0.1 <= fault.retry_after_s <= 60


async def test_a_caller_that_leaves_gives_its_room_back(stub: Any, metrics_port: int) -> None:
    slow = text("e\u0301" * 2_000_000, model="claude-sonnet-4-5")
    call = stub.CountTokens(counter_pb2.CountTokensRequest(items=[slow] * 8))
    async for _answer in call:
        break
    assert await in_flight(metrics_port) == 8
    call.cancel()
    async with asyncio.timeout(10):
        while await in_flight(metrics_port):  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.05)
    assert counts(await ask(stub, text(SAY)))[0].tokens == 7


async def in_flight(port: int) -> float:
    """The signal that replicas are scaled on, as it is scraped."""
    async with httpx.AsyncClient() as client:
        scraped = await client.get(f"http://127.0.0.1:{port}/metrics")
    (line,) = [
        line
        for line in scraped.text.splitlines()
        if line.startswith("gatebeyz_counting_in_flight ")
    ]
    return float(line.split()[1])


HOSTILE = {
    "a deep body": b'{"messages":' + b"[" * 2_000_000,
    "many tiny values": b'{"messages":[' + b"{}," * 3_000_000 + b"{}]}",
    "not text": b"\xff\xfe" * 100_000,
    "half a character": b'{"messages":[{"role":"user","content":"\\ud83d"}]}',
    "a huge number": b'{"n":' + b"9" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_bodies_are_answered_and_the_next_is_counted(stub: Any, data: bytes) -> None:
    hostile, good = counts(await ask(stub, body(data), text(SAY)))
    assert hostile.error_reason in ("", "INVALID_REQUEST", "INTERNAL")
    assert good.tokens == 7
    assert counts(await ask(stub, text(SAY)))[0].tokens == 7


async def test_a_counting_process_that_is_killed_is_replaced(
    stub: Any, process: CounterProcess
) -> None:
    (killed, *_) = process.workers()
    killed.kill()
    killed.wait(10)
    for _ in range(6):
        assert counts(await ask(stub, text(SAY)))[0].tokens == 7
    async with asyncio.timeout(20):
        while len(process.workers()) < 2:  # noqa: ASYNC110 - another process starts them
            await asyncio.sleep(0.1)
    assert killed.pid not in {one.pid for one in process.workers()}


async def test_a_stranger_counts_nothing(process: CounterProcess) -> None:
    async with grpc.aio.insecure_channel(process.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(counter_pb2_grpc.CounterServiceStub(channel), text(SAY))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_process_without_a_calibration_does_not_start() -> None:
    fresh = CounterProcess(1, GATEBEYZ_COUNTER_CALIBRATION="/dev/null")
    try:
        assert fresh.wait(30) == 1
    finally:
        fresh.stop()


async def test_a_process_is_not_ready_before_it_counts() -> None:
    fresh = CounterProcess()
    try:
        async with open_channel(fresh.target, None) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            known = set()
            async with asyncio.timeout(30):
                while health_pb2.HealthCheckResponse.SERVING not in known:
                    answer = await health.Check(COUNTING, wait_for_ready=True)
                    known.add(answer.status)
                    await asyncio.sleep(0.02)
        assert known == {
            health_pb2.HealthCheckResponse.NOT_SERVING,
            health_pb2.HealthCheckResponse.SERVING,
        }
        assert fresh.workers()
    finally:
        fresh.stop()


COUNTING = health_pb2.HealthCheckRequest(service="gatebeyz.counter.v1.CounterService")
