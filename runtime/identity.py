"""Request ids: ours, one through every hop and into the journal."""

from __future__ import annotations

import os
from binascii import b2a_base64
from typing import Final

_DIGITS: Final = 24


def new_request_id() -> str:
    """``req_`` and 24 base62 characters (142 bits)."""
    digits = b""
    while len(digits) < _DIGITS:  # base64 without its two marks; more than enough is left of 32
        digits = b2a_base64(os.urandom(_DIGITS)).translate(None, b"+/\n")
    return "req_" + digits[:_DIGITS].decode()
