"""``gatebeyz members``."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from cli.session import open_session
from cli.table import format_time, show
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from laptop.operator_client import OperatorClient

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
# Where the site of a realm stands, as the edge is told.
_SITES: Final = {
    identity_pb2.REALM_API: "GATEBEYZ_PANEL_URL",
    identity_pb2.REALM_CREDITS: "GATEBEYZ_CREDITS_PANEL_URL",
    identity_pb2.REALM_OPERATORS: "GATEBEYZ_OPERATOR_URL",
}


@click.group("members")
def members() -> None:
    """Let people sign in to the panels and the console."""


@members.command("link")
@click.argument("email")
@click.option("--account", "account_id", default="", help="The account it is for.")
@click.option("--operator", is_flag=True, help="For the operator's console instead.")
@click.option("--sign-in", is_flag=True, help="Signs in without setting a password.")
@_JSON
def link(email: str, account_id: str, operator: bool, sign_in: bool, as_json: bool) -> None:
    """Make a one-time link for EMAIL: an invitation, or recovery of a lost password."""
    if operator == bool(account_id):
        raise click.UsageError("Give either --account or --operator.")

    async def work(client: OperatorClient) -> tuple[identity_pb2.Realm, Any]:
        realm = await _realm_of(client, account_id) if account_id else identity_pb2.REALM_OPERATORS
        request = identity_pb2.CreateLinkRequest(
            realm=realm,
            email=email,
            account_id=account_id,
            kind=identity_pb2.LINK_KIND_SIGN_IN if sign_in else identity_pb2.LINK_KIND_PASSWORD,
        )
        return realm, await client.call(client.members.CreateLink, request)

    realm, made = open_session().run(work)
    if as_json:
        show([made], [], as_json=True)
        return
    click.echo(f"{os.environ.get(_SITES[realm], '')}/link/{made.link_token}")
    click.echo(f"It works once, until {format_time(made.expires_at)}.", err=True)


@members.command("list")
@click.option("--account", "account_id", default="", help="Of this account; else the operators.")
@_JSON
def list_members(account_id: str, as_json: bool) -> None:
    """List who may sign in."""
    request = identity_pb2.ListMembersRequest(
        account_id=account_id, realm=identity_pb2.REALM_OPERATORS
    )

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.members.ListMembers, request)

    found = open_session().run(work).members
    head = ["MEMBER", "PASSWORD", "CREATED", "E-MAIL"]
    rows = [
        [one.member_id, "set" if one.has_password else "-", format_time(one.created_at), one.email]
        for one in found
    ]
    show(found, [head, *rows], as_json=as_json)


@members.command("remove")
@click.argument("member_id")
def remove(member_id: str) -> None:
    """End every session of a member and forget the address."""
    request = identity_pb2.RemoveMemberRequest(member_id=member_id)

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.members.RemoveMember, request)

    open_session().run(work)
    click.echo(f"{member_id} removed")


async def _realm_of(client: OperatorClient, account_id: str) -> identity_pb2.Realm:
    """The panel an account's members sign in to."""
    request = auth_pb2.GetAccountRequest(account_id=account_id)
    answer = await client.call(client.accounts.GetAccount, request)
    is_api = answer.account.product == auth_pb2.PRODUCT_API
    return identity_pb2.REALM_API if is_api else identity_pb2.REALM_CREDITS
