"""InferenceService as the relay serves it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from dialects.dialect import Dialect
from gatebeyz.inference.v1 import inference_pb2
from runtime.catalog import Catalog
from runtime.grants import Signer
from runtime.link.serving import LinkedCall, LinkedService
from runtime.pseudonym import Pseudonyms
from services.relay.exchange import Dialer
from services.relay.generation import Generation, message_of
from services.relay.health import Health
from services.relay.hold import Holds
from services.relay.order import check_order
from services.relay.revocation import Registry, RevocationWatch
from services.relay.settlement import Outbox


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service works with; ``catalog`` is asked once per request."""

    catalog: Callable[[], Catalog]
    dialects: Mapping[str, Dialect]
    signer: Signer
    pseudonyms: Pseudonyms
    dialer: Dialer
    registry: Registry
    watch: RevocationWatch
    holds: Holds
    outbox: Outbox
    now: Callable[[], float] = time.time
    health: Health = field(default_factory=Health)

    async def is_ready(self) -> bool:
        """Whether revocations are followed and settlements are safe."""
        return self.watch.is_fresh and self.outbox.is_healthy


class InferenceService(LinkedService):
    """Same dialect in and out: the upstream's bytes pass untouched."""

    tells_of_generates = True

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    async def Generate(  # noqa: N802 - the name is the proto's
        self, request: inference_pb2.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[inference_pb2.GenerateResponse]:
        """See inference.proto."""
        generation = self._begin(request, context)
        await context.send_initial_metadata(())
        async with contextlib.aclosing(generation.messages()) as pieces:
            async for piece in pieces:
                yield message_of(piece)

    async def carry(self, request: inference_pb2.GenerateRequest, call: LinkedCall) -> None:
        """The same for a link, a generator less."""
        generation = self._begin(request, call)
        call.accept()
        async with contextlib.aclosing(generation.messages()) as pieces:
            async for piece in pieces:
                if isinstance(piece, bytes):
                    call.pass_on(piece)
                else:
                    call.tell(piece)
                if call.is_full:
                    await call.room()

    def _begin(self, request: inference_pb2.GenerateRequest, context: Any) -> Generation:
        """The request, checked. From here on an upstream may be at work: say so."""
        parts = self._parts
        now = parts.now()
        grant = parts.signer.verify(request.grant, now)
        parts.watch.check_fresh(grant, now)
        catalog = parts.catalog()
        order = check_order(request, grant, catalog, parts.dialects, parts.pseudonyms)
        generation = Generation(
            order, catalog, parts.dialer, parts.registry, parts.holds, parts.outbox, parts.health
        )
        # The caller may leave while the generation sleeps in a yield: nothing would wake it.
        context.add_done_callback(lambda _: generation.close())
        return generation
