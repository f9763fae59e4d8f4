"""The services a panel calls, in the name of whoever is signed in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2_grpc
from gatebeyz.identity.v1 import identity_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from gatebeyz.status.v1 import status_pb2_grpc
from runtime.faults import fault_of

TIMEOUT_S: Final = 5.0
STREAM_TIMEOUT_S: Final = 20.0
SESSION_KEY: Final = "x-gatebeyz-session"


@dataclass(frozen=True, slots=True)
class Clients:
    """Stubs on one channel, whose calls carry the service token. Calls raise ServiceFault."""

    identity: Any
    members: Any
    accounts: Any
    keys: Any
    audit: Any
    credit: Any
    status: Any

    async def call(self, method: Callable[..., Any], request: Any, token: str = "") -> Any:
        """One answer; ``token`` is the session's, where the call is made in its name."""
        try:
            return await method(request, metadata=_metadata(token), timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None

    async def stream(
        self, method: Callable[..., Any], request: Any, token: str
    ) -> AsyncIterator[Any]:
        """Every answer of a stream, which ends when no more of it is wanted."""
        call = method(request, metadata=_metadata(token), timeout=STREAM_TIMEOUT_S)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        finally:
            call.cancel()


def open_clients(channel: grpc.aio.Channel) -> Clients:
    """Every stub on the auth service's channel."""
    return Clients(
        identity_pb2_grpc.IdentityServiceStub(channel),
        identity_pb2_grpc.MemberServiceStub(channel),
        auth_pb2_grpc.AccountServiceStub(channel),
        auth_pb2_grpc.KeyServiceStub(channel),
        auth_pb2_grpc.AuditServiceStub(channel),
        ledger_pb2_grpc.CreditServiceStub(channel),
        status_pb2_grpc.StatusServiceStub(channel),
    )


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return ((SESSION_KEY, token),) if token else ()
