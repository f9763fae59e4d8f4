"""One auth process in this one, as its callers see it: real services, a real channel and store."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import pytest

from admission.credential import digest
from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.catalog import Catalog, Model, Plan, PlanLimits, Route, Upstream, build_catalog
from runtime.config import SecretText
from runtime.faults import ServiceFault, fault_of
from runtime.grants import Signer
from runtime.interceptors import FaultInterceptor
from services.auth.lease import LeaseRegistry
from services.auth.management import add_management
from services.auth.operator import OperatorGate
from services.auth.revocation import ChangeLog
from services.auth.service import AuthService
from services.auth.store import Store

PEPPER = "pepper-of-the-contract-tests"
OPERATOR = "operator-token-of-the-tests"
SIGNER = Signer({"k1": b"x" * 32})
MODELS = ("claude-a", "claude-b", "gpt-a")


def make_catalog(**plans: Plan) -> Catalog:
    """Three models at one upstream, one of them at another too, and the plans given."""
    upstreams = [
        Upstream("main", "anthropic_messages", "https://main.example"),
        Upstream("spare", "openai_chat", "https://spare.example/v1", thinking=False),
    ]
    models = [
        Model(name, name, (Route("main", "anthropic_messages", name),)) for name in MODELS[:2]
    ]
    models.append(Model("gpt-a", "gpt-a", (Route("spare", "openai_chat", "gpt-a"),)))
    known = {
        "pro": Plan("pro", limits=PlanLimits()),
        "small": Plan(
            "small",
            models=("claude-*",),
            thinking=False,
            limits=PlanLimits(8, 8_000, 800, 2),
            monthly_tokens=1_000,
        ),
        "packs": Plan("packs", product="credits"),
    }
    return build_catalog(upstreams, models, (known | plans).values())


@dataclass
class Replica:
    """One auth process, as its callers see it."""

    auth: auth_pb2_grpc.AuthServiceAsyncStub
    keys: auth_pb2_grpc.KeyServiceAsyncStub
    accounts: auth_pb2_grpc.AccountServiceAsyncStub
    audit: auth_pb2_grpc.AuditServiceAsyncStub
    channel: grpc.aio.Channel
    leases: LeaseRegistry
    store: Store
    log: ChangeLog
    calls: CallCounter
    catalog: Catalog = field(default_factory=make_catalog)

    def use(self, catalog: Catalog) -> None:
        """Put another catalog in the place of the one that holds, as its file would."""
        self.catalog = catalog
        self.leases.stir()


class CallCounter(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Counts RPCs by method name."""

    def __init__(self) -> None:
        self.by_method: collections.Counter[str] = collections.Counter()

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        self.by_method[details.method.rpartition("/")[2]] += 1
        return await continuation(details)


METADATA = (("authorization", f"Bearer {OPERATOR}"),)


@asynccontextmanager
async def serving(url: str, *, grace_s: float = 30.0) -> AsyncIterator[Replica]:
    catalog = make_catalog()
    store = Store(url)
    log = ChangeLog(store, grace_s=grace_s)
    leases = LeaseRegistry(store, log, SIGNER, lambda: replica.catalog, grace_s=grace_s)
    gate = OperatorGate(SecretText(OPERATOR))
    calls = CallCounter()
    server = grpc.aio.server(interceptors=[FaultInterceptor(), calls])
    auth_pb2_grpc.add_AuthServiceServicer_to_server(AuthService(store, leases, log), server)
    add_management(server, store, gate, SecretText(PEPPER), lambda: replica.catalog)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    follower = asyncio.create_task(log.follow())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        replica = Replica(
            auth_pb2_grpc.AuthServiceStub(channel),
            auth_pb2_grpc.KeyServiceStub(channel),
            auth_pb2_grpc.AccountServiceStub(channel),
            auth_pb2_grpc.AuditServiceStub(channel),
            channel,
            leases,
            store,
            log,
            calls,
            catalog,
        )
        yield replica
    leases.close()
    log.close()
    await server.stop(0.2)
    follower.cancel()
    await asyncio.gather(follower, return_exceptions=True)
    await store.close()


async def create_account(replica: Replica, **fields: object) -> auth_pb2.Account:
    request = auth_pb2.CreateAccountRequest(
        **{"name": "Ada", "product": auth_pb2.PRODUCT_API, "plan": "pro"} | fields  # type: ignore[arg-type]
    )
    answer = await replica.accounts.CreateAccount(request, metadata=METADATA)
    return answer.account


async def create_key(
    replica: Replica, account_id: str, **fields: Any
) -> auth_pb2.CreateKeyResponse:
    request = auth_pb2.CreateKeyRequest(account_id=account_id, **{"label": "laptop"} | fields)
    return await replica.keys.CreateKey(request, metadata=METADATA)


def open_lease(
    replica: Replica, secret: str, *, product: int = auth_pb2.PRODUCT_API, holder: str = "edge-1"
) -> grpc.aio.UnaryStreamCall[auth_pb2.LeaseRequest, auth_pb2.LeaseResponse]:
    return replica.auth.Lease(
        auth_pb2.LeaseRequest(
            key_digest=digest(secret, PEPPER.encode()),
            product=auth_pb2.Product.ValueType(product),
            holder_id=holder,
        )
    )


async def refused(call: object) -> ServiceFault:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (call.read() if hasattr(call, "read") else call)  # type: ignore[misc]
    return fault_of(raised.value)


async def until(holds: Callable[[], bool], limit_s: float) -> None:
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110 - what changes it knows of no event
            await asyncio.sleep(0.005)


async def read_until(call: object, kind: str, limit_s: float = 3.0) -> auth_pb2.LeaseResponse:
    async with asyncio.timeout(limit_s):
        while True:
            answer: auth_pb2.LeaseResponse = await call.read()  # type: ignore[attr-defined]
            if answer.WhichOneof("event") == kind:
                return answer
