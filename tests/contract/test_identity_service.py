"""People: signing in and out, links, and what a session opens, over a real channel and store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from gatebeyz.status.v1 import status_pb2
from runtime.faults import Reason, fault_of
from services.auth.member_gate import OWN, SESSION_KEY
from services.auth.member_room import MANAGED
from tests.contract.identity_room import (
    API,
    AS_EDGE,
    AS_OPERATOR,
    CREDITS,
    OPERATORS,
    PASSWORD,
    Room,
    check,
    create_account,
    create_link,
    invite,
    refused,
    serving,
    sign_in,
    use_link,
    with_session,
)


@pytest.fixture
async def room(redis_url: str) -> AsyncIterator[Room]:
    async with serving(redis_url) as one:
        yield one


async def test_an_invitation_sets_a_password_and_signs_in_once(room: Room) -> None:
    account_id = await create_account(room)
    token = await create_link(room, account_id, " Ada@Example.org ")

    found = await room.identity.FindLink(
        identity_pb2.FindLinkRequest(link_token=token, realm=API), metadata=AS_EDGE
    )
    signed = await use_link(room, token)

    assert found.email == signed.session.member.email == "ada@example.org"
    assert (await check(room, signed.session_token)).session.member.account_id == account_id
    assert (await sign_in(room, "ADA@example.org")).session.is_confirmed
    with pytest.raises(grpc.aio.AioRpcError) as again:
        await use_link(room, token)
    assert fault_of(again.value).reason is Reason.NOT_FOUND


async def test_a_weak_password_does_not_cost_the_link(room: Room) -> None:
    token = await create_link(room, await create_account(room), "ada@example.org")

    for weak in ("short", "aaaaaaaaaaaaaaaa", "ada@example.org", "x" * 300):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await use_link(room, token, password=weak)
        assert fault_of(raised.value).reason is Reason.INVALID_REQUEST
    assert (await use_link(room, token)).session_token


async def test_a_wrong_password_an_unknown_address_and_another_realm_look_the_same(
    room: Room,
) -> None:
    await invite(room, await create_account(room), "ada@example.org")

    faults = [
        await refused(sign_in(room, "ada@example.org", "not the password")),
        await refused(sign_in(room, "nobody@example.org")),
        await refused(sign_in(room, "ada@example.org", realm=CREDITS)),
        await refused(sign_in(room, "no address")),
        await refused(sign_in(room, "ada@example.org", "x" * 300)),
    ]

    assert {(fault.reason, fault.message) for fault in faults} == {
        (Reason.SIGN_IN_REFUSED, "The address or the password is not right.")
    }


async def test_too_many_attempts_wait_and_others_do_not(room: Room) -> None:
    await invite(room, await create_account(room), "ada@example.org")
    for _ in range(10):
        fault = await refused(sign_in(room, "ada@example.org", "wrong password"))
        assert fault.reason is Reason.SIGN_IN_REFUSED

    fault = await refused(sign_in(room, "ada@example.org"))
    elsewhere = await sign_in(room, "ada@example.org", visitor="198.51.100.7")

    assert fault.reason is Reason.RATE_LIMITED
    assert fault.retry_after_s is not None
    assert 800 < fault.retry_after_s <= 900
    assert elsewhere.session_token


async def test_the_addresses_of_one_ipv6_network_are_one_visitor(room: Room) -> None:
    await invite(room, await create_account(room), "ada@example.org")
    for number in range(10):
        await refused(sign_in(room, "ada@example.org", "wrong", visitor=f"2001:db8::{number}"))

    fault = await refused(sign_in(room, "ada@example.org", visitor="2001:db8::ffff"))

    assert fault.reason is Reason.RATE_LIMITED


async def test_a_session_ends_when_idle_and_at_its_latest(room: Room) -> None:
    token = await invite(room, await create_account(room), "ada@example.org")
    started = room.clock.ahead_s
    while room.clock.ahead_s - started < 11.5 * 3600:
        room.clock.ahead_s += 29 * 60
        await check(room, token)
    room.clock.ahead_s = started + 12 * 3600 + 1
    assert (await refused(check(room, token))).reason is Reason.SESSION_ENDED

    idle = (await sign_in(room, "ada@example.org")).session_token
    room.clock.ahead_s += 31 * 60
    assert (await refused(check(room, idle))).reason is Reason.SESSION_ENDED


async def test_a_session_is_good_in_its_own_realm_alone(room: Room) -> None:
    token = await invite(room, await create_account(room), "ada@example.org")

    assert (await refused(check(room, token, CREDITS))).reason is Reason.SESSION_ENDED
    assert (await refused(check(room, token, OPERATORS))).reason is Reason.SESSION_ENDED
    for wrong in ("", "x" * 500, token[:-1], "\N{SNOWMAN}"):
        assert (await refused(check(room, wrong))).reason is Reason.SESSION_ENDED


async def test_a_new_password_and_signing_out_everywhere_end_every_other_session(
    room: Room,
) -> None:
    first = await invite(room, await create_account(room), "ada@example.org")
    second = (await sign_in(room, "ada@example.org")).session_token
    changed = await room.identity.ChangePassword(
        identity_pb2.ChangePasswordRequest(
            session_token=second,
            current_password=PASSWORD,
            new_password="another good password",
            client_address="192.0.2.1",
        ),
        metadata=AS_EDGE,
    )

    for old in (first, second):
        assert (await refused(check(room, old))).reason is Reason.SESSION_ENDED
    other = (await sign_in(room, "ada@example.org", "another good password")).session_token
    await room.identity.EndSession(
        identity_pb2.EndSessionRequest(session_token=other, everywhere=True), metadata=AS_EDGE
    )
    assert (await refused(check(room, changed.session_token))).reason is Reason.SESSION_ENDED


async def test_a_removed_member_is_out_and_a_used_recovery_voids_older_links(room: Room) -> None:
    account_id = await create_account(room)
    older = await create_link(room, account_id, "ada@example.org")
    token = await invite(room, account_id, "ada@example.org")
    with pytest.raises(grpc.aio.AioRpcError):
        await use_link(room, older)
    listed = await room.members.ListMembers(
        identity_pb2.ListMembersRequest(account_id=account_id), metadata=AS_OPERATOR
    )

    await room.members.RemoveMember(
        identity_pb2.RemoveMemberRequest(member_id=listed.members[0].member_id),
        metadata=AS_OPERATOR,
    )

    assert (await refused(check(room, token))).reason is Reason.SESSION_ENDED
    assert (await refused(sign_in(room, "ada@example.org"))).reason is Reason.SIGN_IN_REFUSED


def requests_of(account_id: str, key_id: str) -> dict[str, Any]:
    """A request of every method a member may call, of this account or key."""
    return {
        "AccountService/GetAccount": auth_pb2.GetAccountRequest(account_id=account_id),
        "KeyService/ListKeys": auth_pb2.ListKeysRequest(account_id=account_id),
        "KeyService/CreateKey": auth_pb2.CreateKeyRequest(account_id=account_id, label="mine"),
        "KeyService/UpdateKey": auth_pb2.UpdateKeyRequest(
            key=auth_pb2.Key(key_id=key_id, label="new"), update_mask={"paths": ["label"]}
        ),
        "KeyService/ResetKey": auth_pb2.ResetKeyRequest(key_id=key_id, grace_s=60),
        "KeyService/RevokeKey": auth_pb2.RevokeKeyRequest(key_id=key_id),
        "CreditService/GetBalance": ledger_pb2.GetBalanceRequest(account_id=account_id),
        "CreditService/ListPacks": ledger_pb2.ListPacksRequest(account_id=account_id),
        "CreditService/ListUsage": ledger_pb2.ListUsageRequest(account_id=account_id),
        "CreditService/ListRollups": ledger_pb2.ListRollupsRequest(
            account_id=account_id, first_day="2026-01-01", last_day="2026-01-02"
        ),
        "StatusService/CountRunning": status_pb2.CountRunningRequest(account_id=account_id),
    }


async def call(room: Room, method: str, request: Any, metadata: Any) -> None:
    service, _, name = method.partition("/")
    stub = {
        "AccountService": room.accounts,
        "KeyService": room.keys,
        "CreditService": room.credit,
        "AuditService": room.audit,
        "MemberService": room.members,
        "StatusService": room.status,
    }[service]
    answer = getattr(stub, name)(request, metadata=metadata)
    if hasattr(answer, "__aiter__"):
        [_ async for _ in answer]
    else:
        await answer


async def create_key(room: Room, account_id: str) -> str:
    created = await room.keys.CreateKey(
        auth_pb2.CreateKeyRequest(account_id=account_id), metadata=AS_OPERATOR
    )
    return str(created.key.key_id)


async def test_a_member_opens_the_own_account_and_nothing_of_anothers(room: Room) -> None:
    own, other = await create_account(room), await create_account(room)
    session = with_session(await invite(room, own, "ada@example.org"))
    keys = {account: await create_key(room, account) for account in (own, other)}

    for method, request in requests_of(own, keys[own]).items():
        await call(room, method, request, session)
    for method, request in requests_of(other, keys[other]).items():
        fault = await refused(call(room, method, request, session))
        assert fault.reason is Reason.NOT_FOUND, method
    assert {path.rpartition(".")[2] for path in OWN} == set(requests_of("", ""))


def other_methods() -> dict[str, Any]:
    """Every managed method that is not for members, with an empty request."""
    found: dict[str, Any] = {}
    for module in (auth_pb2, ledger_pb2, identity_pb2, status_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                if path.startswith(MANAGED) and path not in OWN:
                    name = f"{service.name}/{method.name}"
                    found[name] = getattr(module, method.input_type.name)()
    return found


async def test_a_member_calls_nothing_that_is_not_listed(room: Room) -> None:
    session = with_session(await invite(room, await create_account(room), "ada@example.org"))
    methods = other_methods()

    for method, request in methods.items():
        fault = await refused(call(room, method, request, session))
        assert fault.reason is Reason.NOT_AN_OPERATOR, method
    assert len(methods) >= 10


async def test_an_operators_session_opens_everything_and_is_named_in_the_audit_trail(
    room: Room,
) -> None:
    token = await create_link(room, "", "op@example.org", OPERATORS)
    session = with_session((await use_link(room, token, OPERATORS)).session_token)

    created = await room.accounts.CreateAccount(
        auth_pb2.CreateAccountRequest(name="Bob", product=auth_pb2.PRODUCT_API), metadata=session
    )
    audit = await room.audit.ListAudit(auth_pb2.ListAuditRequest(), metadata=session)

    newest = audit.entries[0]
    assert newest.account_id == created.account.account_id
    assert (newest.actor, newest.on_behalf_of) == ("panel", "operators:op@example.org")
    assert "member.link" in {entry.action for entry in audit.entries}


async def test_showing_a_secret_asks_for_the_password_again(room: Room) -> None:
    account_id = await create_account(room)
    key_id = await create_key(room, account_id)
    token = await invite(room, account_id, "ada@example.org")
    room.clock.ahead_s += 11 * 60
    requests = requests_of(account_id, key_id)

    for method in ("KeyService/CreateKey", "KeyService/ResetKey"):
        fault = await refused(call(room, method, requests[method], with_session(token)))
        assert fault.reason is Reason.CONFIRMATION_NEEDED
    wrong = identity_pb2.ConfirmSessionRequest(session_token=token, password="wrong")
    right = identity_pb2.ConfirmSessionRequest(session_token=token, password=PASSWORD)
    fault = await refused(room.identity.ConfirmSession(wrong, metadata=AS_EDGE))
    assert fault.reason is Reason.SIGN_IN_REFUSED
    await room.identity.ConfirmSession(right, metadata=AS_EDGE)

    await call(room, "KeyService/ResetKey", requests["KeyService/ResetKey"], with_session(token))


async def test_a_session_without_the_service_token_opens_nothing(room: Room) -> None:
    account_id = await create_account(room)
    token = await invite(room, account_id, "ada@example.org")
    request = auth_pb2.GetAccountRequest(account_id=account_id)

    stolen = await refused(room.accounts.GetAccount(request, metadata=((SESSION_KEY, token),)))
    made_up = await refused(room.accounts.GetAccount(request, metadata=with_session("made-up")))
    outside = await refused(
        room.identity.CheckSession(identity_pb2.CheckSessionRequest(session_token=token))
    )

    assert stolen.reason is made_up.reason is Reason.SESSION_ENDED
    assert outside.reason is Reason.SERVICE_TOKEN_INVALID


async def test_the_store_holds_no_token_and_no_password(room: Room) -> None:
    account_id = await create_account(room)
    link = await create_link(room, account_id, "bob@example.org")
    token = await invite(room, account_id, "ada@example.org")
    await refused(sign_in(room, "ada@example.org", "a wrong password"))

    client = room.store.connection.client
    kept = []
    for key in await client.keys("*"):
        kept.append(key)
        if await client.type(key) == "string":
            kept.append(await client.get(key))
        elif await client.type(key) == "stream":
            kept.append(str(await client.xrange(key)))
    text = "\n".join(kept)

    assert "$argon2id$" in text
    for secret in (link, token, PASSWORD, "a wrong password"):
        assert secret not in text


async def test_links_are_for_accounts_of_the_realms_product(room: Room) -> None:
    account_id = await create_account(room, auth_pb2.PRODUCT_CREDITS)

    for realm, owner in ((API, account_id), (OPERATORS, account_id), (CREDITS, "acc_none")):
        with pytest.raises(grpc.aio.AioRpcError):
            await create_link(room, owner, "ada@example.org", realm)
    assert await create_link(room, account_id, "ada@example.org", CREDITS)
    other = await create_account(room, auth_pb2.PRODUCT_CREDITS)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await create_link(room, other, "ada@example.org", CREDITS)
    assert fault_of(raised.value).reason is Reason.CONFLICT
