"""``gatebeyz relays``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.session import open_session
from cli.table import format_time, show
from gatebeyz.status.v1 import status_pb2
from laptop.operator_client import OperatorClient

CONDITIONS = {
    status_pb2.CONDITION_WELL: "answers",
    status_pb2.CONDITION_FAILING: "failing",
    status_pb2.CONDITION_DOWN: "down",
}


@click.command("relays")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def relays(as_json: bool) -> None:
    """Show how each relay sees the upstreams it asked, as of a moment ago."""

    async def work(client: OperatorClient) -> Sequence[status_pb2.Relay]:
        answer = await client.call(client.status.ListRelays, status_pb2.ListRelaysRequest())
        found: Sequence[status_pb2.Relay] = answer.relays
        return found

    found = open_session().run(work)
    show(found, relay_rows(found), as_json=as_json)


def relay_rows(relays: Sequence[status_pb2.Relay]) -> list[list[str]]:
    """A head row and one row for each upstream of each relay."""
    head = ["RELAY", "UPSTREAM", "STATE", "IN A ROW", "LAST ANSWER", "LAST FAILURE", ""]
    return [
        head,
        *(_row(relay.relay_id, upstream) for relay in relays for upstream in relay.upstreams),
    ]


def _row(relay_id: str, upstream: status_pb2.Upstream) -> list[str]:
    return [
        relay_id,
        upstream.name,
        CONDITIONS.get(upstream.condition, "-"),
        str(upstream.failures or "-"),
        format_time(upstream.answered_at) if upstream.HasField("answered_at") else "-",
        format_time(upstream.failed_at) if upstream.HasField("failed_at") else "-",
        upstream.last_failure or "-",
    ]
