"""A small OpenID Connect provider: discovery, keys, codes with PKCE, signed id tokens.

It lets whoever comes in at once. ``POST /control`` tells it what is wrong from now on: ``claims``
replace those of the next tokens (null leaves one out), ``rotate`` makes a new key, ``away`` makes
its token endpoint fail. Run as ``python -m tests.doubles.oidc PORT``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID = "gatebeyz-tests"
CLIENT_SECRET = "the-clients-own-phrase-of-the-tests"
EMAIL = "ada@example.org"
SUBJECT = "ada-at-the-provider"


@dataclass
class Provider:
    """Its keys, the codes it gave out, and what it is told to do wrong."""

    issuer: str
    key: RSAKey | ECKey = field(default_factory=lambda: new_key("RSA"))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    algorithm: str = ""
    is_away: bool = False

    async def describe(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            }
        )

    async def keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(query["scope"].split())
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(query)
        back = urlencode({"code": code, "state": query["state"]})
        raise web.HTTPSeeOther(f"{query['redirect_uri']}?{back}")

    async def token(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.json_response({"error": "server_error"}, status=503)
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return web.json_response({"error": "invalid_client"}, status=401)
        form = await request.post()
        asked = self.codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        challenge = _encode(digest).decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "unused", "token_type": "Bearer", "id_token": self.sign(asked)}
        )

    def sign(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": EMAIL,
            "email_verified": True,
        } | self.claims
        stated = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm:
            return forge(self.algorithm, self.key, stated)
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        return jwt.encode({"alg": algorithm, "kid": self.key.kid}, stated, self.key)

    async def control(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.claims = order.get("claims", {})
        self.algorithm = order.get("algorithm", "")
        self.is_away = order.get("away", False)
        if kind := order.get("rotate"):
            self.key = new_key(kind)
        return web.Response()


def forge(algorithm: str, key: RSAKey | ECKey, claims: dict[str, Any]) -> str:
    """What anybody can make: no signature, or one with the public key as a shared secret."""
    header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    signed = b".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    mac = b""
    if algorithm == "HS256":
        mac = hmac.digest(key.as_pem(private=False), signed, "sha256")
    return b".".join((signed, _encode(mac))).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def new_key(kind: str) -> RSAKey | ECKey:
    """A key with an id of its own."""
    options = {"kid": secrets.token_hex(4), "use": "sig"}
    if kind == "RSA":
        return RSAKey.generate_key(2048, options)  # type: ignore[arg-type]
    return ECKey.generate_key("P-256", options)  # type: ignore[arg-type]


def create_app(issuer: str) -> web.Application:
    provider = Provider(issuer)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.describe)
    app.router.add_get("/keys", provider.keys)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    app.router.add_post("/control", provider.control)
    return app


if __name__ == "__main__":
    port = int(sys.argv[1])
    web.run_app(create_app(f"http://127.0.0.1:{port}"), host="127.0.0.1", port=port, print=None)
