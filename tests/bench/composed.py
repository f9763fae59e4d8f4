"""Edge and relay in one process, no wire between them: what the hop costs is the rest.

``python -m tests.bench.composed``, with the settings of both. The real processes' own mains run on
one loop; a call goes straight into the relay's service, which sees what a link's call would be.
Nothing of this is in the product; it is there to be measured against.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import grpc
import grpc.aio

import edge.__main__ as edge_root
import services.relay.__main__ as relay_root
from edge.config import Config
from gatebeyz.inference.v1 import inference_pb2
from runtime.catalog_file import CatalogFile, open_catalog
from runtime.config import main_config
from runtime.faults import DETAILS_KEY
from runtime.interceptors import guard_call
from runtime.link.calling import LinkedInference
from runtime.link.serving import GENERATE
from runtime.logs import configure
from runtime.serving import run
from services.relay.config import RelayConfig
from services.relay.service import InferenceService

SERVICES: Final[list[Service]] = []


class Service(InferenceService):
    """The relay's, known to the edge of the same process."""

    def __init__(self, parts: Any) -> None:
        super().__init__(parts)
        SERVICES.append(self)


class Composed(LinkedInference):
    """Asks the relay of this process, once it is there."""

    def __init__(self, channel: Any, token: Any, peer: str, **options: Any) -> None:
        super().__init__(channel, token, peer, **options)
        self._is_relay = peer == "relay"

    def Generate(self, request: inference_pb2.GenerateRequest) -> Any:  # noqa: N802
        """A call with ``read`` and ``cancel``."""
        if not self._is_relay:
            return super().Generate(request)
        return LocalCall(guard_call(GENERATE, SERVICES[0].carry, is_told=True), request)

    async def probe(self) -> None:
        """What takes long is this loop, and that is known."""


class LocalCall:
    """One call, both ends of it."""

    def __init__(self, behaviour: Callable[..., Any], request: Any) -> None:
        self._answers: deque[inference_pb2.GenerateResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._status: tuple[grpc.StatusCode, str, bytes] | None = None
        self._callbacks: list[Callable[[Any], None]] = []
        self._task = asyncio.ensure_future(self._run(behaviour, request))

    async def read(self) -> Any:
        """The next answer, or EOF. AioRpcError."""
        while not self._answers:
            if self._status is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                continue
            code, message, details = self._status
            if code is grpc.StatusCode.OK:
                return grpc.aio.EOF
            metadata = grpc.aio.Metadata((DETAILS_KEY, details))
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, message)
        return self._answers.popleft()

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._task.cancel()

    is_full = False

    def tell(self, answer: inference_pb2.GenerateResponse) -> None:
        """As of a link's call."""
        self._answers.append(answer)
        self._wake()

    def pass_on(self, chunk: bytes) -> None:
        """As of a link's call."""
        self.tell(inference_pb2.GenerateResponse(chunk=chunk))

    def accept(self) -> None:
        """As of a link's call."""

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """As of a ServicerContext."""
        self._callbacks.append(callback)

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """As of a ServicerContext."""
        return ()

    async def abort(self, code: grpc.StatusCode, message: str, trailers: Any = ()) -> None:
        """As of a ServicerContext."""
        details = next((value for _, value in trailers if isinstance(value, bytes)), b"")
        self._status = (code, message, details)
        raise grpc.aio.AbortError

    async def _run(self, behaviour: Callable[..., Any], request: Any) -> None:
        try:
            await behaviour(request, self)
        except grpc.aio.AbortError:
            pass
        finally:
            for callback in self._callbacks:
                callback(self)
            self._status = self._status or (grpc.StatusCode.OK, "", b"")
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def main() -> None:
    """Both, until one of them ends."""
    vars(relay_root)["InferenceService"] = Service
    vars(edge_root)["LinkedInference"] = Composed
    vars(relay_root)["serve"].__globals__["observe"] = lambda *_: None
    configuration, of_relay = main_config(Config), main_config(RelayConfig)
    configure("edge", configuration.log_level)
    relay = asyncio.ensure_future(
        relay_root.main(of_relay, open_catalog(of_relay.catalog, os.environ))
    )
    await asyncio.sleep(0)  # the service is there before its first wait
    assert SERVICES
    try:
        await edge_root.main(configuration, CatalogFile(configuration.catalog, None))
    finally:
        await relay


if __name__ == "__main__":
    run(main)
