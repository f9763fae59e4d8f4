"""Micro-dollars, wallets and entries of the journal as a terminal or a spreadsheet reads them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

import click

from cli.table import format_time
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2

MICROS: Final = 1_000_000
_TOKENS: Final = (
    "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens", "reasoning_tokens",
)  # fmt: skip
_TEXTS: Final = (
    "account_id", "request_id", "key_id", "model", "upstream", "upstream_model",
)  # fmt: skip
_MICROS: Final = (
    "cost_micros", "granted_micros", "spent_micros", "short_micros", "expired_micros",
)  # fmt: skip
EXPORT_COLUMNS: Final = (
    *("sequence", "recorded_at", "kind"),
    *_TEXTS,
    *("end", "started_at", "total_ms", "attempts", "prepaid", "estimated"),
    *_TOKENS,
    *_MICROS,
    *("pack_id", "payment_reference"),
)


def dollars(micros: int) -> str:
    """To the cent where that is exact, else to the micro-dollar."""
    sign, whole = "-" if micros < 0 else "", abs(micros)
    cents = f"{whole // MICROS}.{whole % MICROS:06d}"
    return f"{sign}${cents.removesuffix('0000')}"


def parse_dollars(text: str) -> int:
    """An amount of dollars in micros; click's usage error where it is none."""
    try:
        micros = Decimal(text.lstrip("$")) * MICROS
        if micros.is_finite() and micros == micros.to_integral_value() and micros > 0:
            return int(micros)
    except InvalidOperation:
        pass
    raise click.BadParameter(f"{text!r} is not an amount of dollars of at most six decimals")


def balance_rows(balances: Sequence[ledger_pb2.Balance]) -> list[list[str]]:
    """A head row and one row for each wallet."""
    head = ["ACCOUNT", "REMAINING", "HELD", "SPENT", "EXPIRED", "GRANTED", "SHORT"]
    return [head, *(_balance_row(balance) for balance in balances)]


def entry_row(entry: ledger_pb2.Entry) -> list[str]:
    """An entry as the command shows it."""
    usage = entry.usage
    total = usage.input_tokens + usage.cache_read_tokens
    total += usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return [
        format_time(entry.recorded_at),
        _kind(entry),
        entry.model or "-",
        f"{total:,}",
        f"{usage.output_tokens:,}{'~' if usage.estimated else ''}",
        dollars(entry.spent_micros),
        dollars(entry.short_micros),
        entry.request_id or entry.payment_reference or entry.pack_id,
    ]


def export_row(entry: ledger_pb2.Entry) -> list[str | int]:
    """An entry in the order of EXPORT_COLUMNS."""
    usage = entry.usage
    started = entry.started_at.ToJsonString() if entry.HasField("started_at") else ""
    return [
        *(entry.sequence, entry.recorded_at.ToJsonString(), _kind(entry)),
        *(_plain(getattr(entry, name)) for name in _TEXTS),
        inference_pb2.End.Name(entry.end).removeprefix("END_").lower(),
        *(started, entry.total_ms, entry.attempts, int(entry.prepaid), int(usage.estimated)),
        *(getattr(usage, name) for name in _TOKENS),
        *(getattr(entry, name) for name in _MICROS),
        *(_plain(entry.pack_id), _plain(entry.payment_reference)),
    ]


def _balance_row(balance: ledger_pb2.Balance) -> list[str]:
    return [
        balance.account_id,
        dollars(balance.remaining_micros),
        dollars(balance.held_micros),
        dollars(balance.spent_micros),
        dollars(balance.expired_micros),
        dollars(balance.granted_micros),
        dollars(balance.short_micros),
    ]


def _kind(entry: ledger_pb2.Entry) -> str:
    name: str = ledger_pb2.EntryKind.Name(entry.kind)
    return name.removeprefix("ENTRY_KIND_").lower()


def _plain(text: str) -> str:
    """A spreadsheet must not take a customer's text for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
