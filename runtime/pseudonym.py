"""What providers learn of who asks: a stable pseudonym, never an account id or a client's word.

A provider binds thinking to the end user and bans by it, so the name must stay the same for an
account's whole life: the key behind it is never rotated.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Final

_HEX: Final = 32
# A name is asked for with every request, and never changes.
_REMEMBERED: Final = 4_096


class Pseudonyms:
    """Names accounts and upstreams to those who must tell them apart and learn no more."""

    __slots__ = ("_digest",)

    def __init__(self, key: str) -> None:
        secret = key.encode()

        @lru_cache(_REMEMBERED)
        def digest(kind: str, name: str) -> str:
            return hmac.digest(secret, f"{kind}:{name}".encode(), "sha256").hex()[:_HEX]

        self._digest = digest

    def of_account(self, account_id: str) -> str:
        """``gb_`` and 32 hexadecimal digits."""
        return f"gb_{self._digest('account', account_id)}"

    def of_upstream(self, name: str) -> str:
        """``up_`` and 32 hexadecimal digits."""
        return f"up_{self._digest('upstream', name)}"
