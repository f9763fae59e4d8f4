"""A real counter process to call and to measure, and documents to count."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc.aio
import psutil

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from runtime.channels import open_channel
from runtime.config import SecretText
from tests.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[1]
TOKEN: Final = "a-token-of-the-tests-alone"
MODEL: Final = "gpt-4o"
START_LIMIT_S: Final = 60.0
BARE_COUNT: Final = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from splintr import Tokenizer
from tests.counter_process import documents
encode = Tokenizer.from_pretrained("o200k_base").encode_ordinary
texts = documents(100_000, 40)
for _ in range(5):
    for text in texts:
        len(encode(text))
"""
"""A program that counts without a gateway, on the core it is given."""


def documents(size: int, number: int) -> list[str]:
    """``number`` different texts of ``size`` characters: the standard library's own sources."""
    pieces: list[str] = []
    length, wanted = 0, size * number
    for path in sorted(Path(os.__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        pieces.append(text)
        length += len(text)
        if length >= wanted:
            break
    whole = "".join(pieces)
    return [whole[at : at + size] for at in range(0, wanted, size)]


class CounterProcess:
    """``python -m services.counter`` with ``workers``; ``settings`` are environment variables."""

    def __init__(self, workers: int = 1, **settings: str) -> None:
        port = free_port()
        self.target = f"127.0.0.1:{port}"
        environ = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}",
            "GATEBEYZ_SERVICE_TOKEN": TOKEN,
            "GATEBEYZ_COUNTER_LISTEN": self.target,
            "GATEBEYZ_COUNTER_WORKERS": str(workers),
            "GATEBEYZ_DRAIN_S": "5",
            **settings,
        }
        command = [sys.executable, "-m", "services.counter"]
        self._process = subprocess.Popen(
            command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        return _cpu_s([self._service(), *self.workers()])

    def workers_cpu_s(self) -> float:
        """The part of it that the counting processes took."""
        return _cpu_s(self.workers())

    def rss_mb(self) -> float:
        """Resident memory of the process and its workers."""
        processes = [self._service(), *self.workers()]
        return sum(process.memory_info().rss for process in processes) / 1e6

    def pin(self, core: int) -> None:
        """Leave it one core, as a replica in a cluster has."""
        for process in (self._service(), *self.workers()):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})

    def _service(self) -> psutil.Process:
        return psutil.Process(self._process.pid)

    def workers(self) -> list[psutil.Process]:
        """Its counting processes."""
        return self._service().children()

    def wait(self, limit_s: float) -> int:
        """Its exit code, once it ended by itself."""
        return self._process.wait(limit_s)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def counters(replicas: int, workers: int = 1) -> Iterator[list[CounterProcess]]:
    """Counter processes that are stopped at the end."""
    processes = [CounterProcess(workers) for _ in range(replicas)]
    try:
        yield processes
    finally:
        for process in processes:
            process.stop()


@contextlib.asynccontextmanager
async def connected(processes: Sequence[CounterProcess]) -> AsyncIterator[list[Any]]:
    """A stub for each process, once all of them count."""
    channels = [open_channel(process.target, SecretText(TOKEN)) for process in processes]
    try:
        stubs = [counter_pb2_grpc.CounterServiceStub(channel) for channel in channels]
        for stub in stubs:
            await _wait_counting(stub)
        yield stubs
    finally:
        for channel in channels:
            await channel.close()


async def _wait_counting(stub: Any) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            await count(stub, ["warm up"], wait_for_ready=True)
        except grpc.aio.AioRpcError:
            if time.monotonic() > deadline:
                raise
        else:
            return


async def count(stub: Any, texts: Sequence[str], model: str = MODEL, **options: Any) -> int:
    """The tokens of all ``texts``, counted by one call."""
    items = [counter_pb2.CountItem(model=model, text=text) for text in texts]
    total = 0
    async for answer in stub.CountTokens(counter_pb2.CountTokensRequest(items=items), **options):
        if answer.HasField("total"):
            total = answer.total.tokens
    return total
