"""Prepaid requests through a real relay, a real ledger and a real store."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest
from aiohttp import web

from dialects.registry import DIALECTS
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog, Model, Route, Upstream, build_catalog
from runtime.channels import SERVER_OPTIONS, open_channel
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.grants import Grant, Signer
from runtime.interceptors import FaultInterceptor
from runtime.prices import Prices, Rates
from runtime.pseudonym import Pseudonyms
from services.relay.exchange import Dialer
from services.relay.hold import Count, Holds
from services.relay.revocation import Registry, RevocationWatch
from services.relay.service import InferenceService, Parts
from services.relay.settlement import Outbox, sender
from tests.contract.ledger_bench import Ledger, serving
from tests.doubles.upstream import Move, ScriptedUpstream, silence, whole

NOW = 1_800_000_000.0
ANSWER = b'{"id":"m","type":"message","usage":{"input_tokens":5,"output_tokens":3}}'
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":'
    b'{"input_tokens":11,"output_tokens":1}}}\n\n'
)
DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}\n\n'
)
CLOSE = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":7}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
# Input costs nothing here, so that a wallet counts tokens of output.
PRICES = Prices(Rates(input=0, output=1_000_000))


@dataclass
class Bench:
    """A relay before a scripted provider, and the ledger behind it."""

    stub: inference_pb2_grpc.InferenceServiceStub
    upstream: ScriptedUpstream
    ledger: Ledger
    signer: Signer
    holds: Holds
    outbox: Outbox

    def call(
        self, request_id: str = "req_1", max_tokens: int = 100, *, is_stream: bool = False
    ) -> Any:
        body = {
            "model": "claude-x",
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": "hi"}],
        }
        grant = Grant(
            account_id="acc_1",
            key_id="key_1",
            lease_id="lease",
            product="credits",
            models=("*",),
            thinking=True,
            upstreams=(),
            expires_at=NOW + 30,
            prepaid=True,
        )
        return self.stub.Generate(
            inference_pb2.GenerateRequest(
                grant=self.signer.sign(grant),
                dialect=inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
                body=json.dumps({**body, "stream": is_stream}).encode(),
                model="claude-x",
                request_id=request_id,
                stream=is_stream,
            )
        )

    async def generate(self, *args: Any, **fields: Any) -> bytes:
        """The whole answer's bytes."""
        return b"".join([message.chunk async for message in self.call(*args, **fields)])

    async def refusal(self, *args: Any, **fields: Any) -> ServiceFault:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.generate(*args, **fields)
        return fault_of(caught.value)

    async def wait_settled(self) -> None:
        assert await self.outbox.drain(2)
        await self.holds.drain()

    def calls(self) -> dict[str, int]:
        return {name: n for name, n in self.ledger.calls.by_method.items() if name in _MONEY}


_MONEY = ("HoldBatch", "Progress", "Settle", "Void")


def make_catalog(url: str) -> Catalog:
    upstream = Upstream(
        name="up",
        dialect="anthropic_messages",
        base_url=url,
        credential=SecretText("upstream-secret-000000"),
        allow_private=True,
    )
    route = Route("up", "anthropic_messages", "claude-x")
    return build_catalog([upstream], [Model("claude-x", "X", (route,), prices=PRICES)], [])


@contextlib.asynccontextmanager
async def running(
    redis_url: str, *moves: Move, micros: int, count: Count | None = None
) -> AsyncIterator[Bench]:
    upstream = ScriptedUpstream(*moves)
    catalog = make_catalog(await upstream.start())
    async with serving(redis_url, catalog) as ledger:
        await ledger.open_account(micros=micros)
        outbox = Outbox(sender(ledger.relay))  # type: ignore[arg-type]
        holds = Holds(ledger.relay, count=count, on_store=outbox.notice_store)  # type: ignore[arg-type]
        registry, dialer = Registry(lambda: NOW), Dialer()
        watch = RevocationWatch(SimpleNamespace(), registry, now=lambda: 0.0)  # type: ignore[arg-type]
        signer = Signer({"k1": b"0" * 32})
        parts = Parts(
            *(lambda: catalog, DIALECTS, signer, Pseudonyms("a key of the tests")),
            *(dialer, registry, watch, holds, outbox),
            now=lambda: NOW,
        )
        server = grpc.aio.server(interceptors=(FaultInterceptor(),), options=SERVER_OPTIONS)
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(InferenceService(parts), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(holds.run())]
        try:
            async with open_channel(f"127.0.0.1:{port}", None) as channel:
                stub = inference_pb2_grpc.InferenceServiceStub(channel)
                yield Bench(stub, upstream, ledger, signer, holds, outbox)
        finally:
            await server.stop(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await dialer.close()
            await upstream.stop()
        assert await ledger.differences() == []


async def test_a_prepaid_request_makes_one_hold_and_one_settlement(redis_url: str) -> None:
    async with running(redis_url, whole(ANSWER), micros=1_000) as bench:
        assert await bench.generate() == ANSWER
        await bench.wait_settled()
        assert bench.calls() == {"HoldBatch": 1, "Settle": 1}
        balance = await bench.ledger.balance()
        assert (balance.spent_micros, balance.held_micros) == (3, 0)


async def test_without_credit_no_upstream_is_called(redis_url: str) -> None:
    async with running(redis_url, whole(ANSWER), micros=99) as bench:
        fault = await bench.refusal(max_tokens=100)
        assert fault.reason is Reason.CREDIT_EXHAUSTED
        assert bench.upstream.seen == []
        await bench.wait_settled()
        assert bench.calls() == {"HoldBatch": 1}
        assert [entry.kind for entry in await bench.ledger.usage()] == [1]  # the grant alone


async def test_an_unreachable_upstream_voids_the_hold(redis_url: str) -> None:
    async with running(redis_url, whole(ANSWER), micros=1_000) as bench:
        await bench.upstream.stop()
        assert (await bench.refusal()).reason is Reason.UPSTREAM_UNREACHABLE
        await bench.wait_settled()
        assert bench.calls() == {"HoldBatch": 1, "Void": 1}
        assert (await bench.ledger.balance()).remaining_micros == 1_000


async def test_a_stream_is_covered_slice_by_slice(redis_url: str) -> None:
    """A bound beyond the wallet streams all the same, and pays what it used."""
    pieces = [DELTA * 500] * 10
    async with running(redis_url, paced(START, *pieces, CLOSE), micros=10_000) as bench:
        answer = await bench.generate(max_tokens=50_000, is_stream=True)
        assert answer.endswith(CLOSE)
        await bench.wait_settled()
        calls = bench.calls()
        assert calls["HoldBatch"] == 1
        assert 1 <= calls["Progress"] <= 2
        assert (await bench.ledger.balance()).spent_micros == 7


async def test_a_wallet_that_runs_dry_ends_its_stream(redis_url: str) -> None:
    pieces = [DELTA * 500] * 40
    async with running(redis_url, paced(START, *pieces, CLOSE), micros=6_000) as bench:
        call = bench.call(max_tokens=50_000, is_stream=True)
        received, error = await read_to_error(call)
        assert fault_of(error).reason is Reason.CREDIT_EXHAUSTED
        await asyncio.wait_for(bench.upstream.gone.wait(), 2)
        frames = received.count(DELTA)
        assert 6_000 <= frames < 8_000
        await bench.wait_settled()
        balance = await bench.ledger.balance()
        assert (balance.spent_micros, balance.remaining_micros) == (6_000, 0)
        # What came beyond the last token paid for is the operator's, and it is told.
        assert balance.short_micros <= 2_000
        assert (await bench.refusal("req_2", 1)).reason is Reason.CREDIT_EXHAUSTED


async def test_a_whole_answer_needs_its_whole_bound(redis_url: str) -> None:
    async with running(redis_url, whole(ANSWER), micros=5_000) as bench:
        fault = await bench.refusal(max_tokens=50_000)
        assert fault.reason is Reason.CREDIT_EXHAUSTED
        assert bench.upstream.seen == []


async def test_near_the_limit_the_counter_is_asked(redis_url: str) -> None:
    """Here input costs: bytes say too much of it, the counter says it fits."""
    asked: list[str] = []

    async def count(order: Any) -> int:
        asked.append(order.request.request_id)
        return 20

    dear = Prices(Rates(input=1_000_000, output=1_000_000))
    async with running(redis_url, whole(ANSWER), micros=150, count=count) as bench:
        model = Model("claude-x", "X", (), prices=dear)
        bench.ledger.use(build_catalog([], [model], []))
        assert await bench.generate(max_tokens=100) == ANSWER
        assert asked == ["req_1"]
        await bench.wait_settled()
        assert (await bench.ledger.balance()).spent_micros == 8


async def test_a_caller_that_leaves_while_the_upstream_is_silent_pays_an_estimate(
    redis_url: str,
) -> None:
    async with running(redis_url, silence(), micros=1_000) as bench:
        call = bench.call()
        await asyncio.wait_for(bench.upstream.asked.wait(), 2)
        assert (await bench.ledger.balance()).held_micros == 100
        call.cancel()
        await asyncio.wait_for(bench.upstream.gone.wait(), 2)
        await asyncio.sleep(0.1)
        await bench.wait_settled()
        assert (await bench.ledger.balance()).held_micros == 0
        settled, _grant = await bench.ledger.usage()
        assert settled.usage.estimated


async def test_a_hold_made_again_as_its_request_ends_is_left_to_the_settlement(
    redis_url: str,
) -> None:
    """The store forgot the hold; a void that overtook the settlement would be the last word."""
    async with running(redis_url, silence(), micros=1_000) as bench:
        money, arrived = bench.ledger.relay, asyncio.Event()
        make_hold, settle = money.HoldBatch, money.Settle
        call = bench.call()
        await asyncio.wait_for(bench.upstream.asked.wait(), 2)
        [hold] = bench.holds._open

        async def hold_as_the_caller_leaves(request: Any, timeout: float) -> Any:  # noqa: ASYNC109
            answer = await make_hold(request, timeout=timeout)
            call.cancel()
            await asyncio.wait_for(bench.upstream.gone.wait(), 2)
            while bench.holds._open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return answer

        async def settle_late(request: Any, timeout: float) -> Any:  # noqa: ASYNC109
            await arrived.wait()
            return await settle(request, timeout=timeout)

        money.HoldBatch, money.Settle = hold_as_the_caller_leaves, settle_late
        await bench.holds._take(hold, ledger_pb2.HoldStatus(state=ledger_pb2.HOLD_STATE_MISSING))
        await bench.holds.drain()
        arrived.set()
        await bench.wait_settled()
        assert bench.calls() == {"HoldBatch": 2, "Settle": 1}
        settled, _grant = await bench.ledger.usage()
        assert settled.kind == ledger_pb2.ENTRY_KIND_SETTLE
        assert (await bench.ledger.balance()).held_micros == 0


async def test_two_hundred_at_once_run_as_far_as_the_pack_goes(redis_url: str) -> None:
    async with running(redis_url, whole(ANSWER), micros=150) as bench:
        # Three tokens are held and three are used: the pack is worth fifty requests.
        results = await asyncio.gather(
            *(bench.generate(f"req_{n}", 3) for n in range(200)), return_exceptions=True
        )
        served = sum(result == ANSWER for result in results)
        # On a busy machine a hold may be given back after all others were refused.
        while (await bench.ledger.balance()).remaining_micros >= 3:
            served += await bench.generate(f"req_{served + 200}", 3) == ANSWER
        assert served == len(bench.upstream.seen) == 50
        await bench.wait_settled()
        balance = await bench.ledger.balance()
        assert (balance.spent_micros, balance.held_micros, balance.short_micros) == (150, 0, 0)
        assert bench.calls()["HoldBatch"] < 200  # those of a moment travel together


async def read_to_error(call: Any) -> tuple[bytes, grpc.aio.AioRpcError]:
    """What a stream gave, and the error it ended with."""
    received = b""
    try:
        async for message in call:
            received += message.chunk
    except grpc.aio.AioRpcError as error:
        return received, error
    raise AssertionError("the stream ended well")


def paced(*pieces: bytes) -> Move:
    """An event stream with time between its pieces, so that answers of the ledger can act."""

    async def move(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.03)
        return response

    return move
