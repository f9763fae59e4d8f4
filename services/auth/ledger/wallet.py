"""Wallets, packs and the journal's entries, as the store keeps them. Pure.

A wallet is whole micro-dollars: granted = spent + held + expired + remaining, each at least zero.
``short`` stands outside: what was used beyond what the wallet could pay, the operator's loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.auth.ledger.pricing import Tokens

TOKEN_FIELDS: Final = tuple(f"{name}_tokens" for name in Tokens._fields)


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of an account at one instant, in micro-dollars."""

    granted: int = 0
    spent: int = 0
    held: int = 0
    expired: int = 0
    short: int = 0
    prices: str = ""

    @property
    def remaining(self) -> int:
        """What a new hold may take."""
        return self.granted - self.spent - self.held - self.expired


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """One purchase of credit; ``expires_ms`` None where it does not end."""

    pack_id: str
    name: str
    reference: str
    granted: int
    spent: int
    expired: int
    granted_ms: int
    expires_ms: int | None

    @property
    def remaining(self) -> int:
        """What it may still pay, open holds included."""
        return self.granted - self.spent - self.expired


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal; amounts are changes, so that a column's sum is the truth."""

    sequence: str
    kind: str
    account_id: str
    request_id: str = ""
    key_id: str = ""
    model: str = ""
    upstream: str = ""
    upstream_model: str = ""
    end: str = ""
    started_ms: int = 0
    total_ms: int = 0
    attempts: int = 0
    state: int = 0
    prepaid: bool = False
    cost: int = 0
    granted: int = 0
    spent: int = 0
    short: int = 0
    expired: int = 0
    pack_id: str = ""
    reference: str = ""
    tokens: Tokens = Tokens()

    @property
    def recorded_ms(self) -> int:
        """When it was written, on the store's clock."""
        return int(self.sequence.partition("-")[0])


@dataclass(frozen=True, slots=True)
class Hold:
    """What became of a hold: ``state`` as the store answers it, amounts in micro-dollars."""

    state: int
    held: int
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An account at one instant, with everything its wallet must agree with.

    ``base`` is what was folded out of the journal; ``packs`` sums granted, spent and expired of
    every pack; ``held`` sums the open holds.
    """

    account_id: str
    wallet: Wallet
    base: Wallet
    packs: tuple[int, int, int]
    held: int


_WALLET_AMOUNTS: Final = ("granted", "spent", "held", "expired", "short")
_TEXTS: Final = ("account_id", "request_id", "key_id", "model", "upstream", "upstream_model", "end")
_COUNTS: Final = (
    "started_ms", "total_ms", "attempts", "state", "cost", "granted", "spent", "short", "expired",
)  # fmt: skip


def read_wallet(fields: Mapping[str, str]) -> Wallet:
    """A wallet's hash; an empty one where there is none."""
    amounts: dict[str, Any] = {name: int(fields.get(name, 0)) for name in _WALLET_AMOUNTS}
    return Wallet(**amounts, prices=fields.get("prices", ""))


def read_packs(fields: Mapping[str, str]) -> list[Pack]:
    """The packs of a packs hash, in the order they are spent: the one that ends first at first."""
    ids = [name.removesuffix("/granted") for name in fields if _is_pack_field(name)]
    packs = [_read_pack(pack_id, fields) for pack_id in ids]
    return sorted(packs, key=lambda pack: (pack.expires_ms or float("inf"), pack.pack_id))


def read_entry(sequence: str, fields: Mapping[str, str]) -> Entry:
    """An entry of the journal; an empty field is zero."""
    known: dict[str, Any] = {name: fields[name] for name in _TEXTS}
    known |= {name: int(fields[name] or 0) for name in _COUNTS}
    return Entry(
        **known,
        sequence=sequence,
        kind=fields["kind"],
        prepaid=fields["prepaid"] == "1",
        pack_id=fields["pack_id"],
        reference=fields["reference"],
        tokens=Tokens(*(int(fields[name] or 0) for name in TOKEN_FIELDS)),
    )


def check_sums(snapshot: Snapshot) -> list[tuple[str, int, int]]:
    """What does not come out, as (name, expected, found); empty where all of it does."""
    wallet = snapshot.wallet
    granted, spent, expired = snapshot.packs
    pairs = [
        ("granted", granted, wallet.granted),
        ("spent", spent, wallet.spent),
        ("expired", expired, wallet.expired),
        ("held", snapshot.held, wallet.held),
    ]
    faults = [(name, expected, found) for name, expected, found in pairs if expected != found]
    for name in (*_WALLET_AMOUNTS, "remaining"):
        found = getattr(wallet, name)
        if found < 0:
            faults.append((name, 0, found))
    return faults


def _is_pack_field(name: str) -> bool:
    # A payment reference is the customer's text; it may look like anything but for its beginning.
    return name.startswith("pack_") and name.endswith("/granted")


def _read_pack(pack_id: str, fields: Mapping[str, str]) -> Pack:
    expires = fields.get(f"{pack_id}/expires_ms", "")
    return Pack(
        pack_id=pack_id,
        name=fields.get(f"{pack_id}/name", ""),
        reference=fields.get(f"{pack_id}/reference", ""),
        granted=int(fields[f"{pack_id}/granted"]),
        spent=int(fields.get(f"{pack_id}/spent", 0)),
        expired=int(fields.get(f"{pack_id}/expired", 0)),
        granted_ms=int(fields.get(f"{pack_id}/granted_ms", 0)),
        expires_ms=int(expires) if expires else None,
    )
