"""Sign-in with an OpenID Connect provider: what is kept between leaving and coming back.

The browser keeps an attempt's token in a cookie. The state that travels through the provider is
that token's hash, so that whoever sees an address on the way cannot come back with it, and nobody
can be made to come back with somebody else's. An attempt counts once, for ten minutes.

A provider vouches for an address; who is a member is ours to say. Nobody becomes one here.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from services.auth.member import MAX_TOKEN_LENGTH, Realm, hash_token, mint_token
from services.auth.member_session import QUARTER_S, Sessions, Signed, bucket_of_visitor
from services.auth.member_store import MemberStore
from services.auth.oidc import OidcProvider, OidcSettings, is_safe, refuse

ATTEMPT_S: Final = 600.0
# Of one visitor in a quarter of an hour.
ATTEMPTS: Final = 30
MAX_CODE_LENGTH: Final = 4096
MAX_URL_LENGTH: Final = 2048


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that was sent to the provider."""

    realm: Realm
    redirect_uri: str
    nonce: str
    verifier: str


class OidcConfig(Protocol):
    """What this module reads of the process's configuration."""

    @property
    def oidc_issuer(self) -> str: ...

    @property
    def oidc_client_id(self) -> str: ...

    @property
    def oidc_client_secret(self) -> SecretText | None: ...

    @property
    def oidc_name(self) -> str: ...

    @property
    def oidc_realms(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """The provider, where there is one, and the sites that offer it."""

    provider: OidcProvider | None = None
    realms: frozenset[Realm] = frozenset()


NO_OFFER: Final = Offer()


def open_offer(config: OidcConfig) -> Offer:
    """What is configured; exits with what is wrong with it."""
    if not config.oidc_issuer:
        return NO_OFFER
    if not is_safe(config.oidc_issuer):
        sys.exit("configuration: GATEBEYZ_OIDC_ISSUER begins with https://")
    if not config.oidc_client_id:
        sys.exit("configuration: GATEBEYZ_OIDC_CLIENT_ID is not set")
    try:
        realms = frozenset(map(Realm, config.oidc_realms))
    except ValueError:
        sys.exit(f"configuration: GATEBEYZ_OIDC_REALMS is of {', '.join(Realm)}")
    settings = OidcSettings(
        config.oidc_issuer, config.oidc_client_id, config.oidc_client_secret, config.oidc_name
    )
    return Offer(OidcProvider(settings), realms)


class OidcSignIn:
    """The two halves of a sign-in."""

    def __init__(self, offer: Offer, sessions: Sessions, store: MemberStore) -> None:
        self._provider = offer.provider
        self._realms = offer.realms
        self._sessions = sessions
        self._store = store

    def name(self, realm: Realm) -> str:
        """What to call the provider of a realm; "" where it has none."""
        if self._provider is None or realm not in self._realms:
            return ""
        return self._provider.settings.name

    async def close(self) -> None:
        """Let go of the provider."""
        if self._provider is not None:
            await self._provider.close()

    async def begin(self, realm: Realm, redirect_uri: str, visitor: str) -> tuple[str, str]:
        """Where to send a browser, and what it must bring back."""
        provider = self._of(realm)
        if not redirect_uri or len(redirect_uri) > MAX_URL_LENGTH:
            raise ServiceFault(Reason.INVALID_REQUEST, "Say where the browser comes back to.")
        wait_s = await self._store.take_attempt(
            [bucket_of_visitor("oidc", visitor, ATTEMPTS, QUARTER_S)]
        )
        if wait_s:
            raise ServiceFault(
                Reason.RATE_LIMITED, "Too many attempts. Wait a while.", retry_after_s=wait_s
            )
        token = mint_token()
        state = hash_token(token)
        attempt = Attempt(
            realm=realm, redirect_uri=redirect_uri, nonce=mint_token(), verifier=mint_token()
        )
        url = await provider.address(redirect_uri, state, attempt.nonce, attempt.verifier)
        await self._store.put_oidc_attempt(state, msgspec.json.encode(attempt).decode(), ATTEMPT_S)
        return url, token

    async def finish(self, realm: Realm, token: str, state: str, code: str) -> Signed:
        """A session for whoever the provider vouches for; SIGN_IN_REFUSED for anybody else."""
        provider = self._of(realm)
        if not 0 < len(token) <= MAX_TOKEN_LENGTH or not 0 < len(code) <= MAX_CODE_LENGTH:
            raise refuse("nothing was brought back")
        if hash_token(token) != state:
            raise refuse("another browser came back")
        record = await self._store.take_oidc_attempt(state)
        attempt = msgspec.json.decode(record, type=Attempt) if record else None
        if attempt is None or attempt.realm is not realm:
            raise refuse("the attempt is over")
        who = await provider.redeem(code, attempt.redirect_uri, attempt.nonce, attempt.verifier)
        signed = await self._sessions.vouch(realm, who.email, who.subject)
        if signed is None:
            raise refuse("nobody is known by that address")
        return signed

    def _of(self, realm: Realm) -> OidcProvider:
        if self._provider is None or realm not in self._realms:
            raise ServiceFault(Reason.NOT_FOUND, "There is no sign-in provider here.")
        return self._provider
