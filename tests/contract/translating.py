"""A translator in front of a relay in front of scripted providers, all on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from dialects.dialect import Dialect
from dialects.events import Event
from dialects.registry import DIALECTS
from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog, Model, Route, Upstream, build_catalog
from runtime.channels import SERVER_OPTIONS, open_channel
from runtime.config import SecretText
from runtime.faults import ServiceFault, fault_of
from runtime.grants import Grant, Signer
from runtime.interceptors import FaultInterceptor
from runtime.pseudonym import Pseudonyms
from services.relay.exchange import Dialer, Timeouts
from services.relay.hold import Holds
from services.relay.revocation import Registry, RevocationWatch
from services.relay.service import InferenceService as RelayService
from services.relay.service import Parts
from services.relay.settlement import Outbox
from services.translator.carriage import VALUES
from services.translator.estimate import InputEstimate
from services.translator.memory import Memory
from services.translator.service import InferenceService
from services.translator.service import Parts as TranslatorParts
from tests.doubles.upstream import Move, ScriptedUpstream

NOW = 1_800_000_000.0
MODEL = "demo-model"


class ScriptedCounter(counter_pb2_grpc.CounterServiceServicer):
    """Counts ``tokens`` after ``delay_s``; ``asked`` is set when it is asked."""

    def __init__(self, tokens: int | None = 77, delay_s: float = 0.0) -> None:
        self.tokens = tokens
        self.delay_s = delay_s
        self.asked = asyncio.Event()

    async def CountTokens(  # noqa: N802 - the name is the proto's
        self, request: counter_pb2.CountTokensRequest, context: Any
    ) -> AsyncIterator[counter_pb2.CountTokensResponse]:
        self.asked.set()
        await asyncio.sleep(self.delay_s)
        if self.tokens is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        count = counter_pb2.Count(tokens=self.tokens)
        yield counter_pb2.CountTokensResponse(count=count)


@dataclass(slots=True)
class Bench:
    """What a test needs of the running parts."""

    stub: inference_pb2_grpc.InferenceServiceStub
    signer: Signer
    counter: ScriptedCounter
    upstreams: list[ScriptedUpstream]
    relay: inference_pb2_grpc.InferenceServiceStub
    settled: list[ledger_pb2.Settlement] = field(default_factory=list)

    def request(
        self, dialect: str, body: dict[str, Any], **fields: Any
    ) -> inference_pb2.GenerateRequest:
        grant = Grant(
            account_id="acc",
            key_id="key",
            lease_id="lease",
            product="api",
            models=("*",),
            thinking=True,
            upstreams=(),
            expires_at=NOW + 30,
        )
        return inference_pb2.GenerateRequest(
            grant=self.signer.sign(grant),
            dialect=VALUES[dialect],
            body=json.dumps({"model": MODEL, **body}).encode(),
            stream=bool(body.get("stream")),
            model=MODEL,
            request_id="req_1",
            **fields,
        )

    async def ask(
        self, dialect: str, stream: bool = True, **more: Any
    ) -> list[inference_pb2.GenerateResponse]:
        """All messages for a short question of that dialect's client."""
        request = self.request(dialect, question(dialect, stream=stream, **more))
        return [message async for message in self.stub.Generate(request)]

    async def refusal(self, dialect: str, **more: Any) -> ServiceFault:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.ask(dialect, **more)
        return fault_of(caught.value)


def question(dialect: str, **more: Any) -> dict[str, Any]:
    """The smallest request of a dialect."""
    if dialect == "openai_responses":
        return {"input": "Say it.", "store": False, **more}
    body = {"messages": [{"role": "user", "content": "Say it."}], **more}
    return {"max_tokens": 500, **body} if dialect == "anthropic_messages" else body


def catalog_of(dialects: list[str], urls: list[str], model: str) -> Catalog:
    upstreams = [
        Upstream(
            name=f"up{place}",
            dialect=dialect,
            base_url=url + ("" if dialect == "anthropic_messages" else "/v1"),
            credential=SecretText("upstream-secret-000000"),
            allow_private=True,
        )
        for place, (dialect, url) in enumerate(zip(dialects, urls, strict=True), 1)
    ]
    routes = tuple(Route(up.name, up.dialect, model) for up in upstreams)
    return build_catalog(upstreams, [Model(MODEL, "Demo", routes)], [])


@contextlib.asynccontextmanager
async def translating(
    *scripts: tuple[str, Move],
    counter: ScriptedCounter | None = None,
    grace_s: float = 0.2,
    model: str = "some-model",
) -> AsyncIterator[Bench]:
    """``scripts``: one upstream each, by dialect and what it does; tried in that order."""
    upstreams = [ScriptedUpstream(move) for _, move in scripts]
    counter = counter or ScriptedCounter()
    async with contextlib.AsyncExitStack() as stack:
        urls = [await upstream.start() for upstream in upstreams]
        for upstream in upstreams:
            stack.push_async_callback(upstream.stop)
        catalog = catalog_of([dialect for dialect, _ in scripts], urls, model)
        signer, settled = Signer({"k1": b"0" * 32}), list[ledger_pb2.Settlement]()
        relay = await stack.enter_async_context(_relay(catalog, signer, settled))
        counting = await stack.enter_async_context(
            _served(counter_pb2_grpc.add_CounterServiceServicer_to_server, counter)
        )
        parts = TranslatorParts(
            catalog=lambda: catalog,
            relay=inference_pb2_grpc.InferenceServiceStub(relay),
            estimate=InputEstimate(counter_pb2_grpc.CounterServiceStub(counting), grace_s),
            signer=signer,
            memory=Memory({"k1": b"1" * 32}, Pseudonyms("pepper")),
            now=lambda: NOW,
        )
        translator = InferenceService(parts)
        channel = await stack.enter_async_context(
            _served(inference_pb2_grpc.add_InferenceServiceServicer_to_server, translator)
        )
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        yield Bench(stub, signer, counter, upstreams, parts.relay, settled)


@contextlib.asynccontextmanager
async def _relay(
    catalog: Catalog, signer: Signer, settled: list[ledger_pb2.Settlement]
) -> AsyncIterator[grpc.aio.Channel]:
    async def send(batch: Any) -> None:
        settled.extend(batch)

    registry, outbox, dialer = Registry(lambda: NOW), Outbox(send), Dialer(Timeouts())
    watch = RevocationWatch(SimpleNamespace(), registry, now=lambda: 0.0)  # type: ignore[arg-type]
    parts = Parts(
        catalog=lambda: catalog,
        dialects=DIALECTS,
        signer=signer,
        dialer=dialer,
        registry=registry,
        watch=watch,
        holds=Holds(SimpleNamespace()),  # type: ignore[arg-type]
        outbox=outbox,
        pseudonyms=Pseudonyms("pepper"),
        now=lambda: NOW,
    )
    sending = asyncio.create_task(outbox.run())
    try:
        async with _served(
            inference_pb2_grpc.add_InferenceServiceServicer_to_server, RelayService(parts)
        ) as channel:
            yield channel
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        await dialer.close()


@contextlib.asynccontextmanager
async def _served(attach: Any, servicer: Any) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=(FaultInterceptor(),), options=SERVER_OPTIONS)
    attach(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}", None) as channel:
            yield channel
    finally:
        await server.stop(0)


def text_of(messages: list[inference_pb2.GenerateResponse]) -> bytes:
    return b"".join(message.chunk for message in messages)


def written(dialect: Dialect, events: Iterator[Event] | list[Event], context: Any) -> bytes:
    """A provider's stream of these events."""
    writer = dialect.writer(context)
    return b"".join(map(writer.send, events))
