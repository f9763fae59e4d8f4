"""Request ids: ours, one through every hop and into the journal."""

from __future__ import annotations

import os
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_request_id() -> str:
    """``req_`` and 24 base62 characters (142 bits)."""
    number = int.from_bytes(os.urandom(18))
    digits = []
    for _ in range(24):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "req_" + "".join(digits)
