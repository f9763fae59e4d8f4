"""The ledger's two services over a real channel and a real store, for the tests that need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

import grpc.aio
import pytest

from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.catalog import Catalog, Model, Pack, build_catalog
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.interceptors import FaultInterceptor
from runtime.prices import Prices, Rates
from services.auth.account import Account, Product
from services.auth.audit import AuditEntry
from services.auth.ledger.room import LedgerRoom
from services.auth.operator import OperatorGate
from services.auth.store import Store
from tests.contract.auth_replica import CallCounter

T = TypeVar("T")

PATIENCE_S = 30.0
OPERATOR = "operator-token-of-the-tests"
METADATA = (("authorization", f"Bearer {OPERATOR}"),)
AUDIT = AuditEntry(actor="test", on_behalf_of="", action="test", account_id="acc_1")
STARTED_MS = 1_700_000_000_000
DAY = "2023-11-14"
# A token of output costs a dollar's millionth: figures in tests stay small and exact.
CATALOG = build_catalog(
    [],
    [
        Model("claude-x", "X", (), prices=Prices(Rates(input=1_000_000, output=1_000_000))),
        Model("free", "Free", ()),
    ],
    [],
    [Pack("starter", credit=1_000, valid_days=30)],
)


@dataclass
class Ledger:
    """Both sides of the ledger, as callers see them."""

    relay: ledger_pb2_grpc.LedgerServiceAsyncStub
    credit: ledger_pb2_grpc.CreditServiceAsyncStub
    room: LedgerRoom
    directory: Store
    calls: CallCounter
    held: list[Catalog]

    def use(self, catalog: Catalog) -> None:
        """Put another catalog in the place of the one that holds."""
        self.held[0] = catalog

    async def open_account(self, account_id: str = "acc_1", micros: int = 0) -> str:
        """A credits account with a pack of ``micros`` in its wallet."""
        account = Account(account_id=account_id, name="N", product=Product.CREDITS, plan="")
        await self.directory.put_account(account, AUDIT)
        if micros:
            await self.grant(account_id, "first", micros)
        return account_id

    async def grant(
        self, account_id: str, reference: str, micros: int = 0, **fields: Any
    ) -> ledger_pb2.GrantCreditsResponse:
        request = ledger_pb2.GrantCreditsRequest(
            account_id=account_id, payment_reference=reference, amount_micros=micros, **fields
        )
        return await self.credit.GrantCredits(request, metadata=METADATA)

    async def balance(self, account_id: str = "acc_1") -> ledger_pb2.Balance:
        request = ledger_pb2.GetBalanceRequest(account_id=account_id)
        return (await self.credit.GetBalance(request, metadata=METADATA)).balance

    async def hold(
        self,
        request_id: str,
        input_tokens: int = 0,
        output_tokens: int = 100,
        **fields: Any,
    ) -> ledger_pb2.HoldResponse:
        bound = ledger_pb2.Bound(input_tokens=input_tokens, output_tokens=output_tokens)
        return await self.relay.Hold(
            ledger_pb2.HoldRequest(
                **{"account_id": "acc_1", "key_id": "key_1", "model": "claude-x", **fields},
                request_id=request_id,
                bound=bound,
            )
        )

    async def progress(
        self, request_id: str, output_tokens: int, wanted: int = 0, **fields: Any
    ) -> ledger_pb2.HoldStatus:
        message = ledger_pb2.HoldProgress(
            **{"account_id": "acc_1", "key_id": "key_1", "model": "claude-x", **fields},
            request_id=request_id,
            usage=inference_pb2.Usage(output_tokens=output_tokens),
            wanted=ledger_pb2.Bound(output_tokens=wanted) if wanted else None,
        )
        response = await self.relay.Progress(ledger_pb2.ProgressRequest(holds=[message]))
        return response.holds[0]

    async def settle(self, *settlements: ledger_pb2.Settlement) -> int:
        request = ledger_pb2.SettleRequest(settlements=settlements)
        return (await self.relay.Settle(request)).recorded

    async def void(self, request_id: str) -> None:
        hold = ledger_pb2.VoidedHold(
            request_id=request_id, account_id="acc_1", key_id="key_1", model="claude-x"
        )
        await self.relay.Void(ledger_pb2.VoidRequest(holds=[hold]))

    async def usage(self, account_id: str = "acc_1", **fields: Any) -> list[ledger_pb2.Entry]:
        request = ledger_pb2.ListUsageRequest(account_id=account_id, **fields)
        stream = self.credit.ListUsage(request, metadata=METADATA)
        return [message.entry async for message in stream]

    async def rollups(self, account_id: str = "acc_1") -> list[ledger_pb2.Rollup]:
        request = ledger_pb2.ListRollupsRequest(account_id=account_id, first_day=DAY, last_day=DAY)
        return list((await self.credit.ListRollups(request, metadata=METADATA)).days)

    async def differences(self) -> list[tuple[str, str, int, int]]:
        """Everything the verification finds wrong."""
        return await insist(self._differences)

    async def _differences(self) -> list[tuple[str, str, int, int]]:
        stream = self.credit.VerifyLedger(ledger_pb2.VerifyLedgerRequest(), metadata=METADATA)
        return [
            (one.account_id, one.name, one.expected_micros, one.found_micros)
            async for report in stream
            for one in report.differences
        ]


def settlement(request_id: str, output: int = 10, **fields: Any) -> ledger_pb2.Settlement:
    """A prepaid request that used 5 tokens of input and ``output``: 5 + output micros."""
    estimated = bool(fields.pop("estimated", False))
    usage = inference_pb2.Usage(input_tokens=5, output_tokens=output, estimated=estimated)
    message = ledger_pb2.Settlement(
        **{
            "account_id": "acc_1",
            "key_id": "key_1",
            "model": "claude-x",
            "upstream": "demo",
            "upstream_model": "claude-x",
            "prepaid": True,
            **fields,
        },
        request_id=request_id,
        usage=usage,
        end=inference_pb2.END_COMPLETE,
        total_ms=12,
        attempts=1,
    )
    message.started_at.FromMilliseconds(STARTED_MS)
    return message


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked for again while the store is away: a busy machine may keep it so."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await call()
        except (grpc.aio.AioRpcError, ServiceFault) as error:
            fault = error if isinstance(error, ServiceFault) else fault_of(error)
            is_away = fault.reason in (Reason.STORE_AWAY, Reason.OVERLOADED)
            if not is_away or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.05)


async def refused(call: Any) -> ServiceFault:
    """The fault an RPC ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return fault_of(caught.value)


@asynccontextmanager
async def serving(
    url: str, catalog: Catalog = CATALOG, *, hold_s: float = 30.0
) -> AsyncIterator[Ledger]:
    """One auth process's ledger."""
    directory = Store(url)
    held = [catalog]
    gate = OperatorGate(SecretText(OPERATOR))
    room = LedgerRoom(
        directory, lambda: held[0], gate, SimpleNamespace(store_replicas=0, hold_s=hold_s)
    )
    calls = CallCounter()
    server = grpc.aio.server(interceptors=[calls, FaultInterceptor()])
    room.attach(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    following = asyncio.create_task(room.identity.follow())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Ledger(
            ledger_pb2_grpc.LedgerServiceStub(channel),
            ledger_pb2_grpc.CreditServiceStub(channel),
            room,
            directory,
            calls,
            held,
        )
    await server.stop(0.2)
    room.close()
    following.cancel()
    await asyncio.wait([following])
    await directory.close()
