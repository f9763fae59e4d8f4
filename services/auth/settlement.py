"""Settlements: what one request used, as it is recorded. Pure.

States form a lattice, none < estimated < exact, and only move up: a replay in any order ends in
the same record.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault

MAX_NAME_LENGTH: Final = 200
MAX_TOKENS: Final = 10**12
# The first millisecond of the year 2100.
MAX_TIME_MS: Final = 4_102_444_800_000


class Certainty(IntEnum):
    """How far up the lattice a record stands."""

    ESTIMATED = 1
    EXACT = 2


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """One request that reached an upstream; tokens are counted apart by what they cost."""

    request_id: str
    account_id: str
    key_id: str
    model: str
    upstream: str
    upstream_model: str
    end: str
    certainty: Certainty
    started_ms: int
    total_ms: int
    attempts: int
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def amounts(self) -> tuple[int, ...]:
        """Token counts in the order scripts/settle.lua names them."""
        return (
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.output_tokens,
            self.reasoning_tokens,
        )


def check_recordable(settlement: Settlement) -> None:
    """ServiceFault INVALID_REQUEST for a record that would corrupt the ledger."""
    for name in ("request_id", "account_id"):
        if not getattr(settlement, name):
            raise _unfit(settlement, f"a settlement needs a {name}")
    for name in ("request_id", "account_id", "key_id", "model", "upstream", "upstream_model"):
        if len(getattr(settlement, name)) > MAX_NAME_LENGTH:
            raise _unfit(settlement, f"{name} is too long")
    if not 0 < settlement.started_ms < MAX_TIME_MS:
        raise _unfit(settlement, "started_at is out of range")
    if any(not 0 <= amount <= MAX_TOKENS for amount in settlement.amounts()):
        raise _unfit(settlement, "a token count is out of range")


def _unfit(settlement: Settlement, sentence: str) -> ServiceFault:
    return ServiceFault(
        Reason.INVALID_REQUEST,
        f"The settlement cannot be recorded: {sentence}.",
        metadata={"request_id": settlement.request_id[:MAX_NAME_LENGTH]},
    )
