"""AuthService: the holder's side, proto ↔ domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.faults import Reason, ServiceFault
from services.auth import wire
from services.auth.lease import Credentials, LeaseRegistry
from services.auth.revocation import ChangeLog
from services.auth.store import Store

DIGEST_LENGTH: Final = 32
MAX_HOLDER_LENGTH: Final = 128


class AuthService(auth_pb2_grpc.AuthServiceServicer):
    """Callers are our own processes; the serving interceptor has checked their token."""

    def __init__(self, store: Store, leases: LeaseRegistry, log: ChangeLog) -> None:
        self._store = store
        self._leases = leases
        self._log = log

    async def Lease(  # noqa: N802
        self, request: auth_pb2.LeaseRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[auth_pb2.LeaseResponse]:
        previous = request.previous_digest
        if len(request.key_digest) != DIGEST_LENGTH or len(previous) not in (0, DIGEST_LENGTH):
            raise ServiceFault(Reason.INVALID_REQUEST, "A key digest has 32 bytes.")
        if not 0 < len(request.holder_id) <= MAX_HOLDER_LENGTH:
            raise ServiceFault(Reason.INVALID_REQUEST, "Name the holder.")
        product = wire.parse_product(request.product)
        credentials = Credentials(request.key_digest, previous)
        events = self._leases.lease(credentials, product, request.holder_id)
        async for event in events:
            yield wire.render_lease_event(event)

    async def Draw(  # noqa: N802
        self, request: auth_pb2.DrawRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.DrawResponse:
        shares = await self._leases.draw(request.lease_id, wire.parse_draw(request))
        return wire.render_shares(shares)

    async def Release(  # noqa: N802
        self, request: auth_pb2.ReleaseRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ReleaseResponse:
        await self._leases.release(request.lease_id, wire.parse_limits(request.unused))
        return auth_pb2.ReleaseResponse()

    async def WatchRevocations(  # noqa: N802
        self, request: auth_pb2.WatchRevocationsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[auth_pb2.WatchRevocationsResponse]:
        async for change, sequence in self._log.watch(request.after):
            yield wire.render_watch(change, sequence)
