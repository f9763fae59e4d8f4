"""The relay over real sockets: a gRPC caller before it, a scripted provider behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from dialects.anthropic_messages.tap import MessagesTap
from dialects.usage import Usage
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2
from runtime import tracing
from runtime.catalog import Catalog, Model, Route, Upstream, build_catalog
from runtime.channels import SERVER_OPTIONS, open_channel
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.grants import Grant, Signer
from runtime.interceptors import FaultInterceptor
from runtime.prices import Prices, Rates
from runtime.pseudonym import Pseudonyms
from services.relay.exchange import Dialer, Timeouts
from services.relay.hold import Holds
from services.relay.revocation import Registry, RevocationWatch
from services.relay.service import InferenceService, Parts
from services.relay.settlement import Outbox
from tests.doubles.upstream import ScriptedUpstream, hangup, silence, stream, whole

NOW = 1_800_000_000.0
TIMEOUTS = Timeouts()
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
INPUT_RATE = 3_000_000
CREDENTIAL = "upstream-secret-000000"

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":'
    b'{"input_tokens":11,"output_tokens":1}}}\n\n'
)
TEXT = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0}\n\n'
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","delta":{"text":"\xc3\xbc"}}\n\n'
)
CLOSE = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":7}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
ANSWER = b'{"id":"m","type":"message","usage":{"input_tokens":5,"output_tokens":3}}'
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
BODY = b'{ "model":"claude-x" ,"messages":[{"role":"user","content":"\\u00fc"}],"n":1.0}'


def usage_of(body: dict[str, Any]) -> Usage:
    usage = body.get("usage", {})
    return Usage(input=usage.get("input_tokens"), output=usage.get("output_tokens"))


DIALECT = SimpleNamespace(
    name="anthropic_messages",
    identity=lambda user: {"metadata": {"user_id": user}},
    tap=MessagesTap,
    usage_of=usage_of,
    peek=lambda body: SimpleNamespace(thinking="thinking" in body),
)


@dataclass
class Bench:
    """A relay that is served, its callers' stub, and what it settled."""

    stub: inference_pb2_grpc.InferenceServiceStub
    registry: Registry
    watch: RevocationWatch
    signer: Signer
    outbox: Outbox
    settled: asyncio.Queue[ledger_pb2.Settlement]

    def request(self, body: bytes = BODY, **fields: Any) -> inference_pb2.GenerateRequest:
        grant = fields.pop("grant", make_grant())
        return inference_pb2.GenerateRequest(
            grant=self.signer.sign(grant),
            dialect=inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
            body=body,
            model=fields.pop("model", "claude-x"),
            request_id="req_1",
            **fields,
        )

    async def generate(
        self, body: bytes = BODY, **fields: Any
    ) -> list[inference_pb2.GenerateResponse]:
        return [message async for message in self.stub.Generate(self.request(body, **fields))]

    async def refusal(self, body: bytes = BODY, **fields: Any) -> ServiceFault:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.generate(body, **fields)
        return fault_of(caught.value)

    async def wait_settled(self) -> ledger_pb2.Settlement:
        return await asyncio.wait_for(self.settled.get(), 2)


def make_grant(**changes: Any) -> Grant:
    fields: dict[str, Any] = {
        "account_id": "acc",
        "key_id": "key",
        "lease_id": "lease",
        "product": "api",
        "models": ("*",),
        "thinking": True,
        "upstreams": (),
        "expires_at": NOW + 30,
    }
    return Grant(**{**fields, **changes})


def make_catalog(*urls: str, **abilities: bool) -> Catalog:
    upstreams = [
        Upstream(
            name=f"up{place}",
            dialect="anthropic_messages",
            base_url=url,
            credential=SecretText(CREDENTIAL),
            allow_private=True,
            **{"count_tokens": True, **abilities},
        )
        for place, url in enumerate(urls, 1)
    ]
    routes = tuple(Route(up.name, up.dialect, f"{up.name}-model") for up in upstreams)
    return build_catalog(
        upstreams,
        [Model("claude-x", "Claude X", routes, prices=Prices(Rates(input=INPUT_RATE)))],
        [],
    )


@contextlib.asynccontextmanager
async def serving(catalog: Catalog, timeouts: Timeouts = TIMEOUTS) -> AsyncIterator[Bench]:
    settled: asyncio.Queue[ledger_pb2.Settlement] = asyncio.Queue()

    async def send(batch: Any) -> str:
        for settlement in batch:
            settled.put_nowait(settlement)
        return "store"

    registry, outbox, dialer = Registry(lambda: NOW), Outbox(send), Dialer(timeouts)
    watch = RevocationWatch(SimpleNamespace(), registry, now=lambda: 0.0)  # type: ignore[arg-type]
    signer = Signer({"k1": b"0" * 32})
    parts = Parts(
        lambda: catalog,
        {"anthropic_messages": DIALECT},  # type: ignore[dict-item]
        signer,
        Pseudonyms("a key of the tests"),
        dialer,
        registry,
        watch,
        Holds(SimpleNamespace()),  # type: ignore[arg-type]
        outbox,
        now=lambda: NOW,
    )
    server = grpc.aio.server(interceptors=(FaultInterceptor(),), options=SERVER_OPTIONS)
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(InferenceService(parts), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sending = asyncio.create_task(outbox.run())
    try:
        async with open_channel(f"127.0.0.1:{port}", None) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            yield Bench(stub, registry, watch, signer, outbox, settled)
    finally:
        await server.stop(0)
        sending.cancel()
        await asyncio.wait([sending])
        await dialer.close()


@contextlib.asynccontextmanager
async def scripted(*scripts: Any, timeouts: Timeouts = TIMEOUTS, **abilities: bool) -> Any:
    """A relay before one upstream per script (a move, or a list of moves)."""
    upstreams = [
        ScriptedUpstream(*(script if isinstance(script, list) else [script])) for script in scripts
    ]
    urls = [await upstream.start() for upstream in upstreams]
    try:
        async with serving(make_catalog(*urls, **abilities), timeouts) as bench:
            yield bench, *upstreams
    finally:
        for upstream in upstreams:
            await upstream.stop()


def text_of(messages: list[inference_pb2.GenerateResponse]) -> bytes:
    return b"".join(message.chunk for message in messages)


async def test_a_small_answer_is_one_message() -> None:
    async with scripted(whole(ANSWER, retry_after="3", set_cookie="x=1")) as (bench, _):
        (message,) = await bench.generate()
        assert message.head.status == 200
        assert dict(message.head.headers) == {
            "content-type": "application/json",
            "retry-after": "3",
        }
        assert message.head.upstream_request_id == "up_1"
        assert (message.head.upstream, message.head.upstream_model) == ("up1", "up1-model")
        assert message.chunk == ANSWER
        assert message.complete
        assert message.outcome.end == inference_pb2.END_COMPLETE
        assert message.outcome.usage.input_tokens == 5
        settlement = await bench.wait_settled()
        assert (settlement.request_id, settlement.key_id) == ("req_1", "key")
        assert settlement.usage.output_tokens == 3
        assert not settlement.usage.estimated
        assert settlement.started_at.seconds > 0


async def test_the_upstream_sees_the_body_but_for_the_model_and_few_headers() -> None:
    headers = {"anthropic-beta": "b1", "x-api-key": "sk-gb-theirs", "cookie": "c"}
    async with scripted(whole(ANSWER)) as (bench, upstream):
        await bench.generate(headers=headers, traceparent=TRACEPARENT)
        (seen,) = upstream.seen
        assert seen.path == "/v1/messages"
        assert seen.body == BODY.replace(b"claude-x", b"up1-model")
        assert seen.headers["x-api-key"] == CREDENTIAL
        assert seen.headers["anthropic-beta"] == "b1"
        assert seen.headers["traceparent"] == TRACEPARENT
        assert set(seen.headers) == {
            "host", "accept", "accept-encoding", "anthropic-beta", "anthropic-version",
            "content-length", "content-type", "traceparent", "user-agent", "x-api-key",
        }  # fmt: skip


async def test_the_callers_tracestate_goes_along_with_its_context() -> None:
    span = tracing.start_span("caller", tracing.Kind.SERVER, TRACEPARENT)
    tracing.enter(span, "vendor=1,other=t61rcWkgMzE")
    async with scripted([whole(ANSWER), whole(ANSWER)]) as (bench, upstream):
        await bench.generate()
        tracing.enter(span)
        await bench.generate()

    with_state, without = upstream.seen
    assert with_state.headers["traceparent"] == without.headers["traceparent"] == TRACEPARENT
    assert with_state.headers["tracestate"] == "vendor=1,other=t61rcWkgMzE"
    assert "tracestate" not in without.headers


async def test_a_stream_passes_byte_for_byte() -> None:
    data = START + TEXT + CLOSE
    pieces = [data[at : at + 7] for at in range(0, len(data), 7)]
    async with scripted(stream(*pieces)) as (bench, _):
        messages = await bench.generate(stream=True)
        assert text_of(messages) == data
        assert messages[0].head.status == 200
        assert messages[0].chunk
        assert messages[-1].outcome.end == inference_pb2.END_COMPLETE
        assert messages[-1].outcome.usage.input_tokens == 11
        assert messages[-1].outcome.usage.output_tokens == 7


@pytest.mark.parametrize("cut", [True, False])
async def test_a_stream_without_its_terminal_event_is_truncated(cut: bool) -> None:
    async with scripted(stream(START, TEXT, cut=cut)) as (bench, _):
        messages = await bench.generate(stream=True)
        assert text_of(messages) == START + TEXT
        outcome = messages[-1].outcome
        assert outcome.end == inference_pb2.END_TRUNCATED
        assert outcome.usage.estimated
        assert outcome.usage.input_tokens == 11


@pytest.mark.parametrize(
    "first",
    [
        whole(b"{}", 429),
        whole(OVERLOADED, 529),
        whole(b"oops", 500),
        whole(b"{}", 401),
        whole(b"{}", 302, location="http://127.0.0.1:1/"),
        hangup(),
        stream(b"event: error\ndata: " + OVERLOADED + b"\n\n"),
    ],
)
async def test_the_next_route_answers_before_the_first_byte(first: Any) -> None:
    async with scripted(first, whole(ANSWER)) as (bench, _, two):
        messages = await bench.generate(stream=True)
        assert text_of(messages) == ANSWER
        assert messages[0].head.upstream == "up2"
        assert len(messages[-1].outcome.attempts) == 2
        assert two.seen[0].body == BODY.replace(b"claude-x", b"up2-model")
        settlement = await bench.wait_settled()
        assert (settlement.upstream, settlement.attempts) == ("up2", 2)


async def test_a_stream_that_told_its_total_costs_no_more_than_that() -> None:
    """Events are counted as tokens only where the upstream said nothing of the whole."""
    told = CLOSE.split(b"event: message_stop")[0].replace(
        b'"output_tokens":7', b'"output_tokens":1'
    )
    async with scripted(stream(START, TEXT, told, cut=True)) as (bench, _):
        await bench.generate(stream=True)
        usage = (await bench.wait_settled()).usage
    assert usage.estimated
    assert (usage.input_tokens, usage.output_tokens) == (11, 1)


async def test_no_route_is_tried_after_the_first_byte() -> None:
    async with scripted(stream(START, TEXT, cut=True), whole(ANSWER)) as (bench, _, two):
        messages = await bench.generate(stream=True)
        assert messages[-1].outcome.end == inference_pb2.END_TRUNCATED
        assert not two.seen


async def test_an_upstreams_error_is_data() -> None:
    async with scripted(whole(OVERLOADED, 529, x_should_retry="true")) as (bench, _):
        (message,) = await bench.generate()
        assert (message.head.status, message.chunk) == (529, OVERLOADED)
        assert message.head.headers["x-should-retry"] == "true"
        assert message.outcome.end == inference_pb2.END_UPSTREAM_ERROR


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_credential_is_our_fault(status: int) -> None:
    async with scripted(whole(b'{"error":"bad key"}', status)) as (bench, _):
        fault = await bench.refusal()
        assert fault.reason is Reason.UPSTREAM_CREDENTIAL
        assert CREDENTIAL not in fault.message


async def test_nobody_listens() -> None:
    async with serving(make_catalog("http://127.0.0.1:9")) as bench:
        fault = await bench.refusal()
        assert fault.reason is Reason.UPSTREAM_UNREACHABLE
        assert not len(bench.outbox)
        assert bench.settled.empty()


async def test_a_silent_upstream_is_not_waited_for_and_not_paid_twice() -> None:
    timeouts = Timeouts(first_byte_s=0.05, first_byte_whole_s=0.05)
    async with scripted(silence(), whole(ANSWER), timeouts=timeouts) as (bench, _, two):
        fault = await bench.refusal()
        assert fault.reason is Reason.UPSTREAM_TIMEOUT
        assert not two.seen
        assert (await bench.wait_settled()).end == inference_pb2.END_UPSTREAM_ERROR


@pytest.mark.parametrize("timeouts", [Timeouts(idle_s=0.05), Timeouts(total_s=0.05)])
@pytest.mark.parametrize("pieces", [(START,), (START, TEXT, TEXT, TEXT)])
async def test_a_stream_that_falls_silent_or_lasts_too_long_ends_in_a_timeout(
    timeouts: Timeouts, pieces: tuple[bytes, ...]
) -> None:
    async with scripted(stream(*pieces, hang=True), timeouts=timeouts) as (bench, _):
        fault = await bench.refusal(stream=True)
        assert fault.reason is Reason.UPSTREAM_TIMEOUT


async def test_a_caller_that_leaves_closes_the_upstream() -> None:
    async with scripted(stream(START, hang=True)) as (bench, upstream):
        call = bench.stub.Generate(bench.request(stream=True))
        assert (await call.read()).chunk == START
        call.cancel()
        async with asyncio.timeout(1):
            await upstream.gone.wait()
        settlement = await bench.wait_settled()
        assert settlement.end == inference_pb2.END_CANCELLED
        assert len(bench.registry) == 0


async def test_a_caller_that_leaves_before_the_head_closes_the_upstream() -> None:
    async with scripted(silence()) as (bench, upstream):
        call = bench.stub.Generate(bench.request(stream=True))
        await asyncio.wait_for(upstream.asked.wait(), 2)
        call.cancel()
        async with asyncio.timeout(1):
            await upstream.gone.wait()
        settlement = await bench.wait_settled()
        assert settlement.end == inference_pb2.END_CANCELLED
        assert settlement.usage.estimated
        assert len(bench.registry) == 0


async def test_a_caller_that_leaves_at_the_terminal_event_has_a_whole_answer() -> None:
    async with scripted(stream(START, TEXT, CLOSE, hang=True)) as (bench, _):
        call = bench.stub.Generate(bench.request(stream=True))
        received = b""
        while not received.endswith(CLOSE):
            received += (await call.read()).chunk
        call.cancel()
        settlement = await bench.wait_settled()
        assert settlement.end == inference_pb2.END_COMPLETE
        assert settlement.usage.output_tokens == 7
        assert not settlement.usage.estimated


async def test_a_caller_that_does_not_read_and_leaves_closes_the_upstream() -> None:
    flood = [b": " + b"x" * 65_536 + b"\n\n"] * 400
    async with scripted(stream(START, *flood, hang=True)) as (bench, upstream):
        call = bench.stub.Generate(bench.request(stream=True))
        await call.read()
        await asyncio.sleep(0.2)
        call.cancel()
        async with asyncio.timeout(1):
            await upstream.gone.wait()
        assert (await bench.wait_settled()).end == inference_pb2.END_CANCELLED


@pytest.mark.parametrize("names", [{"key_id": "key"}, {"account_id": "acc"}])
async def test_a_revocation_ends_a_running_stream(names: dict[str, str]) -> None:
    async with scripted(stream(START, hang=True)) as (bench, upstream):
        call = bench.stub.Generate(bench.request(stream=True))
        assert (await call.read()).chunk == START
        revocation = auth_pb2.Revocation(reason="KEY_REVOKED", **names)
        bench.watch.take(auth_pb2.WatchRevocationsResponse(revocation=revocation, sequence="1"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert fault_of(caught.value).reason is Reason.REVOKED
        async with asyncio.timeout(1):
            await upstream.gone.wait()
        assert (await bench.wait_settled()).end == inference_pb2.END_REVOKED
        assert (await bench.refusal()).reason is Reason.REVOKED


async def test_a_revocation_ends_a_wait_for_the_head() -> None:
    async with scripted(silence()) as (bench, upstream):
        call = bench.stub.Generate(bench.request(stream=True))
        reading = asyncio.create_task(call.read())
        await asyncio.wait_for(upstream.asked.wait(), 2)
        bench.registry.revoke("key", "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reading
        assert fault_of(caught.value).reason is Reason.REVOKED


async def test_counting_asks_the_counting_path_and_settles_nothing() -> None:
    async with scripted(whole(b'{"input_tokens":9}')) as (bench, upstream):
        operation = inference_pb2.OPERATION_COUNT_TOKENS
        (message,) = await bench.generate(operation=operation)
        assert message.chunk == b'{"input_tokens":9}'
        assert upstream.seen[0].path == "/v1/messages/count_tokens"
        await bench.outbox.drain(1)
        assert bench.settled.empty()


async def test_a_large_body_goes_out_whole() -> None:
    content = json.dumps("ü" * 1_500_000).encode()
    body = b'{"messages":' + content + b',"model":"claude-x"}'
    async with scripted(whole(ANSWER)) as (bench, upstream):
        await bench.generate(body)
        assert upstream.seen[0].body == body.replace(b"claude-x", b"up1-model")


async def test_a_large_answer_leaves_in_pieces() -> None:
    data = json.dumps({"text": "x" * 3_000_000, "usage": {"input_tokens": 2}}).encode()
    async with scripted(whole(data)) as (bench, _):
        messages = await bench.generate()
        assert text_of(messages) == data
        assert len(messages) > 1
        assert messages[-1].outcome.end == inference_pb2.END_COMPLETE
        assert messages[-1].outcome.usage.input_tokens == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "nope"}, Reason.MODEL_UNKNOWN),
        ({"grant": make_grant(models=("gpt-*",))}, Reason.MODEL_NOT_ALLOWED),
        ({"grant": make_grant(upstreams=("other",))}, Reason.UNSUPPORTED_FEATURE),
        ({"grant": make_grant(expires_at=NOW - 1)}, Reason.GRANT_INVALID),
        ({"grant": make_grant(expires_at=NOW + 20)}, Reason.OVERLOADED),
        ({"routes": ["nope"]}, Reason.UNSUPPORTED_FEATURE),
        ({"body": b"[]"}, Reason.INVALID_REQUEST),
        ({"body": b'{"model":"a","model":"b"}'}, Reason.INVALID_REQUEST),
        (
            {"grant": make_grant(thinking=False), "body": b'{"model":"claude-x","thinking":{}}'},
            Reason.THINKING_NOT_ALLOWED,
        ),
        ({"grant": make_grant(thinking=False), "body": b"{"}, Reason.INVALID_REQUEST),
    ],
)
async def test_refusals_dial_nothing(fields: dict[str, Any], reason: Reason) -> None:
    async with scripted(whole(ANSWER)) as (bench, upstream):
        assert (await bench.refusal(**fields)).reason is reason
        assert not upstream.seen


async def test_named_routes_are_tried_in_the_order_named() -> None:
    async with scripted(whole(ANSWER), whole(ANSWER)) as (bench, one, two):
        await bench.generate(routes=["up2/up2-model", "up1"])
        assert two.seen
        assert not one.seen
