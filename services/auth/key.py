"""Key records: everything known of a key but the key itself. Pure.

::

    active ──revoke──▶ revoked
       └──time────────▶ expired        (expires_at passed; nothing is written)
"""

from __future__ import annotations

import hmac
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
    """One key; ``masked`` is all that remains of its text. Times in seconds since the epoch.

    ``models`` are those of the account's it may use, ``networks`` those it may be used from
    (CIDR); empty means all.
    """

    key_id: str
    account_id: str
    masked: str
    digest: str
    label: str = ""
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    revoked: bool = False
    created_at: float = 0.0
    expires_at: float | None = None
    last_used_at: float | None = None
    previous_digest: str = ""

    def is_known_by(self, digest: bytes) -> bool:
        """Whether this is a digest of the key, under the current pepper or the one before."""
        given = digest.hex()
        return any(hmac.compare_digest(own, given) for own in (self.digest, self.previous_digest))

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
