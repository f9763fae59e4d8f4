"""Ledger values ↔ protos."""

from __future__ import annotations

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from services.auth.ledger.pricing import Bound, Tokens
from services.auth.ledger.settlement import Certainty, RequestName, Settlement
from services.auth.ledger.wallet import Entry, Pack, Wallet

_ENDS: Final = frozenset(inference_pb2.End.values())
_KINDS: Final = {
    "grant": ledger_pb2.ENTRY_KIND_GRANT,
    "settle": ledger_pb2.ENTRY_KIND_SETTLE,
    "void": ledger_pb2.ENTRY_KIND_VOID,
    "expire": ledger_pb2.ENTRY_KIND_EXPIRE,
}
_STATES: Final = {
    -1: ledger_pb2.HOLD_STATE_EXHAUSTED,
    0: ledger_pb2.HOLD_STATE_MISSING,
    1: ledger_pb2.HOLD_STATE_OPEN,
    2: ledger_pb2.HOLD_STATE_CLOSED,
    3: ledger_pb2.HOLD_STATE_CLOSED,
}


def parse_name(
    message: ledger_pb2.HoldRequest | ledger_pb2.HoldProgress | ledger_pb2.VoidedHold,
) -> RequestName:
    """Which request is meant."""
    return RequestName(
        request_id=message.request_id,
        account_id=message.account_id,
        key_id=message.key_id,
        model=message.model,
    )


def parse_bound(message: ledger_pb2.Bound) -> Bound:
    """The most a request can use."""
    return Bound(
        input=message.input_tokens,
        output=message.output_tokens,
        writes_cache_5m=message.writes_cache_5m,
        writes_cache_1h=message.writes_cache_1h,
    )


def parse_usage(usage: inference_pb2.Usage) -> Tokens:
    """Neutral usage as the ledger counts it."""
    return Tokens(
        input=usage.input_tokens,
        cache_read=usage.cache_read_tokens,
        cache_write_5m=usage.cache_write_5m_tokens,
        cache_write_1h=usage.cache_write_1h_tokens,
        output=usage.output_tokens,
        reasoning=usage.reasoning_tokens,
    )


def parse_settlement(message: ledger_pb2.Settlement) -> Settlement:
    """One settlement."""
    is_estimate = message.usage.estimated
    return Settlement(
        request_id=message.request_id,
        account_id=message.account_id,
        key_id=message.key_id,
        model=message.model,
        upstream=message.upstream,
        upstream_model=message.upstream_model,
        end=inference_pb2.End.Name(message.end) if message.end in _ENDS else "END_UNSPECIFIED",
        certainty=Certainty.ESTIMATED if is_estimate else Certainty.EXACT,
        started_ms=message.started_at.ToMilliseconds(),
        total_ms=message.total_ms,
        attempts=message.attempts,
        prepaid=message.prepaid,
        tokens=parse_usage(message.usage),
    )


def render_state(state: int) -> ledger_pb2.HoldState:
    """The store's answer about a hold."""
    return _STATES[state]


def render_balance(account_id: str, wallet: Wallet) -> ledger_pb2.Balance:
    """A wallet as operators see it."""
    return ledger_pb2.Balance(
        account_id=account_id,
        granted_micros=wallet.granted,
        spent_micros=wallet.spent,
        held_micros=wallet.held,
        expired_micros=wallet.expired,
        remaining_micros=wallet.remaining,
        short_micros=wallet.short,
    )


def render_pack(pack: Pack) -> ledger_pb2.Pack:
    """A pack as operators see it."""
    return ledger_pb2.Pack(
        pack_id=pack.pack_id,
        name=pack.name,
        payment_reference=pack.reference,
        granted_micros=pack.granted,
        spent_micros=pack.spent,
        expired_micros=pack.expired,
        remaining_micros=pack.remaining,
        granted_at=render_time(pack.granted_ms),
        expires_at=None if pack.expires_ms is None else render_time(pack.expires_ms),
    )


def render_entry(entry: Entry) -> ledger_pb2.Entry:
    """One line of the journal."""
    is_request = bool(entry.request_id)
    return ledger_pb2.Entry(
        sequence=entry.sequence,
        recorded_at=render_time(entry.recorded_ms),
        kind=_KINDS.get(entry.kind, ledger_pb2.ENTRY_KIND_UNSPECIFIED),
        account_id=entry.account_id,
        request_id=entry.request_id,
        key_id=entry.key_id,
        model=entry.model,
        upstream=entry.upstream,
        upstream_model=entry.upstream_model,
        end=entry.end or None,
        started_at=render_time(entry.started_ms) if entry.started_ms else None,
        total_ms=entry.total_ms,
        attempts=entry.attempts,
        prepaid=entry.prepaid,
        usage=_render_usage(entry.tokens, entry.state) if is_request else None,
        cost_micros=entry.cost,
        granted_micros=entry.granted,
        spent_micros=entry.spent,
        short_micros=entry.short,
        expired_micros=entry.expired,
        pack_id=entry.pack_id,
        payment_reference=entry.reference,
    )


def render_rollup(day: str, counters: dict[str, int]) -> ledger_pb2.Rollup:
    """A day ("YYYYMMDD") of counters: in all, "model/<id>/<name>" and "key/<id>/<name>"."""
    rollup = ledger_pb2.Rollup(day=f"{day[:4]}-{day[4:6]}-{day[6:]}")
    for field, amount in counters.items():
        scope, _, name = field.rpartition("/")
        kind, _, group = scope.partition("/")
        if kind == "model":
            _add(rollup.by_model[group], name, amount)
        elif kind == "key":
            _add(rollup.by_key[group], name, amount)
        else:
            _add(rollup.total, name, amount)
    return rollup


def _add(totals: ledger_pb2.Totals, name: str, amount: int) -> None:
    if name.endswith("_tokens"):
        setattr(totals.usage, name, amount)
    elif name == "requests":
        totals.requests = amount
    else:
        setattr(totals, f"{name}_micros", amount)


def _render_usage(tokens: Tokens, state: int) -> inference_pb2.Usage:
    return inference_pb2.Usage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cache_read,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        reasoning_tokens=tokens.reasoning,
        estimated=state == Certainty.ESTIMATED,
    )


def render_time(milliseconds: int) -> Timestamp:
    """Milliseconds since the epoch as a Timestamp."""
    stamp = Timestamp()
    stamp.FromMilliseconds(milliseconds)
    return stamp
