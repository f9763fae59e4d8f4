"""What a count costs a wallet, by the edge's charge and the ledger itself, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc.aio
import pytest

from edge.count_charge import CountCharge
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from runtime.catalog import Catalog
from runtime.faults import Reason, ServiceFault
from runtime.prices import COUNTING
from tests.contract.ledger_bench import CATALOG, Ledger, serving
from tests.ports import free_port

PRICE = 7
PRICED = replace(CATALOG, count_price=PRICE)
POLICY = auth_pb2.Policy(account_id="acc_1", key_id="key_1", product=auth_pb2.PRODUCT_CREDITS)


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    async with serving(redis_url, PRICED) as ledger:
        yield ledger
        assert await ledger.differences() == []


def charge_of(ledger: Ledger, catalog: Catalog = PRICED) -> CountCharge:
    return CountCharge(ledger.relay, lambda: catalog)


async def spent(ledger: Ledger) -> tuple[int, int]:
    """(micros spent, micros held)."""
    balance = await ledger.balance()
    return balance.spent_micros, balance.held_micros


async def test_a_count_costs_its_price_once_it_is_made(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    async with charge_of(ledger).paid(POLICY, "r1"):
        assert await spent(ledger) == (0, PRICE)
    assert await spent(ledger) == (PRICE, 0)
    (entry,) = [entry for entry in await ledger.usage() if entry.request_id]
    assert (entry.model, entry.key_id, entry.spent_micros) == (COUNTING, "key_1", PRICE)


async def test_a_count_that_fails_costs_nothing(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    with pytest.raises(ServiceFault):
        async with charge_of(ledger).paid(POLICY, "r1"):
            raise ServiceFault(Reason.OVERLOADED, "busy")
    assert await spent(ledger) == (0, 0)


async def test_an_empty_wallet_makes_no_count(ledger: Ledger) -> None:
    await ledger.open_account(micros=PRICE + 1)
    charge = charge_of(ledger)
    async with charge.paid(POLICY, "r1"):
        pass
    with pytest.raises(ServiceFault) as caught:
        async with charge.paid(POLICY, "r2"):
            raise AssertionError("counted without credit")
    assert caught.value.reason is Reason.CREDIT_EXHAUSTED
    assert await spent(ledger) == (PRICE, 0)


@pytest.mark.parametrize(
    ("policy", "catalog"),
    [
        (POLICY, CATALOG),
        (auth_pb2.Policy(account_id="acc_1", product=auth_pb2.PRODUCT_API), PRICED),
    ],
    ids=["no price", "no wallet"],
)
async def test_where_nothing_is_due_the_ledger_is_not_asked(
    policy: auth_pb2.Policy, catalog: Catalog
) -> None:
    async with CountCharge(None, lambda: catalog).paid(policy, "r1"):
        pass


async def test_without_the_ledger_nothing_is_counted() -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}") as channel:
        ledger: Any = ledger_pb2_grpc.LedgerServiceStub(channel)
        with pytest.raises(ServiceFault) as caught:
            async with CountCharge(ledger, lambda: PRICED).paid(POLICY, "r1"):
                raise AssertionError("counted without a ledger")
    assert caught.value.reason in (Reason.OVERLOADED, Reason.INTERNAL)
