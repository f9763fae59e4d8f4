"""An OpenID Connect provider as this process speaks with it, and what it believes of an id token.

::

    discovery ─▶ where to send the browser ─▶ (the browser comes back with a code)
              ─▶ code + verifier for tokens ─▶ id token: signature, issuer, audience, time, nonce

Addresses come from the provider's own description, which must name the configured issuer. What it
sends is bounded in size and time; redirects are not followed. No token is kept or logged.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger

# Signatures by a key of the provider's own; none that a shared secret could make.
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
SCOPE: Final = "openid email"
CALL_S: Final = 5.0
DESCRIPTION_S: Final = 600.0
LEEWAY_S: Final = 60
MAX_ANSWER_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Who we are to the provider. ``name`` stands on the button."""

    issuer: str
    client_id: str
    client_secret: SecretText | None
    name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody the provider vouches for; ``subject`` names them there for good."""

    subject: str
    email: str


class Description(msgspec.Struct, frozen=True):
    """What we read of ``/.well-known/openid-configuration``."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class OidcProvider:
    """Over a client of its own; close it at the end. What it raises is ServiceFault."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._client = httpx.AsyncClient(timeout=CALL_S, follow_redirects=False)
        self._description: Description | None = None
        self._described_at = 0.0
        self._keys: KeySet | None = None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def address(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent to sign in."""
        endpoint = (await self._describe()).authorization_endpoint
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.settings.client_id,
                "redirect_uri": redirect_uri,
                "scope": SCOPE,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge_of(verifier),
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    async def redeem(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Identity:
        """Who came back with this code; SIGN_IN_REFUSED where the provider does not say so."""
        description = await self._describe()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self.settings.client_id,
        }
        options: dict[str, Any] = {}
        if self.settings.client_secret is not None:
            secret = self.settings.client_secret.reveal()
            if "client_secret_basic" in description.token_endpoint_auth_methods_supported:
                options["auth"] = httpx.BasicAuth(self.settings.client_id, secret)
            else:
                form["client_secret"] = secret
        answer = await self._read("POST", description.token_endpoint, data=form, **options)
        try:
            token = msgspec.json.decode(answer, type=_Tokens).id_token
        except msgspec.DecodeError:
            raise refuse("no id token") from None
        return self._identify(await self._claims(token), nonce)

    async def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token the provider signed; a key we do not know yet is looked for."""
        keys = self._keys or await self._fetch_keys()
        try:
            return _decode(token, keys)
        except InvalidKeyIdError:
            try:
                return _decode(token, await self._fetch_keys())
            except (JoseError, ValueError) as error:
                raise refuse(type(error).__name__) from None
        except (JoseError, ValueError) as error:
            raise refuse(type(error).__name__) from None

    def _identify(self, claims: dict[str, Any], nonce: str) -> Identity:
        client_id = self.settings.client_id
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
            email={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise refuse(str(error)) from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != client_id:
            raise refuse("the token is another party's")
        if claims.get("azp", client_id) != client_id:
            raise refuse("the token is another party's")
        if claims.get("email_verified") is not True:
            raise refuse("the address is not verified")
        subject = hashlib.sha256(f"{self.settings.issuer}\0{claims['sub']}".encode()).hexdigest()
        return Identity(subject, str(claims["email"]))

    async def _describe(self) -> Description:
        now = self._clock()
        if self._description is not None and now - self._described_at < DESCRIPTION_S:
            return self._description
        issuer = self.settings.issuer
        answer = await self._read("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            found = msgspec.json.decode(answer, type=Description)
        except msgspec.DecodeError:
            raise _away("its description cannot be read") from None
        if found.issuer != issuer:
            raise _away("its description is of another issuer")
        if not all(
            is_safe(url)
            for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        ):
            raise _away("its description names an address without TLS")
        self._description, self._described_at = found, now
        return found

    async def _fetch_keys(self) -> KeySet:
        answer = await self._read("GET", (await self._describe()).jwks_uri)
        try:
            self._keys = KeySet.import_key_set(msgspec.json.decode(answer))
        except (msgspec.DecodeError, JoseError, ValueError, KeyError, TypeError):
            raise _away("its keys cannot be read") from None
        return self._keys

    async def _read(self, method: str, url: str, **options: Any) -> bytes:
        """The body of a good answer, within bounds."""
        body = bytearray()
        try:
            async with self._client.stream(method, url, **options) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        raise _away("it sends too much")
        except httpx.HTTPError as error:
            raise _away(type(error).__name__) from None
        if answer.status_code == httpx.codes.OK:
            return bytes(body)
        # A code that is not good is the visitor's affair; anything else is the provider's or ours.
        if answer.status_code == httpx.codes.BAD_REQUEST and b"invalid_grant" in body:
            raise refuse("the code is not good")
        raise _away(f"it answers {answer.status_code}")


def challenge_of(verifier: str) -> str:
    """The S256 challenge of RFC 7636."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_safe(url: str) -> bool:
    """Whether an address is reached by TLS, or without leaving this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"


def refuse(why: str) -> ServiceFault:
    """One refusal for every reason; which one it was stands in the log."""
    get_logger().warning("oidc sign-in refused", why=why)
    return ServiceFault(
        Reason.SIGN_IN_REFUSED,
        "The sign-in with the provider did not work.",
        metadata={"param": "oidc"},
    )


def _decode(token: str, keys: KeySet) -> dict[str, Any]:
    return jwt.decode(token, keys, algorithms=ALGORITHMS).claims


def _away(why: str) -> ServiceFault:
    get_logger().warning("oidc provider away", why=why)
    return ServiceFault(
        Reason.UPSTREAM_UNREACHABLE, "The sign-in provider cannot be reached.", retry_after_s=5
    )
