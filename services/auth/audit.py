"""The audit trail: who changed what, and when. Pure.

An entry is written in the same atomic step as its change and never altered. It names keys by their
public id and holds no secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

MAX_DETAIL_LENGTH: Final = 1000
FIELDS: Final = ("actor", "on_behalf_of", "action", "account_id", "key_id", "detail")


class Operator(msgspec.Struct, frozen=True):
    """Who asks for a change: the credential's name, and for whom, where for somebody."""

    actor: str
    on_behalf_of: str = ""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change. ``sequence`` and ``at`` are the store's, once it is written."""

    actor: str
    on_behalf_of: str
    action: str
    account_id: str
    key_id: str = ""
    detail: str = ""
    sequence: str = ""
    at: float = 0.0

    def fields(self) -> tuple[str, ...]:
        """What the store keeps, in the order of FIELDS."""
        return tuple(getattr(self, name) for name in FIELDS)


def entry_of(
    operator: Operator, action: str, account_id: str, *, key_id: str = "", detail: str = ""
) -> AuditEntry:
    """An entry not yet written."""
    return AuditEntry(
        actor=operator.actor,
        on_behalf_of=operator.on_behalf_of,
        action=action,
        account_id=account_id,
        key_id=key_id,
        detail=detail[:MAX_DETAIL_LENGTH],
    )


def describe(before: msgspec.Struct, after: msgspec.Struct, names: Iterable[str]) -> str:
    """The fields that changed, as ``name: old -> new; …``."""
    changed = []
    for name in names:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changed.append(f"{name}: {_word(old)} -> {_word(new)}")
    return "; ".join(changed)


def _word(value: object) -> str:
    return msgspec.json.encode(value).decode()
