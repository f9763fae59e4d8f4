"""The holder's side against real auth services: what it asks, knows, and ceases to trust."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from admission import lease as lease_module
from admission.credential import digest
from admission.lease import Lease, LeaseHolder
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault
from tests.contract.auth_replica import (
    METADATA,
    PEPPER,
    Replica,
    create_account,
    create_key,
    serving,
    until,
)
from tests.contract.conftest import StoreServer

API = auth_pb2.PRODUCT_API


@pytest.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with serving(redis_url) as one:
        yield one


@contextlib.asynccontextmanager
async def holding(replica: Replica, name: str = "edge-1") -> AsyncIterator[LeaseHolder]:
    holder = LeaseHolder(replica.channel, name)
    yield holder
    await holder.close()


async def new_key(replica: Replica, **account: Any) -> str:
    created = await create_account(replica, **account)
    return (await create_key(replica, created.account_id)).secret


async def lease_of(holder: LeaseHolder, secret: str) -> Lease:
    return await holder.lease(digest(secret, PEPPER.encode()), API)


async def use(holder: LeaseHolder, lease: Lease, tokens: int = 10, output: int = 0) -> None:
    async with holder.admit(lease, tokens) as admission:
        admission.settle(inference_pb2.Usage(input_tokens=tokens, output_tokens=output))


async def refusal(holder: LeaseHolder, lease: Lease, tokens: int = 10) -> ServiceFault:
    with pytest.raises(ServiceFault) as caught:
        async with holder.admit(lease, tokens):
            pass
    return caught.value


async def test_a_cold_request_asks_auth_once_and_a_warm_one_never(replica: Replica) -> None:
    limits = auth_pb2.Limits(
        requests_per_minute=80, input_tokens_per_minute=80_000,
        output_tokens_per_minute=8_000, concurrency=16,
    )  # fmt: skip
    secret = await new_key(replica, plan="pro", limits=limits)
    replica.calls.by_method.clear()
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        await use(holder, lease)
        assert replica.calls.by_method == {"Lease": 1}
        for _ in range(9):
            await use(holder, await lease_of(holder, secret), output=20)
        assert replica.calls.by_method == {"Lease": 1}


async def test_a_cold_request_that_needs_more_than_the_first_share_asks_twice(
    replica: Replica,
) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(input_tokens_per_minute=8_000))
    replica.calls.by_method.clear()
    async with holding(replica) as holder:
        await use(holder, await lease_of(holder, secret), tokens=5_000)
        assert replica.calls.by_method == {"Lease": 1, "Draw": 1}


async def test_first_requests_that_come_together_share_a_lease_and_its_draws(
    replica: Replica,
) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(requests_per_minute=200))
    replica.calls.by_method.clear()

    async def request(holder: LeaseHolder) -> None:
        await use(holder, await lease_of(holder, secret))

    async with holding(replica) as holder:
        await asyncio.gather(*(request(holder) for _ in range(100)))
        assert replica.calls.by_method["Lease"] == 1
        assert replica.calls.by_method["Draw"] <= 4


async def test_draws_grow_with_demand(replica: Replica) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(requests_per_minute=10_000))
    replica.calls.by_method.clear()
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        for _ in range(4_000):
            await use(holder, lease)
        assert replica.calls.by_method["Draw"] <= 8


async def test_exactly_the_limit_is_admitted_by_two_holders_together(replica: Replica) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(requests_per_minute=30))
    admitted = 0
    async with holding(replica, "edge-1") as one, holding(replica, "edge-2") as other:
        leases = [(one, await lease_of(one, secret)), (other, await lease_of(other, secret))]
        for _ in range(30):
            for holder, lease in leases:
                with contextlib.suppress(ServiceFault):
                    await use(holder, lease)
                    admitted += 1
        assert 28 <= admitted <= 30
        fault = await refusal(*leases[0])
        assert fault.reason is Reason.RATE_LIMITED
        assert fault.metadata == {"limit": "requests_per_minute"}
        assert fault.retry_after_s is not None
        assert 0 < fault.retry_after_s <= 62


async def test_a_refusal_is_not_asked_for_again_at_once(replica: Replica) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(requests_per_minute=1))
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        await use(holder, lease)
        first = await refusal(holder, lease)
        replica.calls.by_method.clear()
        again = [await refusal(holder, lease) for _ in range(50)]
        assert not replica.calls.by_method
        assert all(one.retry_after_s <= first.retry_after_s for one in again)  # type: ignore[operator]


async def test_slots_are_free_when_requests_end(replica: Replica) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(concurrency=3))
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        async with contextlib.AsyncExitStack() as running:
            for _ in range(3):
                await running.enter_async_context(holder.admit(lease, 1))
            fault = await refusal(holder, lease)
            assert fault.reason is Reason.CONCURRENCY_LIMITED
        await use(holder, lease)


async def test_output_is_counted_when_it_is_known(replica: Replica) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(output_tokens_per_minute=100))
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        await use(holder, lease, output=5_000)
        fault = await refusal(holder, lease)
        assert fault.metadata == {"limit": "output_tokens_per_minute"}


async def test_a_request_larger_than_its_limit_is_corrected_not_refused_for_ever(
    replica: Replica,
) -> None:
    secret = await new_key(replica, limits=auth_pb2.Limits(input_tokens_per_minute=1_000))
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        async with holder.admit(lease, 900_000) as admission:
            admission.settle(inference_pb2.Usage(input_tokens=400))
        await use(holder, lease, tokens=500)
        assert (await refusal(holder, lease, tokens=500)).reason is Reason.RATE_LIMITED


async def test_a_change_of_plan_holds_for_the_next_request(replica: Replica) -> None:
    account = await create_account(replica, plan="pro")
    secret = (await create_key(replica, account.account_id)).secret
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        assert list(lease.policy.models) == ["*"]
        request = auth_pb2.UpdateAccountRequest(
            account=auth_pb2.Account(account_id=account.account_id, plan="small")
        )
        request.update_mask.paths.append("plan")
        await replica.accounts.UpdateAccount(request, metadata=METADATA)
        await until(lambda: list(lease.policy.models) != ["*"], 1)
        assert list(lease.policy.models) == ["claude-a", "claude-b"]
        for _ in range(8):
            with contextlib.suppress(ServiceFault):
                await use(holder, lease, tokens=1)
        assert (await refusal(holder, lease)).reason is Reason.RATE_LIMITED


async def test_a_used_up_month_is_refused_with_the_day_it_begins_anew(replica: Replica) -> None:
    secret = await new_key(replica, plan="small")
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        assert lease.policy.quota.tokens == 1_000
        lease.policy.quota.used = 990
        await use(holder, lease, tokens=10)
        fault = await refusal(holder, lease)
        assert fault.reason is Reason.QUOTA_EXHAUSTED
        day = lease.policy.quota.resets_at.ToDatetime().strftime("%Y-%m-%dT00:00:00Z")
        assert day in fault.message


async def test_a_key_is_used_from_its_networks_only(replica: Replica) -> None:
    account = await create_account(replica)
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    secret = (await create_key(replica, account.account_id, networks=networks)).secret
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        for good in ("192.0.2.7", "2001:db8::1"):
            lease.check_address(good)
        for bad in ("198.51.100.1", "::1", "", "no address"):
            with pytest.raises(ServiceFault) as caught:
                lease.check_address(bad)
            assert caught.value.reason is Reason.ADDRESS_NOT_ALLOWED


async def test_shares_an_idle_lease_does_not_need_go_back(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "TEND_S", 0.5)
    secret = await new_key(replica, limits=auth_pb2.Limits(requests_per_minute=640))
    async with holding(replica) as holder:
        lease = await lease_of(holder, secret)
        assert lease.allowance.left[0] == 80
        await until(lambda: lease.allowance.left[0] == 10, 4)
        replica.calls.by_method.clear()
        await use(holder, await lease_of(holder, secret))
        assert not replica.calls.by_method["Draw"]


async def test_a_silent_auth_is_not_trusted_after_three_seconds(store_server: StoreServer) -> None:
    async with serving(store_server.url) as replica, holding(replica) as holder:
        secret = await new_key(replica)
        lease = await lease_of(holder, secret)
        lease.heard_at = time.monotonic() - 2.9
        assert lease.is_trusted()
        lease.heard_at = time.monotonic() - 3.1
        assert not lease.is_trusted()


async def test_a_store_that_is_away_leaves_a_lease_its_share_and_refuses_new_keys_soon(
    store_server: StoreServer,
) -> None:
    """Invariant I6."""
    async with serving(store_server.url) as replica, holding(replica) as holder:
        limits = auth_pb2.Limits(requests_per_minute=80)
        secret = await new_key(replica, limits=limits)
        lease = await lease_of(holder, secret)
        await use(holder, lease)
        store_server.freeze()
        try:
            await asyncio.sleep(4)
            for _ in range(9):
                await use(holder, await lease_of(holder, secret))
            fault = await refusal(holder, lease)
            assert fault.reason is Reason.STORE_AWAY
            began = time.monotonic()
            with pytest.raises(ServiceFault) as caught:
                await lease_of(holder, "sk-gb-pl-never-seen")
            assert caught.value.reason is Reason.STORE_AWAY
            assert time.monotonic() - began < 0.6
        finally:
            store_server.thaw()
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(ServiceFault):
                    await use(holder, await lease_of(holder, secret))
                    break
                await asyncio.sleep(0.05)
