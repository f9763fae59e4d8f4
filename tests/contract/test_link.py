"""Generates that share a link, over real sockets: what a call must be, whichever way it goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from runtime import tracing
from runtime.channels import SERVER_OPTIONS, open_channel
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.interceptors import FaultInterceptor
from runtime.link import calling, serving, writer
from runtime.link.calling import LinkedInference
from runtime.link.serving import LinkedService

Generated = inference_pb2.GenerateResponse
Handler = Callable[[inference_pb2.GenerateRequest, Any], AsyncIterator[Generated]]


class Scripted(LinkedService):
    """Answers as the test says, and knows which way a call came."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.handler = handler
        self.by_link: list[bool] = []

    @property
    def paces(self) -> set[float]:
        """How long the middle of an answer may wait on each link."""
        return {link.writer.pace_s for link in self._links}

    async def Generate(self, request: Any, context: Any) -> AsyncIterator[Generated]:  # noqa: N802
        self.by_link.append(isinstance(context, serving.LinkedCall))
        async with contextlib.aclosing(self.handler(request, context)) as answers:  # type: ignore[type-var]
            async for answer in answers:
                yield answer


class Unlinked(inference_pb2_grpc.InferenceServiceServicer):
    """A replica of a release that knows no links."""

    async def Generate(self, request: Any, _context: Any) -> AsyncIterator[Generated]:  # noqa: N802
        async for answer in echo(request, _context):
            yield answer


async def echo(request: inference_pb2.GenerateRequest, context: Any) -> AsyncIterator[Generated]:
    await context.send_initial_metadata(())
    yield Generated(head=inference_pb2.Head(status=200), chunk=request.body)
    yield Generated(chunk=b"-more")
    outcome = inference_pb2.Outcome(usage=inference_pb2.Usage(output_tokens=7))
    yield Generated(outcome=outcome, complete=True)


@contextlib.asynccontextmanager
async def serving_at(servicer: Any) -> AsyncIterator[tuple[grpc.aio.Server, int]]:
    server = grpc.aio.server(interceptors=(FaultInterceptor(),), options=SERVER_OPTIONS)
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield server, port
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def linked(
    *ports: int, links: int = -1, pace_s: float = writer.PACE_S
) -> AsyncIterator[LinkedInference]:
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    channel = open_channel(target, None)
    inference = LinkedInference(channel, None, "replica", pace_s)
    inference.start()
    try:
        await until(lambda: len(inference.instances) >= (len(ports) if links < 0 else links))
        yield inference
    finally:
        await inference.close()
        await channel.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what is waited for happens in gRPC
            await asyncio.sleep(0.01)


async def read_all(call: Any) -> Generated:
    """All that a call gave, as one message."""
    whole, chunks = Generated(), []
    while (answer := await call.read()) is not grpc.aio.EOF:
        chunks.append(answer.chunk)
        whole.MergeFrom(answer)
    whole.chunk = b"".join(chunks)
    return whole


def ask(body: bytes = b"question") -> inference_pb2.GenerateRequest:
    return inference_pb2.GenerateRequest(body=body)


async def test_a_call_on_a_link_gives_what_an_rpc_of_its_own_gives() -> None:
    service = Scripted(echo)
    async with serving_at(service) as (_, port), linked(port) as inference:
        by_link = await read_all(inference.Generate(ask()))
        alone = await read_all(inference.stub.Generate(ask()))
    assert by_link == alone
    assert by_link.chunk == b"question-more"
    assert service.by_link == [True, False]


async def test_a_callers_trace_arrives_whichever_way_a_call_goes() -> None:
    heard: list[tuple[str, str]] = []

    async def listen(request: Any, context: Any) -> AsyncIterator[Generated]:
        heard.append((tracing.current(), tracing.state()))
        async for answer in echo(request, context):
            yield answer

    caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    service = Scripted(listen)
    async with serving_at(service) as (_, port), linked(port) as inference:
        tracing.enter(tracing.start_span("caller", tracing.Kind.SERVER, caller), "vendor=1")
        await read_all(inference.Generate(ask()))
        await read_all(inference.stub.Generate(ask()))

    assert service.by_link == [True, False]
    assert heard == [(caller, "vendor=1")] * 2


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async with serving_at(Scripted(echo)) as (_, port), linked(port) as inference:
        bodies = [f"question {number}".encode() * 100 for number in range(300)]
        answers = await asyncio.gather(
            *(read_all(inference.Generate(ask(body))) for body in bodies)
        )
    assert [answer.chunk for answer in answers] == [body + b"-more" for body in bodies]
    assert all(answer.outcome.usage.output_tokens == 7 for answer in answers)


async def test_a_fault_arrives_with_its_reason_and_what_its_reader_needs() -> None:
    async def refuse(_request: Any, _context: Any) -> AsyncIterator[Generated]:
        raise ServiceFault(
            Reason.RATE_LIMITED, "Too many.", metadata={"limit": "5"}, retry_after_s=2.5
        )
        yield

    async with serving_at(Scripted(refuse)) as (_, port), linked(port) as inference:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await inference.Generate(ask()).read()
    fault = fault_of(caught.value)
    assert (fault.reason, fault.message) == (Reason.RATE_LIMITED, "Too many.")
    assert (fault.metadata, fault.retry_after_s) == ({"limit": "5"}, 2.5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_fault_comes_after_the_chunks_that_went_before_it() -> None:
    async def break_off(_request: Any, _context: Any) -> AsyncIterator[Generated]:
        yield Generated(head=inference_pb2.Head(status=200), chunk=b"half")
        raise RuntimeError("the secret of the house")

    async with serving_at(Scripted(break_off)) as (_, port), linked(port) as inference:
        call = inference.Generate(ask())
        assert (await call.read()).chunk == b"half"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert fault_of(caught.value).reason is Reason.INTERNAL
    assert "secret" not in str(caught.value)


async def test_a_cancelled_call_ends_its_handler_and_no_other() -> None:
    ended = asyncio.Event()

    async def wait(request: Any, context: Any) -> AsyncIterator[Generated]:
        context.add_done_callback(lambda _: ended.set())
        yield Generated(chunk=b"begun")
        if request.body == b"wait":
            await asyncio.sleep(60)
        yield Generated(chunk=b"done")

    async with serving_at(Scripted(wait)) as (_, port), linked(port) as inference:
        call = inference.Generate(ask(b"wait"))
        assert (await call.read()).chunk == b"begun"
        reading = asyncio.ensure_future(call.read())
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(1):
            await ended.wait()
        assert (await read_all(inference.Generate(ask()))).chunk == b"begundone"


async def test_who_does_not_read_stops_its_own_handler_alone() -> None:
    sent = 0

    async def pour(request: Any, _context: Any) -> AsyncIterator[Generated]:
        nonlocal sent
        for _ in range(100):
            if request.body == b"unread":
                sent += 64 * 1024
            yield Generated(chunk=bytes(64 * 1024))

    async with serving_at(Scripted(pour)) as (_, port), linked(port) as inference:
        unread = inference.Generate(ask(b"unread"))
        whole = await read_all(inference.Generate(ask(b"read")))
        assert len(whole.chunk) == 6_553_600
        assert sent <= serving.WINDOW_BYTES + 64 * 1024
        assert len((await read_all(unread)).chunk) == 6_553_600


@pytest.mark.parametrize(
    ("asked_s", "kept_s"), [(0.0, 0.0), (0.008, 0.008), (60.0, writer.MAX_PACE_S)]
)
async def test_who_opens_a_link_says_how_long_an_answers_middle_may_wait(
    asked_s: float, kept_s: float
) -> None:
    service = Scripted(echo)
    async with serving_at(service) as (_, port), linked(port, pace_s=asked_s) as inference:
        assert (await read_all(inference.Generate(ask()))).chunk == b"question-more"
        assert service.paces == {kept_s}


async def test_a_large_body_goes_as_an_rpc_of_its_own() -> None:
    service = Scripted(echo)
    async with serving_at(service) as (_, port), linked(port) as inference:
        body = bytes(calling.BODY_BYTES + 1)
        assert (await read_all(inference.Generate(ask(body)))).chunk == body + b"-more"
    assert service.by_link == [False]


async def test_a_peer_without_links_is_called_as_before() -> None:
    async with serving_at(Unlinked()) as (_, port), linked(port, links=0) as inference:
        for _ in range(3):
            assert (await read_all(inference.Generate(ask()))).chunk == b"question-more"
            await asyncio.sleep(0.02)
        assert not inference.instances


async def test_a_broken_link_fails_what_was_begun_and_repeats_what_was_not() -> None:
    async def stall(request: Any, context: Any) -> AsyncIterator[Generated]:
        if request.body == b"begun":
            await context.send_initial_metadata(())
            yield Generated(chunk=b"some")
        await asyncio.sleep(60)

    async with (
        serving_at(Scripted(echo)) as (_, port),
        serving_at(Scripted(stall)) as (server, stalling),
        linked(stalling) as inference,
        open_channel(f"127.0.0.1:{port}", None) as other,
    ):
        begun, waiting = inference.Generate(ask(b"begun")), inference.Generate(ask(b"waits"))
        assert (await begun.read()).chunk == b"some"
        # Where a call that is repeated finds a replica.
        inference.stub.Generate = inference_pb2_grpc.InferenceServiceStub(other).Generate
        await server.stop(0)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await begun.read()
        assert fault_of(caught.value).reason is Reason.OVERLOADED
        assert (await read_all(waiting)).chunk == b"waits-more"


async def test_calls_are_shared_between_replicas_and_one_that_goes_away_gets_no_more() -> None:
    first, second = Scripted(echo), Scripted(echo)
    async with (
        serving_at(first) as (_, one),
        serving_at(second) as (_, two),
        linked(one, two) as inference,
    ):
        await asyncio.gather(*(read_all(inference.Generate(ask())) for _ in range(40)))
        assert len(first.by_link) == len(second.by_link) == 20
        first.go_away()
        await until(lambda: len(inference.instances) == 1)
        await asyncio.gather(*(read_all(inference.Generate(ask())) for _ in range(20)))
        assert len(first.by_link) == 20


async def test_a_replica_that_goes_away_ends_what_it_began() -> None:
    go_on = asyncio.Event()

    async def wait(_request: Any, _context: Any) -> AsyncIterator[Generated]:
        yield Generated(chunk=b"begun")
        await go_on.wait()
        yield Generated(chunk=b"-ended")

    service = Scripted(wait)
    async with serving_at(service) as (server, port), linked(port) as inference:
        call = inference.Generate(ask())
        assert (await call.read()).chunk == b"begun"
        service.go_away()
        stopping = asyncio.ensure_future(server.stop(10))
        await asyncio.sleep(0.05)
        go_on.set()
        assert (await read_all(call)).chunk == b"-ended"
        async with asyncio.timeout(5):
            await stopping


async def test_a_restarted_replica_gets_a_link_again() -> None:
    async with serving_at(Scripted(echo)) as (server, port), linked(port) as inference:
        before = inference.instances
        await server.stop(0)
        again = grpc.aio.server(options=SERVER_OPTIONS)
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(Scripted(echo), again)
        again.add_insecure_port(f"127.0.0.1:{port}")
        await again.start()
        await until(lambda: len(inference.instances - before) == 1)
        assert (await read_all(inference.Generate(ask()))).chunk == b"question-more"
        await again.stop(0)


@contextlib.asynccontextmanager
async def aged(
    monkeypatch: pytest.MonkeyPatch, handler: Handler
) -> AsyncIterator[tuple[Scripted, Any, Any]]:
    """A service, a call on a link that another one has replaced, and a call begun since."""
    service = Scripted(handler)
    monkeypatch.setattr(calling, "SEARCH_S", 0.05)
    async with serving_at(service) as (_, port), linked(port) as inference:
        call = inference.Generate(ask())
        assert (await call.read()).chunk == b"begun"
        monkeypatch.setattr(calling, "AGE_S", 0.0)
        another = inference.Generate(ask())
        await until(lambda: service.links > 1)
        await asyncio.sleep(0.2)  # the new link takes the old one's place
        monkeypatch.setattr(calling, "AGE_S", 60.0)
        yield service, call, another


async def test_an_old_link_is_replaced_and_ends_with_its_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()

    async def wait(_request: Any, _context: Any) -> AsyncIterator[Generated]:
        yield Generated(chunk=b"begun")
        await go_on.wait()
        yield Generated(chunk=b"-ended")

    async with aged(monkeypatch, wait) as (service, call, another):
        go_on.set()
        assert (await read_all(call)).chunk == b"-ended"
        assert (await read_all(another)).chunk == b"begun-ended"
        await until(lambda: service.links == 1)


async def test_an_old_link_ends_when_its_last_call_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stall(_request: Any, _context: Any) -> AsyncIterator[Generated]:
        yield Generated(chunk=b"begun")
        await asyncio.sleep(60)

    async with aged(monkeypatch, stall) as (service, call, another):
        call.cancel()
        another.cancel()
        await until(lambda: service.links == 1)


class Mute(Scripted):
    """A replica that does not come to answer a probe, though its ``hello`` said it would."""

    hello = True

    async def Link(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async with contextlib.aclosing(super().Link(requests, context)) as responses:  # type: ignore[type-var]
            async for response in responses:
                response.echoes = bool(response.instance) and self.hello
                yield response


class Unprobed(Mute):
    """A replica of a release that knows no probes."""

    hello = False


async def test_a_probe_waits_for_the_quickest_replica() -> None:
    async with (
        serving_at(Mute(echo)) as (_, mute),
        serving_at(Scripted(echo)) as (_, port),
        linked(mute, port) as inference,
    ):
        async with asyncio.timeout(5):
            for _ in range(3):
                await inference.probe()


async def test_a_probe_lasts_while_no_replica_comes_to_answer_and_no_longer_than_its_link() -> None:
    async with serving_at(Mute(echo)) as (server, port), linked(port) as inference:
        probe = asyncio.ensure_future(inference.probe())
        # What is asked later is answered earlier: the link itself works.
        await read_all(inference.Generate(ask()))
        assert not probe.done()
        await server.stop(0)
        async with asyncio.timeout(5):
            await probe


@pytest.mark.parametrize("replica", [Unprobed(echo), Unlinked()])
async def test_a_peer_that_knows_no_probes_is_not_busy(replica: Any) -> None:
    links = -1 if isinstance(replica, LinkedService) else 0
    async with serving_at(replica) as (_, port), linked(port, links=links) as inference:
        async with asyncio.timeout(1):
            await inference.probe()
