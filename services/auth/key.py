"""Key records: everything known of a key but the key itself. Pure.

::

    active ──revoke──▶ revoked
       └──time────────▶ expired        (expires_at passed; nothing is written)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault

MAX_GRACE_S: Final = 86_400
MAX_LABEL_LENGTH: Final = 200


class KeyState(StrEnum):
    """What may be seen of a key's life."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key; ``masked`` is all that remains of its text. Times in seconds since the epoch."""

    key_id: str
    account_id: str
    masked: str
    digest: str
    label: str = ""
    revoked: bool = False
    created_at: float = 0.0
    expires_at: float | None = None

    def state(self, now: float) -> KeyState:
        """The state at ``now``."""
        if self.revoked:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.ACTIVE


def check_usable(key: Key, now: float) -> None:
    """ServiceFault unless the key opens anything at ``now``."""
    state = key.state(now)
    if state is KeyState.REVOKED:
        raise ServiceFault(Reason.KEY_REVOKED, "The key is not valid.")
    if state is KeyState.EXPIRED:
        raise ServiceFault(Reason.KEY_EXPIRED, "The key is not valid.")
