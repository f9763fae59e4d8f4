"""``gatebeyz keys``."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import click
from google.protobuf.field_mask_pb2 import FieldMask

from cli.session import open_session
from cli.table import key_rows, show, timestamp_of
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_MODELS = click.option("--model", "models", multiple=True, help="Of those the account has.")
_NETWORKS = click.option("--network", "networks", multiple=True, help="May be used from (CIDR).")
_EXPIRES_AT = click.option(
    "--expires-at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]), help="In UTC."
)
_MAX_GRACE_S = 86_400


@click.group("keys")
def keys() -> None:
    """Create, list, change, reset and revoke keys."""


@keys.command("create")
@click.argument("account_id")
@click.option("--label", default="")
@_MODELS
@_NETWORKS
@_EXPIRES_AT
@_JSON
def create(account_id: str, as_json: bool, **fields: Any) -> None:
    """Create a key. Its secret is shown now and never again."""
    request = auth_pb2.CreateKeyRequest(account_id=account_id, **_given(fields))

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.keys.CreateKey, request)

    _show_new(open_session().run(work), as_json=as_json)


@keys.command("list")
@click.argument("account_id")
@_JSON
def list_keys(account_id: str, as_json: bool) -> None:
    """List an account's keys, masked."""
    found = open_session().run(lambda client: client.list_keys(account_id))
    show(found, key_rows(found), as_json=as_json)


@keys.command("update")
@click.argument("key_id")
@click.option("--label")
@_MODELS
@_NETWORKS
@_EXPIRES_AT
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=click.Choice(["models", "networks", "expires-at"]),
    help="Take a restriction away.",
)
@_JSON
def update(key_id: str, as_json: bool, cleared: tuple[str, ...], **fields: Any) -> None:
    """Change what is given, and nothing else; holders know within a second."""
    given = _given(fields)
    paths = [*given, *(name.replace("-", "_") for name in cleared)]
    if not paths or len(set(paths)) != len(paths):
        raise click.UsageError("say what to change, each once")
    request = auth_pb2.UpdateKeyRequest(
        key=auth_pb2.Key(key_id=key_id, **given), update_mask=FieldMask(paths=paths)
    )

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.keys.UpdateKey, request)

    key = open_session().run(work).key
    show([key], key_rows([key]), as_json=as_json)


@keys.command("reset")
@click.argument("key_id")
@click.option(
    "--grace-s",
    type=click.IntRange(0, _MAX_GRACE_S),
    default=0,
    show_default=True,
    help="Seconds the old secret keeps working.",
)
@click.option(
    "--request-id", default="", help="Repeating a reset with the same id changes nothing."
)
@_JSON
def reset(key_id: str, grace_s: int, request_id: str, as_json: bool) -> None:
    """Give a key a new secret. It is shown now and never again."""
    request = auth_pb2.ResetKeyRequest(
        key_id=key_id, grace_s=grace_s, request_id=request_id or secrets.token_hex(16)
    )

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.keys.ResetKey, request)

    _show_new(open_session().run(work), as_json=as_json)


@keys.command("revoke")
@click.argument("key_id")
@_JSON
def revoke(key_id: str, as_json: bool) -> None:
    """End a key now; its running streams end too."""
    request = auth_pb2.RevokeKeyRequest(key_id=key_id)

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.keys.RevokeKey, request)

    key = open_session().run(work).key
    show([key], key_rows([key]), as_json=as_json)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as fields of a key."""
    found = {name: value for name, value in fields.items() if value not in (None, ())}
    moment: datetime | None = found.get("expires_at")
    return found if moment is None else {**found, "expires_at": timestamp_of(moment)}


def _show_new(answer: Any, *, as_json: bool) -> None:
    """A key with its secret, on a line of its own."""
    if as_json:
        show([answer], [], as_json=True)
        return
    show([answer.key], key_rows([answer.key]), as_json=False)
    click.echo(f"\n{answer.secret}")
