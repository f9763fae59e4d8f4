"""Settlements: what one request used, as it is recorded. Pure.

States form a lattice, none < open < estimated < exact, and only move up: a replay in any order
ends in the same record.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault
from services.auth.ledger.pricing import Bound, Tokens

MAX_NAME_LENGTH: Final = 200
MAX_TOKENS: Final = 10**12
# Above this a sum of amounts could leave what the store's scripts count exactly (2**53).
MAX_MICROS: Final = 10**15
# The first millisecond of the year 2100.
MAX_TIME_MS: Final = 4_102_444_800_000


class Certainty(IntEnum):
    """How far up the lattice a record stands; the values of the store's ``state``."""

    ESTIMATED = 2
    EXACT = 3


class RequestName(msgspec.Struct, frozen=True, kw_only=True):
    """Which request, whose, and what it runs on."""

    request_id: str
    account_id: str
    key_id: str
    model: str


class Settlement(RequestName, frozen=True, kw_only=True):
    """One request that reached an upstream; ``prepaid`` where the account's wallet pays."""

    upstream: str
    upstream_model: str
    end: str
    certainty: Certainty
    started_ms: int
    total_ms: int
    attempts: int
    prepaid: bool
    tokens: Tokens


def check_name(name: RequestName) -> None:
    """ServiceFault INVALID_REQUEST for a request whose record could not be found again."""
    for field in ("request_id", "account_id"):
        if not getattr(name, field):
            raise unfit(name, f"a request needs a {field}")
    for field in name.__struct_fields__:
        value = getattr(name, field)
        if isinstance(value, str) and (len(value) > MAX_NAME_LENGTH or not value.isprintable()):
            raise unfit(name, f"{field} is too long or not printable")
    # The index of open holds tells accounts and requests apart by the space between them.
    if " " in name.account_id:
        raise unfit(name, "account_id holds a space")


def check_recordable(settlement: Settlement) -> None:
    """ServiceFault INVALID_REQUEST for a record that would corrupt the ledger."""
    check_name(settlement)
    if not 0 < settlement.started_ms < MAX_TIME_MS:
        raise unfit(settlement, "started_at is out of range")
    check_tokens(settlement, settlement.tokens)


def check_tokens(name: RequestName, tokens: Tokens) -> None:
    """ServiceFault INVALID_REQUEST for a count nobody can have used."""
    if any(not 0 <= count <= MAX_TOKENS for count in tokens):
        raise unfit(name, "a token count is out of range")


def check_bound(name: RequestName, bound: Bound) -> None:
    """ServiceFault INVALID_REQUEST for a bound nobody can reach."""
    if not (0 <= bound.input <= MAX_TOKENS and 0 <= bound.output <= MAX_TOKENS):
        raise unfit(name, "a bound is out of range")


def check_cost(name: RequestName, micros: int) -> int:
    """The cost itself; ServiceFault INVALID_REQUEST where the store could not count it."""
    if micros > MAX_MICROS:
        raise unfit(name, "its cost is out of range")
    return micros


def unfit(name: RequestName, sentence: str) -> ServiceFault:
    """The refusal of a record."""
    return ServiceFault(
        Reason.INVALID_REQUEST,
        f"The request cannot be recorded: {sentence}.",
        metadata={"request_id": name.request_id[:MAX_NAME_LENGTH]},
    )
