"""What every gRPC process does: guard its callers, keep its secrets, say how it is, drain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from runtime.channels import open_channel
from runtime.config import SecretText
from runtime.faults import Reason, fault_of
from tests.ports import free_port

TOKEN = SecretText("a-service-token-0123456789")

# A process whose one RPC counts text in words; "crash" raises, "slow" takes a second.
PROCESS = """
import asyncio, sys
from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from runtime.config import ProcessConfig, SecretText
from runtime.faults import Reason, ServiceFault
from runtime.interceptors import ServiceTokenInterceptor
from runtime.logs import configure
from runtime.serving import Process, run, serve

class Words(counter_pb2_grpc.CounterServiceServicer):
    async def CountTokens(self, request, context):
        text = request.items[0].text
        if text == "die":
            dying.set()
        if text == "crash":
            raise RuntimeError("postgres://user:hunter2@10.0.0.1")
        if text == "refuse":
            raise ServiceFault(Reason.TOO_LARGE, "Too many words.", metadata={"param": "text"})
        yield counter_pb2.CountTokensResponse(count=counter_pb2.Count(tokens=1))
        if text == "slow":
            await asyncio.sleep(1)
        yield counter_pb2.CountTokensResponse(total=counter_pb2.Total(tokens=len(text.split())))

dying = asyncio.Event()

async def die():
    await dying.wait()
    raise RuntimeError("no more")

def attach(server):
    counter_pb2_grpc.add_CounterServiceServicer_to_server(Words(), server)

async def main():
    await serve(Process(
        name="words", config=ProcessConfig(), listen=sys.argv[1], drain_s=5,
        attach=attach, background=[die],
        service_names=["gatebeyz.counter.v1.CounterService"],
        interceptors=[ServiceTokenInterceptor(SecretText("a-service-token-0123456789"))],
    ))

configure("words")
run(main)
"""


@dataclass
class Words:
    """A running process and a channel to it."""

    process: asyncio.subprocess.Process
    target: str
    channel: grpc.aio.Channel

    async def count(self, text: str) -> list[counter_pb2.CountTokensResponse]:
        return [answer async for answer in self.call(text)]

    def call(self, text: str) -> grpc.aio.UnaryStreamCall:
        stub = counter_pb2_grpc.CounterServiceStub(self.channel)
        item = counter_pb2.CountItem(text=text)
        return stub.CountTokens(counter_pb2.CountTokensRequest(items=[item]), timeout=10)

    async def health(self) -> str:
        stub = health_pb2_grpc.HealthStub(self.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


@pytest.fixture
async def words() -> AsyncIterator[Words]:
    target = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, target, env={**os.environ}, stdout=asyncio.subprocess.PIPE
    )
    async with open_channel(target, TOKEN) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=20)
        yield Words(process, target, channel)
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_call_is_served_and_health_says_so(words: Words) -> None:
    answers = await words.count("three small words")

    assert answers[-1].total.tokens == 3
    assert await words.health() == "SERVING"


async def test_reflection_names_the_services(words: Words) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(words.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    await call.done_writing()

    names = {service.name for service in answer.list_services_response.service}
    assert "gatebeyz.counter.v1.CounterService" in names


@pytest.mark.parametrize("token", [None, SecretText("another-service-token-000")])
async def test_a_caller_without_the_token_is_refused(
    words: Words, token: SecretText | None
) -> None:
    async with open_channel(words.target, token) as channel:
        stub = counter_pb2_grpc.CounterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CountTokens(counter_pb2.CountTokensRequest(), timeout=5).read()

    assert fault_of(caught.value).reason is Reason.SERVICE_TOKEN_INVALID


async def test_a_fault_of_ours_arrives_whole(words: Words) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await words.count("refuse")

    fault = fault_of(caught.value)
    assert (fault.reason, fault.message) == (Reason.TOO_LARGE, "Too many words.")
    assert fault.metadata == {"param": "text"}


async def test_an_unknown_exception_keeps_its_text(words: Words) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await words.count("crash")

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(caught.value)
    assert fault_of(caught.value).reason is Reason.INTERNAL


async def test_garbage_on_the_wire_is_the_callers_fault(words: Words) -> None:
    call = words.channel.unary_stream("/gatebeyz.counter.v1.CounterService/CountTokens")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\xff\xff\xff\xff", timeout=5).read()

    assert "Traceback" not in str(caught.value.details())
    assert "RuntimeError" not in str(caught.value.details())


async def test_a_drain_lets_what_runs_finish_and_then_ends(words: Words) -> None:
    running = words.call("slow and steady")
    await running.read()
    words.process.send_signal(signal.SIGTERM)

    rest = [answer async for answer in running]
    output, _ = await asyncio.wait_for(words.process.communicate(), 10)

    assert rest[-1].total.tokens == 3
    assert words.process.returncode == 0
    assert [line for line in (b"draining", b"stopped") if line not in output] == []


async def test_a_background_task_that_dies_takes_the_process_with_it(words: Words) -> None:
    await words.count("die")
    output, _ = await asyncio.wait_for(words.process.communicate(), 10)

    assert words.process.returncode == 1
    assert b"background task died" in output
