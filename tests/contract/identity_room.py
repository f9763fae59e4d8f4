"""The auth process as an edge and an operator see it: real services, a real channel and store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.identity.v1 import identity_pb2, identity_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from gatebeyz.status.v1 import status_pb2_grpc
from runtime.catalog import Catalog
from runtime.channels import SERVICE_TOKEN_KEY
from runtime.config import SecretText
from runtime.faults import ServiceFault, fault_of
from runtime.interceptors import FaultInterceptor
from services.auth.ledger.room import LedgerRoom
from services.auth.management import add_management
from services.auth.member_gate import SESSION_KEY
from services.auth.member_password import Passwords
from services.auth.member_room import MemberRoom
from services.auth.oidc_sign_in import NO_OFFER, Offer
from services.auth.operator import OperatorGate
from services.auth.store import Store

OPERATOR = "operator-token-of-the-tests"
SERVICE = "service-token-of-the-tests"
PASSWORD = "correct horse battery staple"
API, CREDITS, OPERATORS = (
    identity_pb2.REALM_API,
    identity_pb2.REALM_CREDITS,
    identity_pb2.REALM_OPERATORS,
)
AS_OPERATOR = (("authorization", f"Bearer {OPERATOR}"),)
AS_EDGE = ((SERVICE_TOKEN_KEY, SERVICE),)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass
class Room:
    """The auth process as an edge and an operator see it."""

    identity: Any
    members: Any
    accounts: Any
    keys: Any
    credit: Any
    audit: Any
    status: Any
    reports: Any
    clock: Clock
    store: Store


@asynccontextmanager
async def serving(url: str, offer: Offer = NO_OFFER) -> AsyncIterator[Room]:
    store, gate, clock = Store(url), OperatorGate(SecretText(OPERATOR)), Clock()
    passwords = Passwords(time_cost=1, memory_kib=64)
    members = MemberRoom(store, gate, SecretText(SERVICE), passwords, clock, offer)
    server = grpc.aio.server(interceptors=[FaultInterceptor(), *members.interceptors])
    add_management(server, store, gate, SecretText("pepper-of-the-tests"), Catalog)
    ledger = SimpleNamespace(store_replicas=0, hold_s=30.0)
    LedgerRoom(store, Catalog, gate, ledger).attach(server)
    members.attach(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Room(
            identity_pb2_grpc.IdentityServiceStub(channel),
            identity_pb2_grpc.MemberServiceStub(channel),
            auth_pb2_grpc.AccountServiceStub(channel),
            auth_pb2_grpc.KeyServiceStub(channel),
            ledger_pb2_grpc.CreditServiceStub(channel),
            auth_pb2_grpc.AuditServiceStub(channel),
            status_pb2_grpc.StatusServiceStub(channel),
            status_pb2_grpc.ReportServiceStub(channel),
            clock,
            store,
        )
    await server.stop(0.1)
    await members.close()


async def refused(call: Any) -> ServiceFault:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return fault_of(raised.value)


async def create_account(room: Room, product: int = auth_pb2.PRODUCT_API) -> str:
    request = auth_pb2.CreateAccountRequest(name="Ada", product=auth_pb2.Product.ValueType(product))
    answer = await room.accounts.CreateAccount(request, metadata=AS_OPERATOR)
    return str(answer.account.account_id)


async def create_link(
    room: Room, account_id: str, email: str, realm: int = API, kind: int = 1
) -> str:
    request = identity_pb2.CreateLinkRequest(
        realm=realm,
        email=email,
        account_id=account_id,
        kind=kind,  # type: ignore[arg-type]
    )
    answer = await room.members.CreateLink(request, metadata=AS_OPERATOR)
    return str(answer.link_token)


async def use_link(room: Room, token: str, realm: int = API, password: str = PASSWORD) -> Any:
    request = identity_pb2.UseLinkRequest(
        link_token=token,
        realm=realm,
        new_password=password,  # type: ignore[arg-type]
    )
    return await room.identity.UseLink(request, metadata=AS_EDGE)


async def invite(room: Room, account_id: str, email: str, realm: int = API) -> str:
    """A member with a password; the token of its first session."""
    token = await create_link(room, account_id, email, realm)
    return str((await use_link(room, token, realm)).session_token)


def sign_in(
    room: Room, email: str, password: str = PASSWORD, realm: int = API, visitor: str = "192.0.2.1"
) -> Any:
    request = identity_pb2.SignInRequest(
        realm=realm,
        email=email,
        password=password,
        client_address=visitor,  # type: ignore[arg-type]
    )
    return room.identity.SignIn(request, metadata=AS_EDGE)


def check(room: Room, token: str, realm: int = API) -> Any:
    request = identity_pb2.CheckSessionRequest(session_token=token, realm=realm)  # type: ignore[arg-type]
    return room.identity.CheckSession(request, metadata=AS_EDGE)


def with_session(token: str) -> tuple[tuple[str, str], ...]:
    return (*AS_EDGE, (SESSION_KEY, token))
