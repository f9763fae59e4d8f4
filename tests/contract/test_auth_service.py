"""The auth services over a real channel and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from admission.credential import looks_valid, mask
from gatebeyz.auth.v1 import auth_pb2
from runtime.faults import Reason
from tests.contract.auth_replica import (
    METADATA,
    SIGNER,
    Replica,
    create_account,
    create_key,
    open_lease,
    read_until,
    refused,
    serving,
)


@pytest.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with serving(redis_url) as one:
        yield one


async def test_a_lease_tells_who_the_key_is(replica: Replica) -> None:
    account = await create_account(replica, models=["claude-*"], thinking=True)
    created = await create_key(replica, account.account_id)
    call = open_lease(replica, created.secret)
    granted = (await call.read()).granted
    grant = SIGNER.verify(granted.grant, 0.0)
    assert granted.policy.account_id == grant.account_id == account.account_id
    assert granted.policy.key_id == grant.key_id == created.key.key_id
    assert grant.models == ("claude-a", "claude-b")
    assert grant.thinking
    assert (await call.read()).renewed.grant == granted.grant
    call.cancel()


async def test_a_key_is_shown_once_and_masked_afterwards(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    assert looks_valid(created.secret)
    listed = await replica.keys.ListKeys(
        auth_pb2.ListKeysRequest(account_id=account.account_id), metadata=METADATA
    )
    assert [key.masked for key in listed.keys] == [mask(created.secret)]
    assert created.secret not in str(listed)


async def test_unknown_keys_and_wrong_products_are_refused(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    assert (await refused(open_lease(replica, "sk-gb-nothing"))).reason is Reason.KEY_UNKNOWN
    wrong = open_lease(replica, created.secret, product=auth_pb2.PRODUCT_CREDITS)
    assert (await refused(wrong)).reason is Reason.WRONG_PRODUCT


@pytest.mark.parametrize("metadata", [None, (("authorization", "Bearer no"),)])
async def test_only_operators_manage(replica: Replica, metadata: object) -> None:
    calls = [
        replica.accounts.ListAccounts(auth_pb2.ListAccountsRequest(), metadata=metadata),
        replica.keys.RevokeKey(auth_pb2.RevokeKeyRequest(), metadata=metadata),
    ]
    for call in calls:
        assert (await refused(call)).reason is Reason.NOT_AN_OPERATOR


async def test_a_revocation_reaches_leases_and_watchers_of_every_replica(redis_url: str) -> None:
    async with serving(redis_url) as one, serving(redis_url) as other:
        account = await create_account(one)
        created = await create_key(one, account.account_id)
        lease = open_lease(other, created.secret)
        await lease.read()
        watch = other.auth.WatchRevocations(auth_pb2.WatchRevocationsRequest())
        first = await watch.read()
        await one.keys.RevokeKey(
            auth_pb2.RevokeKeyRequest(key_id=created.key.key_id), metadata=METADATA
        )
        revoked = (await read_until(lease, "revoked", 1.0)).revoked
        assert revoked.reason == "KEY_REVOKED"
        heard = await watch.read()
        assert heard.revocation.key_id == created.key.key_id
        watch.cancel()

        resumed = one.auth.WatchRevocations(auth_pb2.WatchRevocationsRequest(after=first.sequence))
        assert (await resumed.read()).sequence == first.sequence
        assert await resumed.read() == heard
        resumed.cancel()
        assert (await refused(open_lease(one, created.secret))).reason is Reason.KEY_REVOKED
