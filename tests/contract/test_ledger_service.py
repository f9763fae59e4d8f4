"""Holds, settlements, packs and proof over a real channel and a real store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.faults import Reason, ServiceFault, fault_of, read_fault
from services.auth.key import Key
from services.auth.ledger.reaper import Reaper
from services.auth.partition import partition
from tests.contract.conftest import StoreServer
from tests.contract.ledger_bench import (
    AUDIT,
    METADATA,
    Ledger,
    insist,
    refused,
    serving,
    settlement,
)


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    async with serving(redis_url) as ledger:
        yield ledger
        assert await ledger.differences() == []


async def test_a_hold_takes_the_worst_case_and_a_settlement_charges_what_was_used(
    ledger: Ledger,
) -> None:
    await ledger.open_account(micros=1_000)
    held = await ledger.hold("r1", input_tokens=50, output_tokens=200)
    assert (held.held_micros, held.output_tokens, held.remaining_micros) == (250, 200, 750)
    assert (await ledger.balance()).held_micros == 250

    assert await ledger.settle(settlement("r1", 95)) == 1
    balance = await ledger.balance()
    assert (balance.spent_micros, balance.held_micros, balance.remaining_micros) == (100, 0, 900)


async def test_a_hold_made_twice_is_one_hold(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    assert (await ledger.hold("r1")).held_micros == 100
    assert (await ledger.hold("r1", output_tokens=700)).held_micros == 100
    assert (await ledger.balance()).held_micros == 100


async def test_a_batch_of_holds_answers_each_for_itself(ledger: Ledger) -> None:
    await ledger.open_account(micros=150)
    await ledger.open_account("acc_2", micros=1_000)

    def wanted(request_id: str, **fields: Any) -> ledger_pb2.HoldRequest:
        known: dict[str, Any] = {"account_id": "acc_1", "key_id": "key_1", "model": "claude-x"}
        bound = ledger_pb2.Bound(output_tokens=100)
        return ledger_pb2.HoldRequest(**{**known, **fields}, request_id=request_id, bound=bound)

    holds = [
        wanted("r1"), wanted("r2"), wanted("r3", model="free"), wanted("r4", account_id="acc_2"),
        wanted("r1"), wanted("", account_id="acc_2"),
    ]  # fmt: skip
    response = await ledger.relay.HoldBatch(ledger_pb2.HoldBatchRequest(holds=holds))
    told = [
        answer.held.held_micros if answer.HasField("held") else read_fault(answer.refusal)
        for answer in response.answers
    ]
    reasons = [one.reason if isinstance(one, ServiceFault) else one for one in told]
    assert reasons == [
        100, Reason.CREDIT_EXHAUSTED, Reason.MODEL_UNKNOWN, 100, 100, Reason.INVALID_REQUEST,
    ]  # fmt: skip
    assert (await ledger.balance()).held_micros == 100
    assert (await ledger.balance("acc_2")).held_micros == 100


async def test_what_does_not_fit_is_refused_with_what_remains(ledger: Ledger) -> None:
    await ledger.open_account(micros=50)
    fault = await refused(ledger.hold("r1"))
    assert fault.reason is Reason.CREDIT_EXHAUSTED
    assert "$0.000050 remain" in fault.message
    assert (await ledger.balance()).held_micros == 0


async def test_a_slice_is_held_where_the_whole_does_not_fit(ledger: Ledger) -> None:
    await ledger.open_account(micros=50)
    held = await ledger.hold("r1", output_tokens=1_000, slice_tokens=20)
    assert (held.held_micros, held.output_tokens) == (20, 20)

    status = await ledger.progress("r1", 15, wanted=40)
    assert (status.state, status.output_tokens) == (ledger_pb2.HOLD_STATE_OPEN, 40)
    status = await ledger.progress("r1", 35, wanted=60)
    assert (status.state, status.output_tokens) == (ledger_pb2.HOLD_STATE_EXHAUSTED, 50)


async def test_a_model_without_a_price_cannot_be_paid_with_credits(ledger: Ledger) -> None:
    await ledger.open_account(micros=50)
    assert (await refused(ledger.hold("r1", model="free"))).reason is Reason.MODEL_UNKNOWN


async def test_a_void_gives_everything_back_and_counts_no_request(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    await ledger.hold("r1")
    await ledger.void("r1")
    await ledger.void("r1")
    assert (await ledger.balance()).remaining_micros == 1_000
    assert (await refused(ledger.hold("r1"))).reason is Reason.CONFLICT
    assert [entry.kind for entry in await ledger.usage()] == [
        ledger_pb2.ENTRY_KIND_VOID,
        ledger_pb2.ENTRY_KIND_GRANT,
    ]


async def test_a_settlement_counts_once(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    assert await ledger.settle(settlement("r1"), settlement("r2"), settlement("r1")) == 2
    assert await ledger.settle(settlement("r1"), settlement("r3")) == 1
    [day] = await ledger.rollups()
    assert day.total.requests == day.by_key["key_1"].requests == 3
    assert day.total.usage.output_tokens == day.by_model["claude-x"].usage.output_tokens == 30
    assert day.total.spent_micros == day.total.cost_micros == 45
    assert (await ledger.balance()).spent_micros == 45


async def test_an_exact_settlement_replaces_an_estimate_in_any_order(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    guess, exact = settlement("r1", 95, estimated=True), settlement("r1", 10)
    assert await ledger.settle(guess) == 1
    assert (await ledger.balance()).spent_micros == 100
    assert await ledger.settle(exact) == 0
    assert await ledger.settle(guess) == 0
    assert (await ledger.balance()).spent_micros == 15
    [day] = await ledger.rollups()
    assert (day.total.requests, day.total.usage.output_tokens) == (1, 10)
    deltas = [entry.spent_micros for entry in await ledger.usage()]
    assert deltas == [-85, 100, 0]


async def test_what_a_wallet_cannot_pay_is_the_operators_loss(ledger: Ledger) -> None:
    await ledger.open_account(micros=20)
    await ledger.hold("r1", output_tokens=20)
    await ledger.settle(settlement("r1", 25))
    balance = await ledger.balance()
    assert (balance.spent_micros, balance.short_micros, balance.remaining_micros) == (20, 10, 0)
    # Credit bought later pays nothing of it.
    await ledger.grant("acc_1", "second", 100)
    assert (await ledger.balance()).remaining_micros == 100


async def test_a_plan_account_is_recorded_and_not_charged(ledger: Ledger) -> None:
    await ledger.open_account()
    assert await ledger.settle(settlement("r1", prepaid=False)) == 1
    [entry] = await ledger.usage()
    assert (entry.cost_micros, entry.spent_micros, entry.short_micros) == (15, 0, 0)
    assert entry.usage.input_tokens == 5
    [day] = await ledger.rollups()
    assert (day.total.requests, day.total.cost_micros, day.total.spent_micros) == (1, 15, 0)


async def test_a_payment_grants_once(ledger: Ledger) -> None:
    await ledger.open_account()
    first = await ledger.grant("acc_1", "invoice 7", 300)
    again = await ledger.grant("acc_1", "invoice 7", 300)
    assert (first.repeated, again.repeated) == (False, True)
    assert first.pack.pack_id == again.pack.pack_id
    assert again.balance.remaining_micros == 300
    other = await refused(ledger.grant("acc_1", "invoice 7", 301))
    assert other.reason is Reason.CONFLICT


async def test_a_pack_of_the_catalog_brings_its_credit_and_its_end(ledger: Ledger) -> None:
    await ledger.open_account()
    pack = (await ledger.grant("acc_1", "p", pack="starter")).pack
    assert (pack.granted_micros, pack.name) == (1_000, "starter")
    assert pack.expires_at.seconds - pack.granted_at.seconds == pytest.approx(30 * 86_400, abs=2)
    assert (await refused(ledger.grant("acc_1", "q", pack="none"))).reason is Reason.NOT_FOUND


async def test_the_pack_that_ends_first_is_spent_first_and_its_rest_expires(
    ledger: Ledger,
) -> None:
    await ledger.open_account()
    await ledger.grant("acc_1", "lasting", 100)
    ends = ledger_pb2.GrantCreditsRequest().expires_at
    ends.FromMilliseconds(int(time.time() * 1000) + 700)
    await ledger.grant("acc_1", "short", 50, expires_at=ends)
    await ledger.settle(settlement("r1", 15))
    # A hold outlives the pack's end; what it does not need expires.
    await ledger.hold("r2", output_tokens=110)
    await asyncio.sleep(0.8)
    balance = await ledger.balance()
    assert (balance.expired_micros, balance.held_micros, balance.remaining_micros) == (20, 110, 0)
    await ledger.settle(settlement("r2", 1))
    balance = await ledger.balance()
    assert (balance.spent_micros, balance.expired_micros, balance.remaining_micros) == (26, 24, 100)
    request = ledger_pb2.ListPacksRequest(account_id="acc_1")
    packs = (await ledger.credit.ListPacks(request, metadata=METADATA)).packs
    assert [(p.payment_reference, p.spent_micros, p.expired_micros) for p in packs] == [
        ("short", 26, 24),
        ("lasting", 0, 0),
    ]


async def test_a_silent_holders_hold_is_settled_at_its_last_progress(redis_url: str) -> None:
    async with serving(redis_url, hold_s=0.3) as ledger:
        await ledger.open_account(micros=1_000)
        await ledger.hold("dead")
        await ledger.hold("alive")
        await ledger.progress("dead", 30)
        for _ in range(4):
            await asyncio.sleep(0.1)
            await ledger.progress("alive", 40)
        assert await ledger.room.reaper.reap() == 1
        balance = await ledger.balance()
        assert (balance.spent_micros, balance.held_micros) == (30, 100)
        status = await ledger.progress("dead", 31)
        assert status.state == ledger_pb2.HOLD_STATE_CLOSED
        # The holder was only slow: what it tells at last replaces the estimate.
        await ledger.settle(settlement("dead", 60))
        assert (await ledger.balance()).spent_micros == 65
        assert await ledger.differences() == []


async def test_a_hold_the_store_lost_is_missing_and_its_settlement_charges(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    assert (await ledger.progress("lost", 5)).state == ledger_pb2.HOLD_STATE_MISSING
    await ledger.settle(settlement("lost", 45))
    assert (await ledger.balance()).spent_micros == 50


async def test_progress_tells_that_a_key_was_revoked(ledger: Ledger) -> None:
    account_id = await ledger.open_account(micros=1_000)
    key = Key(key_id="key_1", account_id=account_id, masked="m", digest="d" * 64)
    await ledger.directory.put_key(key, AUDIT)
    await ledger.hold("r1")
    assert (await ledger.progress("r1", 1)).state == ledger_pb2.HOLD_STATE_OPEN
    await ledger.directory.revoke_key(key, Reason.KEY_REVOKED, AUDIT)
    assert (await ledger.progress("r1", 2)).state == ledger_pb2.HOLD_STATE_REVOKED


async def test_two_hundred_at_once_on_a_pack_worth_fifty(ledger: Ledger) -> None:
    await ledger.open_account(micros=50 * 100)

    async def run(number: int) -> int:
        """One request: hold, use, settle; its cost, 0 where it was refused."""
        try:
            await insist(lambda: ledger.hold(f"r{number}"))
        except grpc.aio.AioRpcError as error:
            assert fault_of(error).reason is Reason.CREDIT_EXHAUSTED  # noqa: PT017 - 150 of 200
            return 0
        await insist(lambda: ledger.settle(settlement(f"r{number}", 95)))
        return 100

    tasks = [asyncio.create_task(run(number)) for number in range(200)]
    lowest = 5_000
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.005)
        balance = await insist(ledger.balance)
        lowest = min(lowest, balance.remaining_micros)
        granted = balance.spent_micros + balance.held_micros + balance.remaining_micros
        assert granted == balance.granted_micros == 5_000
    costs = [await task for task in tasks]
    balance = await insist(ledger.balance)
    assert lowest >= 0
    assert costs.count(100) == 50
    assert sum(costs) == balance.spent_micros == 5_000
    assert (balance.held_micros, balance.short_micros) == (0, 0)
    [day] = await ledger.rollups()
    assert (day.total.requests, day.total.spent_micros) == (50, 5_000)


async def test_usage_goes_on_below_a_sequence(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    for number in range(5):
        await ledger.settle(settlement(f"r{number}"))
    first = await ledger.usage(limit=2)
    assert [entry.request_id for entry in first] == ["r4", "r3"]
    assert not first[0].usage.estimated
    assert first[0].end == inference_pb2.END_COMPLETE
    rest = await ledger.usage(before_sequence=first[-1].sequence)
    assert [entry.request_id for entry in rest] == ["r2", "r1", "r0", ""]


async def test_verification_finds_a_wallet_somebody_touched(redis_url: str) -> None:
    async with serving(redis_url) as ledger:
        await ledger.open_account(micros=1_000)
        await ledger.settle(settlement("r1"))
        client = ledger.directory.connection.client
        await client.hincrby(f"{partition('acc_1')}:wallet:acc_1", "spent", -3)
        assert await ledger.differences() == [
            ("acc_1", "spent", 15, 12),
            ("acc_1", "journal spent", 15, 12),
        ]
        found = await ledger.room.auditor.audit()
        assert [(one.name, one.expected, one.found) for one in found] == [("spent", 15, 12)]


async def test_folding_the_journal_keeps_the_proof(ledger: Ledger) -> None:
    await ledger.open_account(micros=1_000)
    for number in range(5):
        await ledger.settle(settlement(f"r{number}"))
    await asyncio.sleep(0.01)
    assert await Reaper(ledger.room.store, journal_ms=-1_000).fold() == 6
    assert await ledger.usage() == []
    await ledger.settle(settlement("r9"))
    assert (await ledger.balance()).spent_micros == 90


async def test_an_export_holds_every_entry(ledger: Ledger) -> None:
    for account_id in ("acc_1", "acc_2", "acc_3"):
        await ledger.open_account(account_id, micros=1_000)
        await ledger.settle(settlement("r1", account_id=account_id))
    stream = ledger.credit.ExportJournal(ledger_pb2.ExportJournalRequest(), metadata=METADATA)
    entries = [entry async for message in stream for entry in message.entries]
    assert sorted(entry.account_id for entry in entries) == sorted(["acc_1", "acc_2", "acc_3"] * 2)
    request = ledger_pb2.ExportJournalRequest(account_id="acc_2")
    stream = ledger.credit.ExportJournal(request, metadata=METADATA)
    mine = [entry async for message in stream for entry in message.entries]
    assert [entry.spent_micros for entry in mine] == [0, 15]


async def test_operators_alone_see_money(ledger: Ledger) -> None:
    await ledger.open_account()
    request = ledger_pb2.GetBalanceRequest(account_id="acc_1")
    fault = await refused(ledger.credit.GetBalance(request))
    assert fault.reason is Reason.NOT_AN_OPERATOR
    stream = ledger.credit.ListUsage(ledger_pb2.ListUsageRequest(account_id="acc_1"))
    assert (await refused(stream.read())).reason is Reason.NOT_AN_OPERATOR


async def test_a_store_that_restarts_is_another_one(store_server: StoreServer) -> None:
    async with serving(store_server.url) as ledger:
        before = await ledger.room.store.identity()
        assert await ledger.room.store.identity() == before
        store_server.kill()
        store_server.start()
        assert await ledger.room.store.identity() != before


async def test_an_answer_names_the_store_it_was_begun_with(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went to a store that was replaced meanwhile is told again, so it must not look new."""
    await ledger.open_account(micros=1_000)
    identity, store = ledger.room.identity, ledger.room.store
    identity.value = "old"
    settle = store.settle

    async def settle_while_it_is_replaced(*batch: Any) -> Any:
        identity.value = "new"
        return await settle(*batch)

    monkeypatch.setattr(store, "settle", settle_while_it_is_replaced)
    request = ledger_pb2.SettleRequest(settlements=[settlement("r1")])
    assert (await ledger.relay.Settle(request)).store_id == "old"
    assert (await ledger.relay.Settle(request)).store_id == "new"


async def test_while_the_store_hangs_holds_are_refused_in_time_and_settlements_wait(
    store_server: StoreServer,
) -> None:
    async with serving(store_server.url) as ledger:
        await ledger.open_account(micros=1_000)
        await ledger.hold("before")
        store_server.freeze()
        waiting = asyncio.create_task(ledger.settle(settlement("before")))
        for number in range(8):
            began = time.monotonic()
            fault = await refused(ledger.hold(f"r{number}"))
            elapsed_s = time.monotonic() - began
            assert fault.reason is Reason.STORE_AWAY
            assert fault.retry_after_s == 2
        # By now the breaker answers: nobody waits for a store that does not.
        assert elapsed_s < 0.2
        store_server.thaw()
        assert await waiting == 1
        assert (await ledger.hold("after")).held_micros == 100
        assert (await ledger.balance()).spent_micros == 15
        assert await ledger.differences() == []
