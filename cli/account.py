"""``gatebeyz accounts``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from google.protobuf.field_mask_pb2 import FieldMask

from admission.allowance import FIELDS
from cli.session import open_session
from cli.table import PRODUCTS, STATES, access_rows, account_rows, show, timestamp_of
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])
# Fields that stand in place of the plan's, and may be taken back.
_CLEARABLE: Final = (
    "models",
    "thinking",
    "limits",
    "monthly_tokens",
    "reset_day",
    "upstreams",
    "expires_at",
)
_Command = Callable[..., None]


def _account_options(command: _Command) -> _Command:
    """What may be said of an account when it is created or changed."""
    options = (
        click.option("--plan", help="A plan of the catalog."),
        click.option("--model", "models", multiple=True, help="In place of the plan's models."),
        click.option("--thinking/--no-thinking", default=None, help="In place of the plan's."),
        click.option("--upstream", "upstreams", multiple=True, help="Assigned, in this order."),
        *(
            click.option(f"--{name.replace('_', '-')}", type=click.IntRange(0))
            for name in (*FIELDS, "monthly_tokens")
        ),
        click.option("--reset-day", type=click.IntRange(1, 28), help="When the quota begins anew."),
        click.option("--expires-at", type=_TIME, help="In UTC."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group("accounts")
def accounts() -> None:
    """Create, list, show and change accounts."""


@accounts.command("create")
@click.argument("name")
@click.option("--product", type=click.Choice(list(PRODUCTS)), default="api", show_default=True)
@_account_options
@_JSON
def create(name: str, product: str, as_json: bool, **fields: Any) -> None:
    """Create an account; what is not given is as the plan says.

    A limit of 0 means unlimited. One limit given stands in place of all four of the plan's.
    """
    request = auth_pb2.CreateAccountRequest(name=name, product=PRODUCTS[product], **_given(fields))
    _show_changed(lambda client: client.call(client.accounts.CreateAccount, request), as_json)


@accounts.command("list")
@_JSON
def list_accounts(as_json: bool) -> None:
    """List every account."""
    found = open_session().run(lambda client: client.list_accounts())
    show(found, account_rows(found), as_json=as_json)


@accounts.command("show")
@click.argument("account_id")
@_JSON
def show_account(account_id: str, as_json: bool) -> None:
    """Show one account, and what it may use now."""
    request = auth_pb2.GetAccountRequest(account_id=account_id)

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.accounts.GetAccount, request)

    answer = open_session().run(work)
    if as_json:
        show([answer], [], as_json=True)
        return
    show([answer.account], account_rows([answer.account]), as_json=False)
    if answer.access:
        click.echo()
        show(answer.access, access_rows(answer.access), as_json=False)


@accounts.command("set-state")
@click.argument("account_id")
@click.argument("state", type=click.Choice(list(STATES)))
@_JSON
def set_state(account_id: str, state: str, as_json: bool) -> None:
    """Make an account active, under-review, suspended or expired."""
    _update(account_id, {"state": STATES[state]}, ["state"], as_json)


@accounts.command("update")
@click.argument("account_id")
@click.option("--name")
@_account_options
@click.option(
    "--as-plan",
    "cleared",
    multiple=True,
    type=click.Choice([name.replace("_", "-") for name in _CLEARABLE]),
    help="Take a field back: it is as the plan says from now on.",
)
@_JSON
def update(account_id: str, as_json: bool, cleared: tuple[str, ...], **fields: Any) -> None:
    """Change what is given, and nothing else; holders know within a second."""
    given = _given(fields)
    paths = [*given, *(name.replace("-", "_") for name in cleared)]
    if not paths:
        raise click.UsageError("say what to change")
    if len(set(paths)) != len(paths):
        raise click.UsageError("a field is changed or taken back, not both")
    _update(account_id, given, paths, as_json)


@accounts.command("override")
@click.argument("account_id")
@click.argument("model")
@click.option("--allow", "effect", flag_value="allow")
@click.option("--deny", "effect", flag_value="deny")
@click.option("--remove", "effect", flag_value="remove", help="Take an override away.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="How long it holds.")
@click.option("--until", type=_TIME, help="When it ends, in UTC.")
@_JSON
def override(
    account_id: str,
    model: str,
    effect: str | None,
    hours: float | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Allow or deny MODEL (an id, or with a * at its end) for a time, whatever the plan says."""
    if effect is None:
        raise click.UsageError("say --allow, --deny or --remove")
    wanted = auth_pb2.ModelOverride(model=model, allowed=effect == "allow")
    if effect != "remove":
        if (hours is None) == (until is None):
            raise click.UsageError("say when it ends: --hours or --until")
        end = until or datetime.now(UTC) + timedelta(hours=hours or 0)
        wanted.ends_at.CopyFrom(timestamp_of(end))
    request = auth_pb2.OverrideModelAccessRequest(account_id=account_id, override=wanted)
    _show_changed(lambda client: client.call(client.accounts.OverrideModelAccess, request), as_json)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as fields of an account."""
    found = {name: value for name, value in fields.items() if value not in (None, ())}
    limits = {name: found.pop(name) for name in FIELDS if name in found}
    if limits:
        found["limits"] = auth_pb2.Limits(**limits)
    if "expires_at" in found:
        found["expires_at"] = timestamp_of(found["expires_at"])
    return found


def _update(account_id: str, fields: dict[str, Any], paths: list[str], as_json: bool) -> None:
    request = auth_pb2.UpdateAccountRequest(
        account=auth_pb2.Account(account_id=account_id, **fields),
        update_mask=FieldMask(paths=paths),
    )
    _show_changed(lambda client: client.call(client.accounts.UpdateAccount, request), as_json)


def _show_changed(work: Callable[[OperatorClient], Awaitable[Any]], as_json: bool) -> None:
    account = open_session().run(work).account
    show([account], account_rows([account]), as_json=as_json)
