"""Accounts, keys and the audit trail as a terminal or a program reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gatebeyz.auth.v1 import auth_pb2

PRODUCTS = {"api": auth_pb2.PRODUCT_API, "credits": auth_pb2.PRODUCT_CREDITS}
STATES = {
    "active": auth_pb2.ACCOUNT_STATE_ACTIVE,
    "under-review": auth_pb2.ACCOUNT_STATE_UNDER_REVIEW,
    "suspended": auth_pb2.ACCOUNT_STATE_SUSPENDED,
    "expired": auth_pb2.ACCOUNT_STATE_EXPIRED,
}

AS_PLAN = "plan"


def show(messages: Sequence[Message], rows: Sequence[Sequence[str]], *, as_json: bool) -> None:
    """Prints ``rows``, or every message as one JSON line."""
    if as_json:
        for message in messages:
            fields: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
            click.echo(json.dumps(fields, ensure_ascii=False))
        return
    for line in align(rows):
        click.echo(line)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines whose columns stand under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def account_rows(accounts: Sequence[auth_pb2.Account]) -> list[list[str]]:
    """A head row and one row for each account."""
    head = ["ACCOUNT", "PRODUCT", "STATE", "PLAN", "THINKING", "MODELS", "CREATED", "NAME"]
    return [head, *(_account_row(account) for account in accounts)]


def _account_row(account: auth_pb2.Account) -> list[str]:
    return [
        account.account_id,
        _word(PRODUCTS, account.product),
        _word(STATES, account.state),
        account.plan or "-",
        ("yes" if account.thinking else "no") if account.HasField("thinking") else AS_PLAN,
        ",".join(account.models) or AS_PLAN,
        format_time(account.created_at),
        account.name,
    ]


def access_rows(access: Sequence[auth_pb2.ModelAccess]) -> list[list[str]]:
    """A head row and one row for each model."""
    head = ["MODEL", "ALLOWED", "DECIDED BY", "UNTIL"]
    return [head, *(_access_row(one) for one in access)]


def _access_row(access: auth_pb2.ModelAccess) -> list[str]:
    until = format_time(access.until) if access.HasField("until") else "-"
    return [access.model, "yes" if access.allowed else "no", access.decided_by.lower(), until]


def audit_rows(entries: Sequence[auth_pb2.AuditEntry]) -> list[list[str]]:
    """A head row and one row for each change."""
    head = ["TIME", "ACTOR", "ACTION", "ACCOUNT", "KEY", "DETAIL"]
    return [head, *(_audit_row(entry) for entry in entries)]


def _audit_row(entry: auth_pb2.AuditEntry) -> list[str]:
    actor = f"{entry.actor} for {entry.on_behalf_of}" if entry.on_behalf_of else entry.actor
    return [
        format_time(entry.at),
        actor,
        entry.action,
        entry.account_id,
        entry.key_id or "-",
        entry.detail,
    ]


def key_rows(keys: Sequence[auth_pb2.Key]) -> list[list[str]]:
    """A head row and one row for each key."""
    head = ["KEY", "SECRET", "STATE", "CREATED", "EXPIRES", "LAST USED", "LABEL"]
    return [head, *(_key_row(key) for key in keys)]


def _key_row(key: auth_pb2.Key) -> list[str]:
    expires = format_time(key.expires_at) if key.HasField("expires_at") else "never"
    used = format_time(key.last_used_at) if key.HasField("last_used_at") else "never"
    created = format_time(key.created_at)
    return [key.key_id, key.masked, key.state, created, expires, used, key.label]


def format_time(moment: Timestamp) -> str:
    """Minutes, in UTC."""
    return moment.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%MZ")


def timestamp_of(moment: datetime) -> Timestamp:
    """A moment; one without a zone is in UTC."""
    stamp = Timestamp()
    stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return stamp


def _word(words: dict[str, Any], value: int) -> str:
    return next((word for word, number in words.items() if number == value), str(value))
