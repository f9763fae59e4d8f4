"""``gatebeyz audit``."""

from __future__ import annotations

import click

from cli.session import open_session
from cli.table import audit_rows, show
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient


@click.group("audit")
def audit() -> None:
    """Who changed what, and when."""


@audit.command("list")
@click.option("--account", "account_id", default="", help="Of one account only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_audit(account_id: str, limit: int, as_json: bool) -> None:
    """List the newest changes first."""

    async def work(client: OperatorClient) -> list[auth_pb2.AuditEntry]:
        found: list[auth_pb2.AuditEntry] = []
        request = auth_pb2.ListAuditRequest(account_id=account_id, page_size=limit)
        while len(found) < limit:
            page = await client.call(client.audit.ListAudit, request)
            found.extend(page.entries)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return found[:limit]

    entries = open_session().run(work)
    show(entries, audit_rows(entries), as_json=as_json)
