"""The keys callers present: minted, checked, digested and masked.

A key is ``sk-gb-`` + ``pl-`` (plan) or ``cr-`` (credits) + 43 base62 characters (256 random bits)
+ 6 base62 characters, the CRC32 of everything before them. The checksum turns typing errors and
junk away before any look-up; it proves nothing. At rest only a peppered digest is kept, so a
stolen store opens nothing, and a fast hash is enough because there is no guessing 256 bits.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import secrets
from binascii import crc32
from typing import Final, NoReturn

API: Final = "api"
CREDITS: Final = "credits"

_PREFIXES: Final = {API: "sk-gb-pl-", CREDITS: "sk-gb-cr-"}
_PRODUCTS: Final = {prefix: product for product, prefix in _PREFIXES.items()}
_PREFIX_LENGTH: Final = len("sk-gb-pl-")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_BLOCK: Final = 64  # of SHA-256
_SHAPE: Final = re.compile(r"sk-gb-(?:pl|cr)-[0-9A-Za-z]{49}")
_VISIBLE: Final = 4


class SecretKey:
    """A whole key on its way to the one answer that shows it: masked wherever it is printed."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def reveal(self) -> str:
        """The key itself."""
        return self._key

    def __repr__(self) -> str:
        return f"SecretKey({mask(self._key)})"

    def __str__(self) -> str:
        return mask(self._key)

    def __format__(self, spec: str) -> str:
        return format(mask(self._key), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretKey):
            return NotImplemented
        return hmac.compare_digest(_as_bytes(self._key), _as_bytes(other._key))

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not serialised")


def mint(product: str) -> str:
    """A new key of a product ("api" or "credits"); KeyError for any other name."""
    body = _PREFIXES[product] + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def digest(key: str, pepper: bytes) -> bytes:
    """HMAC-SHA256 of a key under a pepper: 32 bytes, the only form that is stored or sent."""
    begun = _begun(pepper)
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(_as_bytes(key))
    outer.update(inner.digest())
    return outer.digest()


@functools.lru_cache(maxsize=4)
def _begun(pepper: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """HMAC's two hashes with the pepper taken in (RFC 2104): most of what a short text costs."""
    short = hashlib.sha256(pepper).digest() if len(pepper) > _BLOCK else pepper
    block = short.ljust(_BLOCK, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    return inner, outer


def mask(key: str) -> str:
    """The form that may be shown: the prefix and the last four of the random part.

    Text that is not a key shows nothing of itself.
    """
    if not looks_valid(key):
        return "sk-gb-…"
    return f"{key[:_PREFIX_LENGTH]}…{key[-_CHECKSUM_LENGTH - _VISIBLE : -_CHECKSUM_LENGTH]}"


def looks_valid(key: str) -> bool:
    """Whether the shape and the checksum are right; says nothing of whether the key exists."""
    if _SHAPE.fullmatch(key) is None:
        return False
    return _checksum(key[:-_CHECKSUM_LENGTH]) == key[-_CHECKSUM_LENGTH:]


def product_of(key: str) -> str | None:
    """The product a key's prefix names, or None where it names none."""
    return _PRODUCTS.get(key[:_PREFIX_LENGTH])


def _checksum(body: str) -> str:
    value = crc32(body.encode("ascii"))
    letters = []
    for _ in range(_CHECKSUM_LENGTH):
        value, index = divmod(value, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(reversed(letters))


def _as_bytes(key: str) -> bytes:
    # A header may carry any text, lone surrogates included; hashing it must not raise.
    return key.encode("utf-8", "surrogatepass")
