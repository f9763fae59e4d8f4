"""Accounts and keys as a terminal or a program reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
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
        "yes" if account.thinking else "no",
        ",".join(account.models) or "every",
        format_time(account.created_at),
        account.name,
    ]


def key_rows(keys: Sequence[auth_pb2.Key]) -> list[list[str]]:
    """A head row and one row for each key."""
    head = ["KEY", "SECRET", "STATE", "CREATED", "EXPIRES", "LABEL"]
    return [head, *(_key_row(key) for key in keys)]


def _key_row(key: auth_pb2.Key) -> list[str]:
    expires = format_time(key.expires_at) if key.HasField("expires_at") else "never"
    return [key.key_id, key.masked, key.state, format_time(key.created_at), expires, key.label]


def format_time(moment: Timestamp) -> str:
    """Minutes, in UTC."""
    return moment.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%MZ")


def _word(words: dict[str, Any], value: int) -> str:
    return next((word for word, number in words.items() if number == value), str(value))
