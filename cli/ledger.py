"""``gatebeyz ledger``."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC
from typing import Any, Final

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from cli.money import EXPORT_COLUMNS, balance_rows, dollars, entry_row, export_row, parse_dollars
from cli.session import open_session
from cli.table import align, show
from gatebeyz.ledger.v1 import ledger_pb2
from laptop.operator_client import OperatorClient

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
# Verifying or exporting a large ledger takes its time; nothing else waits for it.
LONG_S: Final = 3_600.0


@click.group("ledger")
def ledger() -> None:
    """Grant credits, show balances and usage, prove and export the journal."""


@ledger.command("grant")
@click.argument("account_id")
@click.argument("payment_reference")
@click.option("--pack", default="", help="A pack of the catalog.")
@click.option("--amount", type=parse_dollars, help="Dollars, where it is not the pack's credit.")
@click.option("--expires-at", type=_WHEN, help="UTC, where it is not the pack's validity.")
@_JSON
def grant(
    account_id: str,
    payment_reference: str,
    pack: str,
    amount: int | None,
    expires_at: Any,
    as_json: bool,
) -> None:
    """Add credits to an account, once for each payment reference."""
    request = ledger_pb2.GrantCreditsRequest(
        account_id=account_id,
        payment_reference=payment_reference,
        pack=pack,
        amount_micros=amount or 0,
        expires_at=_stamp(expires_at),
    )

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.credit.GrantCredits, request)

    answer = open_session().run(work)
    if answer.repeated and not as_json:
        click.echo("This payment was granted before; nothing changed.")
    show([answer.balance], balance_rows([answer.balance]), as_json=as_json)


@ledger.command("balance")
@click.argument("account_id")
@_JSON
def balance(account_id: str, as_json: bool) -> None:
    """Show a wallet."""
    request = ledger_pb2.GetBalanceRequest(account_id=account_id)

    async def work(client: OperatorClient) -> Any:
        return await client.call(client.credit.GetBalance, request)

    found = open_session().run(work).balance
    show([found], balance_rows([found]), as_json=as_json)


@ledger.command("usage")
@click.argument("account_id")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--from", "since", type=_WHEN, help="Recorded at or after, UTC.")
@click.option("--until", type=_WHEN, help="Recorded before, UTC.")
@_JSON
def usage(account_id: str, limit: int, since: Any, until: Any, as_json: bool) -> None:
    """Show what an account used, newest first."""
    request = ledger_pb2.ListUsageRequest(
        account_id=account_id,
        limit=limit,
        until=_stamp(until),
        **{"from": _stamp(since)},  # type: ignore[arg-type]
    )

    async def work(client: OperatorClient) -> Any:
        stream = client.stream(client.credit.ListUsage, request, LONG_S)
        return [message.entry async for message in stream]

    entries = open_session().run(work)
    head = ["RECORDED", "KIND", "MODEL", "INPUT", "OUTPUT", "SPENT", "SHORT", "REQUEST"]
    show(entries, [head, *map(entry_row, entries)], as_json=as_json)


@ledger.command("verify")
@_JSON
def verify(as_json: bool) -> None:
    """Recompute every wallet from the journal; exits with 1 where a sum does not come out."""

    async def work(client: OperatorClient) -> Any:
        request = ledger_pb2.VerifyLedgerRequest()
        stream = client.stream(client.credit.VerifyLedger, request, LONG_S)
        return [report async for report in stream]

    *reports, total = open_session().run(work)
    differences = [one for report in reports for one in report.differences]
    if as_json:
        show(differences, [], as_json=True)
    else:
        rows = [
            [one.account_id, one.name, dollars(one.expected_micros), dollars(one.found_micros)]
            for one in differences
        ]
        for line in align([["ACCOUNT", "SUM", "EXPECTED", "FOUND"], *rows]) if rows else []:
            click.echo(line)
        click.echo(
            f"{total.wallets} wallets, {total.entries} entries of the journal: "
            f"{len(differences) or 'no'} differences. "
            f"Spent {dollars(total.total.spent_micros)}, held {dollars(total.total.held_micros)}, "
            f"remaining {dollars(total.total.remaining_micros)}, "
            f"short {dollars(total.total.short_micros)}."
        )
    if differences:
        sys.exit(1)


@ledger.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv")
@click.option("--account", "account_id", default="", help="One account alone.")
@click.option("--from", "since", type=_WHEN, help="Recorded at or after, UTC.")
@click.option("--until", type=_WHEN, help="Recorded before, UTC.")
def export(form: str, account_id: str, since: Any, until: Any) -> None:
    """Write the journal to standard output, oldest first within a partition."""
    request = ledger_pb2.ExportJournalRequest(
        account_id=account_id,
        until=_stamp(until),
        **{"from": _stamp(since)},
    )

    async def work(client: OperatorClient) -> None:
        stream = client.stream(client.credit.ExportJournal, request, LONG_S)
        write = _WRITERS[form]
        await write(entry async for message in stream for entry in message.entries)

    open_session().run(work)


async def _write_csv(entries: AsyncIterator[ledger_pb2.Entry]) -> None:
    _write_row(EXPORT_COLUMNS)
    async for entry in entries:
        _write_row(export_row(entry))


def _write_row(cells: Sequence[str | int]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    click.echo(line.getvalue(), nl=False)


async def _write_jsonl(entries: AsyncIterator[ledger_pb2.Entry]) -> None:
    async for entry in entries:
        fields: dict[str, Any] = MessageToDict(entry, preserving_proto_field_name=True)
        click.echo(json.dumps(fields, ensure_ascii=False))


_WRITERS: Final[dict[str, Callable[[AsyncIterator[ledger_pb2.Entry]], Awaitable[None]]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}


def _stamp(moment: Any) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment.replace(tzinfo=UTC))
    return stamp
