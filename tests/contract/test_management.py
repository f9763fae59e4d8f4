"""What operators do: accounts, keys, and the trail of it, over a real channel and store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from admission.credential import digest
from gatebeyz.auth.v1 import auth_pb2
from runtime.catalog import Plan
from runtime.config import SecretText
from runtime.faults import Reason
from services.auth.ledger import wire as ledger_wire
from services.auth.ledger.store import LedgerStore
from services.auth.operator import ON_BEHALF_OF_KEY, OperatorGate, parse_operators
from tests.contract.auth_replica import (
    METADATA,
    OPERATOR,
    PEPPER,
    Replica,
    create_account,
    create_key,
    make_catalog,
    open_lease,
    read_until,
    refused,
    serving,
    until,
)
from tests.contract.ledger_bench import settlement


@pytest.fixture
async def replica(redis_url: str) -> AsyncIterator[Replica]:
    async with serving(redis_url) as one:
        yield one


async def update(replica: Replica, account_id: str, **fields: Any) -> auth_pb2.Account:
    request = auth_pb2.UpdateAccountRequest(
        account=auth_pb2.Account(account_id=account_id, **fields)
    )
    request.update_mask.paths.extend(fields)
    return (await replica.accounts.UpdateAccount(request, metadata=METADATA)).account


async def override(
    replica: Replica, account_id: str, model: str, *, allowed: bool, for_s: float = 60
) -> auth_pb2.Account:
    wanted = auth_pb2.ModelOverride(model=model, allowed=allowed)
    if for_s:
        wanted.ends_at.FromMilliseconds(int((time.time() + for_s) * 1000))
    request = auth_pb2.OverrideModelAccessRequest(account_id=account_id, override=wanted)
    return (await replica.accounts.OverrideModelAccess(request, metadata=METADATA)).account


async def get(replica: Replica, account_id: str) -> auth_pb2.GetAccountResponse:
    request = auth_pb2.GetAccountRequest(account_id=account_id)
    return await replica.accounts.GetAccount(request, metadata=METADATA)


async def audit(replica: Replica, **fields: Any) -> list[auth_pb2.AuditEntry]:
    request = auth_pb2.ListAuditRequest(**fields)
    return list((await replica.audit.ListAudit(request, metadata=METADATA)).entries)


async def test_only_what_the_mask_names_changes(replica: Replica) -> None:
    account = await create_account(replica, name="Ada", plan="small", thinking=True)
    changed = await update(replica, account.account_id, plan="pro", upstreams=["spare"])
    assert (changed.plan, list(changed.upstreams)) == ("pro", ["spare"])
    assert (changed.name, changed.thinking) == ("Ada", True)
    request = auth_pb2.UpdateAccountRequest(account=changed)
    request.update_mask.paths.append("thinking")
    request.account.ClearField("thinking")
    cleared = await replica.accounts.UpdateAccount(request, metadata=METADATA)
    assert not cleared.account.HasField("thinking")


async def test_of_changes_made_at_once_none_is_lost(replica: Replica) -> None:
    account = await create_account(replica)
    one = account.account_id
    changes = [update(replica, one, name="Eda"), update(replica, one, reset_day=7)]
    changes += [override(replica, one, f"model-{n}", allowed=False) for n in range(2)]
    await asyncio.gather(*changes)
    found = (await get(replica, one)).account
    assert (found.name, found.reset_day) == ("Eda", 7)
    assert {held.model for held in found.overrides} == {"model-0", "model-1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"plan": "none such"},
        {"plan": "packs"},
        {"upstreams": ["nowhere"]},
        {"models": ["claude-*-x"]},
        {"models": [""]},
        {"name": " "},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"reset_day": 29},
        {"monthly_tokens": -1},
        {"limits": auth_pb2.Limits(concurrency=-1)},
        {"state": 9},
        {"account_id": "acc_none"},
        {},
    ],
    ids=lambda fields: next(iter(fields), "nothing"),
)
async def test_what_no_holder_could_make_sense_of_is_refused(
    replica: Replica, fields: dict[str, Any]
) -> None:
    account = await create_account(replica)
    account_id = fields.pop("account_id", account.account_id)
    request = auth_pb2.UpdateAccountRequest(
        account=auth_pb2.Account(account_id=account_id, **fields)
    )
    request.update_mask.paths.extend(fields or ["account_id"])
    fault = await refused(replica.accounts.UpdateAccount(request, metadata=METADATA))
    assert fault.reason is Reason.INVALID_REQUEST


async def test_an_override_holds_until_its_end_and_ends_by_itself(replica: Replica) -> None:
    account = await create_account(replica, plan="small")
    created = await create_key(replica, account.account_id)
    lease = open_lease(replica, created.secret)
    assert list((await lease.read()).granted.policy.models) == ["claude-a", "claude-b"]
    await override(replica, account.account_id, "gpt-a", allowed=True, for_s=0.8)
    changed = (await read_until(lease, "policy_changed", 1)).policy_changed
    assert list(changed.policy.models) == ["claude-a", "claude-b", "gpt-a"]
    access = {one.model: one for one in (await get(replica, account.account_id)).access}
    assert access["gpt-a"].decided_by == "OVERRIDE"
    assert access["gpt-a"].until.ToMilliseconds() > 0
    ended = (await read_until(lease, "policy_changed", 2)).policy_changed
    assert list(ended.policy.models) == ["claude-a", "claude-b"]
    assert not (await get(replica, account.account_id)).account.overrides
    lease.cancel()


async def test_an_override_is_taken_away_by_one_without_an_end(replica: Replica) -> None:
    account = await create_account(replica)
    await override(replica, account.account_id, "claude-*", allowed=False)
    await override(replica, account.account_id, "claude-a", allowed=True)
    left = await override(replica, account.account_id, "claude-*", allowed=False, for_s=0)
    assert [held.model for held in left.overrides] == ["claude-a"]


async def test_a_changed_catalog_reaches_leases_at_once(replica: Replica) -> None:
    account = await create_account(replica, plan="small")
    created = await create_key(replica, account.account_id)
    lease = open_lease(replica, created.secret)
    await lease.read()
    replica.use(make_catalog(small=Plan("small", models=("gpt-*",))))
    changed = (await read_until(lease, "policy_changed", 1)).policy_changed
    assert list(changed.policy.models) == ["gpt-a"]
    assert changed.policy.limits == auth_pb2.Limits()
    lease.cancel()


async def test_time_ends_an_account_and_what_runs_for_it(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    lease = open_lease(replica, created.secret)
    await lease.read()
    soon = auth_pb2.Account(account_id=account.account_id)
    soon.expires_at.FromMilliseconds(int(time.time() * 1000) + 500)
    await update(replica, account.account_id, expires_at=soon.expires_at)
    revoked = (await read_until(lease, "revoked", 2)).revoked
    assert revoked.reason == "ACCOUNT_EXPIRED"
    found = await get(replica, account.account_id)
    assert found.account.state == auth_pb2.ACCOUNT_STATE_EXPIRED
    assert {one.decided_by for one in found.access} == {"STATE"}


async def test_a_key_is_narrowed_while_it_is_in_use(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    lease = open_lease(replica, created.secret)
    await lease.read()
    key = auth_pb2.Key(
        key_id=created.key.key_id, models=["claude-a"], networks=["192.0.2.7", "2001:DB8::/32"]
    )
    request = auth_pb2.UpdateKeyRequest(key=key)
    request.update_mask.paths.extend(["models", "networks"])
    answer = await replica.keys.UpdateKey(request, metadata=METADATA)
    assert list(answer.key.networks) == ["192.0.2.7/32", "2001:db8::/32"]
    changed = (await read_until(lease, "policy_changed", 1)).policy_changed
    assert list(changed.policy.models) == ["claude-a"]
    assert list(changed.policy.networks) == ["192.0.2.7/32", "2001:db8::/32"]
    lease.cancel()


async def test_a_reset_keeps_what_the_key_may_do_and_repeats_by_its_id(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(
        replica, account.account_id, models=["claude-a"], networks=["192.0.2.0/24"]
    )
    request = auth_pb2.ResetKeyRequest(key_id=created.key.key_id, grace_s=60, request_id="reset-1")
    first = await replica.keys.ResetKey(request, metadata=METADATA)
    again = await replica.keys.ResetKey(request, metadata=METADATA)
    assert again.key == first.key
    assert again.secret == first.key.masked != first.secret
    assert (list(first.key.models), list(first.key.networks)) == (["claude-a"], ["192.0.2.0/24"])
    for secret in (created.secret, first.secret):
        lease = open_lease(replica, secret, holder=secret[-8:])
        assert (await lease.read()).WhichOneof("event") == "granted"
        lease.cancel()


async def test_a_key_tells_when_it_was_last_used(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    assert not created.key.HasField("last_used_at")
    lease = open_lease(replica, created.secret)
    await lease.read()
    request = auth_pb2.ListKeysRequest(account_id=account.account_id)
    (key,) = (await replica.keys.ListKeys(request, metadata=METADATA)).keys
    assert abs(key.last_used_at.ToMilliseconds() / 1000 - time.time()) < 5
    lease.cancel()


async def test_lists_come_in_pages_in_the_order_of_creation(replica: Replica) -> None:
    account = await create_account(replica)
    made = [(await create_key(replica, account.account_id)).key.key_id for _ in range(5)]
    found: list[str] = []
    request = auth_pb2.ListKeysRequest(account_id=account.account_id, page_size=2)
    while True:
        page = await replica.keys.ListKeys(request, metadata=METADATA)
        assert len(page.keys) <= 2
        found += [key.key_id for key in page.keys]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert sorted(found) == sorted(made)
    assert found == sorted(found)


async def test_every_change_is_audited_with_who_what_and_when(replica: Replica) -> None:
    account = await create_account(replica, name="Ada")
    one = account.account_id
    created = await create_key(replica, one)
    key_id = created.key.key_id
    await update(replica, one, name="Eda")
    await override(replica, one, "claude-a", allowed=False)
    key = auth_pb2.UpdateKeyRequest(key=auth_pb2.Key(key_id=key_id, label="new"))
    key.update_mask.paths.append("label")
    await replica.keys.UpdateKey(key, metadata=METADATA)
    acting = (*METADATA, (ON_BEHALF_OF_KEY, "member:mem_1"))
    reset = auth_pb2.ResetKeyRequest(key_id=key_id)
    again = await replica.keys.ResetKey(reset, metadata=acting)
    revoke = auth_pb2.RevokeKeyRequest(key_id=again.key.key_id)
    await replica.keys.RevokeKey(revoke, metadata=METADATA)
    await replica.keys.RevokeKey(revoke, metadata=METADATA)  # changes nothing, so says nothing
    other = await create_account(replica, name="Other")

    entries = await audit(replica, account_id=one)
    assert [entry.action for entry in reversed(entries)] == [
        "account.create", "key.create", "account.update", "account.override", "key.update",
        "key.reset", "key.revoke",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {"operator"}
    found = {entry.action: entry for entry in entries}
    assert found["account.update"].detail == 'name: "Ada" -> "Eda"'
    assert found["key.reset"].on_behalf_of == "member:mem_1"
    assert found["key.reset"].key_id == key_id
    assert again.key.key_id in found["key.reset"].detail
    assert abs(entries[0].at.ToMilliseconds() / 1000 - time.time()) < 60
    text = "".join(map(str, await audit(replica)))
    assert created.secret not in text
    assert again.secret not in text
    assert (await audit(replica, page_size=1))[0].account_id == other.account_id


async def test_the_trail_is_read_page_by_page(replica: Replica) -> None:
    accounts = [(await create_account(replica)).account_id for _ in range(6)]
    found: list[str] = []
    request = auth_pb2.ListAuditRequest(page_size=4)
    while True:
        page = await replica.audit.ListAudit(request, metadata=METADATA)
        found += [entry.account_id for entry in page.entries]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == accounts[::-1]


async def test_a_key_is_known_by_the_new_pepper_after_its_first_use(replica: Replica) -> None:
    account = await create_account(replica)
    created = await create_key(replica, account.account_id)
    new = digest(created.secret, b"the-pepper-of-tomorrow")
    old = digest(created.secret, PEPPER.encode())

    def lease(key_digest: bytes, previous: bytes = b"") -> Any:
        return replica.auth.Lease(
            auth_pb2.LeaseRequest(
                key_digest=key_digest,
                previous_digest=previous,
                product=auth_pb2.PRODUCT_API,
                holder_id="edge-1",
            )
        )

    assert (await refused(lease(new))).reason is Reason.KEY_UNKNOWN
    for digests in ((new, old), (new,), (old,)):
        call = lease(*digests)
        assert (await call.read()).granted.policy.key_id == created.key.key_id
        call.cancel()
    await until(lambda: not len(replica.leases), 2)
    revoke = auth_pb2.RevokeKeyRequest(key_id=created.key.key_id)
    await replica.keys.RevokeKey(revoke, metadata=METADATA)
    for call in (lease(new, old), lease(old)):
        assert (await refused(call)).reason is Reason.KEY_REVOKED


async def test_a_months_tokens_are_counted_from_what_was_settled(replica: Replica) -> None:
    account = await create_account(replica, plan="small")
    created = await create_key(replica, account.account_id)
    lease = open_lease(replica, created.secret)
    granted = (await lease.read()).granted
    assert (granted.policy.quota.tokens, granted.policy.quota.used) == (1_000, 0)
    used = settlement("req_1", 345, account_id=account.account_id, prepaid=False)
    used.started_at.GetCurrentTime()
    ledger = LedgerStore(replica.store.connection)
    assert (await ledger.settle([(ledger_wire.parse_settlement(used), 0)])).new == 1
    changed = (await read_until(lease, "policy_changed", 5)).policy_changed
    assert changed.policy.quota.used == 350
    lease.cancel()


def test_operators_have_names_or_are_the_one() -> None:
    assert parse_operators(SecretText(OPERATOR)) == {"operator": OPERATOR.encode()}
    text = f"ada:{'a' * 20}, eda:{'b' * 20}"
    assert list(parse_operators(SecretText(text))) == ["ada", "eda"]
    for bad in (f"ada:{'a' * 20},ada:{'b' * 20}", f":{'a' * 20}", "ada:short", f"a b:{'a' * 20}"):
        with pytest.raises(ValueError, match=r"OPERATOR|operator"):
            OperatorGate(SecretText(bad))
