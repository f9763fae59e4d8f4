"""Grants: short-lived signed proofs of admission that travel with a request.

Layout: ``kid "." payload "." mac`` in one byte string, payload and mac base64url; the MAC is
HMAC-SHA256 over ``kid "." payload``. The key id is inside what is signed, so rotating keys is a
matter of adding the new one first, then making it current, then dropping the old one.
"""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault

# A grant travels with every request of its key while it is good, so it is opened once.
_REMEMBERED: Final = 1_024


class Grant(msgspec.Struct, frozen=True):
    """What a holder may have the relay do; ``expires_at`` in seconds since the epoch."""

    account_id: str
    key_id: str
    lease_id: str
    product: str
    models: tuple[str, ...]
    thinking: bool
    upstreams: tuple[str, ...]
    expires_at: float
    prepaid: bool = False

    def allows_model(self, model: str) -> bool:
        """Whether ``model`` is one of the grant's (exact, or a prefix before a trailing "*")."""
        return matches_model(self.models, model)


def matches_model(patterns: tuple[str, ...], model: str) -> bool:
    """Exact ids or a trailing "*"; no patterns at all allow no model."""
    for pattern in patterns:
        if pattern == model or (pattern[-1:] == "*" and model.startswith(pattern[:-1])):
            return True
    return False


def parse_keys(text: str) -> dict[str, bytes]:
    """``kid:base64,kid2:…`` → keys in order, the signing one first.

    ValueError where one is malformed or short.
    """
    keys: dict[str, bytes] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        kid, _, encoded = part.partition(":")
        key = base64.b64decode(encoded, validate=True)
        if not kid or "." in kid or len(key) < 32:
            raise ValueError("a key is kid:base64 with at least 32 bytes")
        keys[kid] = key
    if not keys:
        raise ValueError("at least one key is needed")
    return keys


class Signer:
    """Signs with the current key and verifies with any known one."""

    def __init__(self, keys: dict[str, bytes], current: str | None = None) -> None:
        self._keys = keys
        self._current = current or next(iter(keys))
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Grant)
        self._opened = lru_cache(_REMEMBERED)(self._open)

    def sign(self, grant: Grant) -> bytes:
        """The grant as bytes that ``verify`` accepts."""
        payload = base64.urlsafe_b64encode(self._encoder.encode(grant)).rstrip(b"=")
        signed = self._current.encode() + b"." + payload
        return signed + b"." + self._mac(self._current, signed)

    def verify(self, data: bytes, now: float) -> Grant:
        """The grant; ServiceFault GRANT_INVALID where it is forged, foreign or expired."""
        grant = self._opened(data)
        if grant.expires_at < now:
            raise ServiceFault(Reason.GRANT_INVALID, "The grant has expired.")
        return grant

    def _open(self, data: bytes) -> Grant:
        """The grant, whether or not it is still good; ServiceFault where it is none of ours."""
        signed, _, mac = data.rpartition(b".")
        kid, _, payload = signed.partition(b".")
        name = kid.decode("ascii", "replace")
        if name not in self._keys or not hmac.compare_digest(mac, self._mac(name, signed)):
            raise ServiceFault(Reason.GRANT_INVALID, "The grant is not valid.")
        return self._decoder.decode(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))

    def _mac(self, kid: str, signed: bytes) -> bytes:
        digest = hmac.digest(self._keys[kid], signed, "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=")
