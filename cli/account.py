"""``gatebeyz accounts``."""

from __future__ import annotations

from typing import Any

import click

from cli.session import open_session
from cli.table import PRODUCTS, STATES, account_rows, show
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group("accounts")
def accounts() -> None:
    """Create, list, show and change accounts."""


@accounts.command("create")
@click.argument("name")
@click.option("--product", type=click.Choice(list(PRODUCTS)), default="api", show_default=True)
@click.option("--plan", default="", help="The plan's name.")
@click.option("--model", "models", multiple=True, help="A model it may use; none = every model.")
@click.option("--thinking/--no-thinking", default=True, show_default=True)
@click.option("--upstream", "upstreams", multiple=True, help="An upstream it is assigned to.")
@click.option("--requests-per-minute", type=click.IntRange(0), default=0)
@click.option("--input-tokens-per-minute", type=click.IntRange(0), default=0)
@click.option("--output-tokens-per-minute", type=click.IntRange(0), default=0)
@click.option("--concurrency", type=click.IntRange(0), default=0)
@_JSON
def create(
    name: str,
    product: str,
    plan: str,
    models: tuple[str, ...],
    thinking: bool,
    upstreams: tuple[str, ...],
    as_json: bool,
    **limits: int,
) -> None:
    """Create an account. A limit of 0 means unlimited."""
    request = auth_pb2.CreateAccountRequest(
        name=name,
        product=PRODUCTS[product],
        plan=plan,
        models=models,
        thinking=thinking,
        limits=auth_pb2.Limits(**limits),
        upstreams=upstreams,
    )

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.accounts.CreateAccount, request)

    account = open_session().run(work).account
    show([account], account_rows([account]), as_json=as_json)


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
    """Show one account."""
    account = open_session().run(lambda client: _get(client, account_id))
    show([account], account_rows([account]), as_json=as_json)


@accounts.command("set-state")
@click.argument("account_id")
@click.argument("state", type=click.Choice(list(STATES)))
@_JSON
def set_state(account_id: str, state: str, as_json: bool) -> None:
    """Make an account active, under-review, suspended or expired."""

    async def work(client: OperatorClient) -> Any:
        account = await _get(client, account_id)
        account.state = STATES[state]
        request = auth_pb2.UpdateAccountRequest(account=account)
        return await client.call(client.accounts.UpdateAccount, request)

    account = open_session().run(work).account
    show([account], account_rows([account]), as_json=as_json)


async def _get(client: OperatorClient, account_id: str) -> auth_pb2.Account:
    request = auth_pb2.GetAccountRequest(account_id=account_id)
    answer = await client.call(client.accounts.GetAccount, request)
    account: auth_pb2.Account = answer.account
    return account
