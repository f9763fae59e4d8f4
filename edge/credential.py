"""The caller's key, out of the two headers it may stand in."""

from __future__ import annotations

from typing import Final

from admission.credential import looks_valid
from runtime.faults import Reason, ServiceFault

MAX_KEY_LENGTH: Final = 512


def key_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The key; ServiceFault KEY_UNKNOWN where none, several different, or a malformed one stands.

    Both headers may be sent with the same key; two different keys are ambiguous and refused.
    """
    keys: set[bytes] = set()
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.strip())
        elif name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                keys.add(token.strip())
    keys.discard(b"")
    if len(keys) > 1:
        raise ServiceFault(
            Reason.INVALID_REQUEST,
            "Two different API keys were sent. Send one, as x-api-key or as a bearer token.",
        )
    key = next(iter(keys), b"")
    try:
        text = key.decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if len(text) > MAX_KEY_LENGTH or not looks_valid(text):
        raise ServiceFault(Reason.KEY_UNKNOWN, "The API key is not valid.")
    return text
