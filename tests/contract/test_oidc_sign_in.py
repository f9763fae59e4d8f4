"""Sign-in by an OpenID Connect provider: a real one, over HTTP, with tokens it really signed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc.aio
import httpx
import pytest

from gatebeyz.identity.v1 import identity_pb2
from runtime.config import load_config
from runtime.faults import Reason, fault_of
from services.auth.config import AuthConfig
from services.auth.oidc_sign_in import open_offer
from tests.contract.identity_room import (
    API,
    AS_EDGE,
    AS_OPERATOR,
    CREDITS,
    OPERATORS,
    Room,
    check,
    create_account,
    create_link,
    invite,
    refused,
    serving,
    sign_in,
    use_link,
)
from tests.doubles.oidc import EMAIL
from tests.oidc_process import OidcProcess, running_provider

RETURN = "https://panel.example/sign-in/return"
SECRETS = ("GATEBEYZ_PEPPER", "GATEBEYZ_OPERATOR_TOKEN", "GATEBEYZ_SERVICE_TOKEN")
REQUIRED = {
    **dict.fromkeys(SECRETS, "x" * 32),
    "GATEBEYZ_GRANT_KEYS": "k1:" + "x" * 44,
    "GATEBEYZ_CATALOG": "catalog.yaml",
}


@pytest.fixture(scope="module")
def _provider() -> Iterator[OidcProcess]:
    with running_provider() as process:
        yield process


@pytest.fixture
def provider(_provider: OidcProcess) -> OidcProcess:
    _provider.control()
    return _provider


@pytest.fixture
async def room(redis_url: str, provider: OidcProcess) -> AsyncIterator[Room]:
    offer = open_offer(load_config(AuthConfig, REQUIRED | provider.environ()))
    async with serving(redis_url, offer) as one:
        yield one


async def begin(room: Room, realm: int = API, visitor: str = "192.0.2.1") -> Any:
    request = identity_pb2.BeginOidcRequest(
        realm=realm,  # type: ignore[arg-type]
        redirect_uri=RETURN,
        client_address=visitor,
    )
    return await room.identity.BeginOidc(request, metadata=AS_EDGE)


async def visit(url: str) -> dict[str, str]:
    """What the provider sends the browser back with."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(url)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(RETURN + "?")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: query[name][0] for name in ("state", "code")}


def finish(room: Room, token: str, state: str, code: str, realm: int = API) -> Any:
    request = identity_pb2.FinishOidcRequest(
        realm=realm,  # type: ignore[arg-type]
        attempt_token=token,
        state=state,
        code=code,
    )
    return room.identity.FinishOidc(request, metadata=AS_EDGE)


async def sign_in_there(room: Room, realm: int = API) -> Any:
    begun = await begin(room, realm)
    return await finish(room, begun.attempt_token, **await visit(begun.url), realm=realm)


async def is_refused(call: Any) -> None:
    fault = await refused(call)
    assert fault.reason is Reason.SIGN_IN_REFUSED
    assert fault.metadata["param"] == "oidc"


async def test_a_member_whose_address_is_vouched_for_is_signed_in(room: Room) -> None:
    account_id = await create_account(room)
    await invite(room, account_id, "Ada@Example.org")

    signed = await sign_in_there(room)

    member = (await check(room, signed.session_token)).session.member
    assert (member.email, member.account_id) == (EMAIL, account_id)


async def test_nobody_becomes_a_member_by_it(room: Room) -> None:
    await is_refused(sign_in_there(room))
    listed = await room.members.ListMembers(
        identity_pb2.ListMembersRequest(realm=API), metadata=AS_OPERATOR
    )
    assert not listed.members


async def test_a_member_of_one_product_is_none_of_the_other(room: Room) -> None:
    await invite(room, await create_account(room), EMAIL)

    await is_refused(sign_in_there(room, CREDITS))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://somebody.else.example"},
        {"aud": "another-client"},
        {"aud": ["gatebeyz-tests", "another-client"]},
        {"azp": "another-client"},
        {"nonce": "of-another-attempt"},
        {"nonce": None},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"iat": None},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"sub": ""},
        {"email": None},
        {"email": "not an address"},
        {"email": "somebody.else@example.org"},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
    ids=str,
)
async def test_a_token_that_says_anything_else_opens_nothing(
    room: Room, provider: OidcProcess, claims: dict[str, Any]
) -> None:
    await invite(room, await create_account(room), EMAIL)
    provider.control(claims=claims)

    await is_refused(sign_in_there(room))


async def test_a_token_for_several_parties_names_us_as_the_one(
    room: Room, provider: OidcProcess
) -> None:
    await invite(room, await create_account(room), EMAIL)
    provider.control(claims={"aud": ["gatebeyz-tests", "another"], "azp": "gatebeyz-tests"})

    assert (await sign_in_there(room)).session_token


async def test_rotated_keys_are_found_without_a_wait(room: Room, provider: OidcProcess) -> None:
    await invite(room, await create_account(room), EMAIL)
    for kind in ("RSA", "EC", "RSA"):
        provider.control(rotate=kind)

        assert (await sign_in_there(room)).session_token


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
async def test_a_token_that_anybody_could_make_opens_nothing(
    room: Room, provider: OidcProcess, algorithm: str
) -> None:
    await invite(room, await create_account(room), EMAIL)
    provider.control(algorithm=algorithm)

    await is_refused(sign_in_there(room))


async def test_only_the_browser_that_left_may_come_back_and_once(room: Room) -> None:
    await invite(room, await create_account(room), EMAIL)
    mine, others = await begin(room), await begin(room)
    back = await visit(mine.url)

    await is_refused(finish(room, others.attempt_token, **back))
    await is_refused(finish(room, "", **back))
    await is_refused(finish(room, mine.attempt_token, back["state"], "another-code"))
    again = await visit((begun := await begin(room)).url)
    assert (await finish(room, begun.attempt_token, **again)).session_token
    await is_refused(finish(room, begun.attempt_token, **again))


async def test_an_attempt_is_of_one_realm(room: Room) -> None:
    await invite(room, await create_account(room), EMAIL)
    begun = await begin(room, CREDITS)

    await is_refused(finish(room, begun.attempt_token, **await visit(begun.url), realm=API))


async def test_an_address_that_was_given_to_somebody_else_opens_nothing(
    room: Room, provider: OidcProcess
) -> None:
    account_id = await create_account(room)
    await invite(room, account_id, EMAIL)
    assert (await sign_in_there(room)).session_token
    provider.control(claims={"sub": "the-next-ada"})

    await is_refused(sign_in_there(room))

    # An operator lets them in anew, and so does the provider from then on.
    await use_link(room, await create_link(room, account_id, EMAIL))
    assert (await sign_in_there(room)).session_token
    assert (await sign_in(room, EMAIL)).session_token


async def test_attempts_are_counted_by_visitor(room: Room) -> None:
    for _ in range(30):
        await begin(room, visitor="192.0.2.7")

    assert (await refused(begin(room, visitor="192.0.2.7"))).reason is Reason.RATE_LIMITED
    assert (await begin(room, visitor="192.0.2.8")).url


async def test_a_provider_that_fails_is_told_from_a_refusal(
    room: Room, provider: OidcProcess
) -> None:
    await invite(room, await create_account(room), EMAIL)
    provider.control(away=True)

    fault = await refused(sign_in_there(room))

    assert fault.reason is Reason.UPSTREAM_UNREACHABLE


async def test_a_site_that_does_not_offer_it_knows_nothing_of_it(room: Room) -> None:
    async def name(realm: int) -> str:
        request = identity_pb2.FindOidcRequest(realm=realm)  # type: ignore[arg-type]
        return str((await room.identity.FindOidc(request, metadata=AS_EDGE)).name)

    assert [await name(realm) for realm in (API, CREDITS, OPERATORS)] == [
        "Example ID",
        "Example ID",
        "",
    ]
    assert (await refused(begin(room, OPERATORS))).reason is Reason.NOT_FOUND


async def test_without_a_provider_there_is_none(redis_url: str) -> None:
    async with serving(redis_url) as room:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await begin(room)

    assert fault_of(caught.value).reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"GATEBEYZ_OIDC_ISSUER": "http://id.example.org"}, "GATEBEYZ_OIDC_ISSUER"),
        ({"GATEBEYZ_OIDC_CLIENT_ID": ""}, "GATEBEYZ_OIDC_CLIENT_ID"),
        ({"GATEBEYZ_OIDC_REALMS": "api,everyone"}, "GATEBEYZ_OIDC_REALMS"),
    ],
)
def test_a_configuration_that_cannot_hold_ends_the_start(
    change: dict[str, str], sentence: str
) -> None:
    environ = REQUIRED | OidcProcess("https://id.example.org").environ() | change
    with pytest.raises(SystemExit) as caught:
        open_offer(load_config(AuthConfig, environ))

    assert sentence in str(caught.value)
