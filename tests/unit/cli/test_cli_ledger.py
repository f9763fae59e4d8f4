"""``gatebeyz ledger``, with a credit service that only remembers what it was asked."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import ledger
from cli.__main__ import main
from cli.money import dollars, parse_dollars
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from laptop.operator_client import OperatorClient
from runtime.config import SecretText

BALANCE = ledger_pb2.Balance(
    account_id="acc_1", granted_micros=5_000_000, spent_micros=1_234_567, remaining_micros=3_765_433
)
ENTRY = ledger_pb2.Entry(
    sequence="1700000000000-0",
    kind=ledger_pb2.ENTRY_KIND_SETTLE,
    account_id="acc_1",
    request_id="req_1",
    model="claude-x",
    end=inference_pb2.END_COMPLETE,
    usage=inference_pb2.Usage(input_tokens=5, cache_read_tokens=7, output_tokens=9),
    spent_micros=1_000,
    payment_reference="=1+1",
)
DIFFERENCE = ledger_pb2.Difference(
    account_id="acc_1", name="spent", expected_micros=15, found_micros=12
)


class Service:
    """Answers every RPC by name and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.differences: list[ledger_pb2.Difference] = []

    def GetBalance(self, request: Any, **_call: Any) -> Awaitable[Any]:  # noqa: N802
        return self._answer(request, ledger_pb2.GetBalanceResponse(balance=BALANCE))

    def GrantCredits(self, request: Any, **_call: Any) -> Awaitable[Any]:  # noqa: N802
        answer = ledger_pb2.GrantCreditsResponse(balance=BALANCE, repeated=True)
        return self._answer(request, answer)

    async def ListUsage(self, request: Any, **_call: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.asked.append(request)
        yield ledger_pb2.ListUsageResponse(entry=ENTRY)

    async def ExportJournal(self, request: Any, **_call: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.asked.append(request)
        yield ledger_pb2.ExportJournalResponse(entries=[ENTRY, ENTRY])

    async def VerifyLedger(self, request: Any, **_call: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.asked.append(request)
        yield ledger_pb2.VerifyLedgerResponse(partition="p00", differences=self.differences)
        yield ledger_pb2.VerifyLedgerResponse(wallets=3, entries=8, total=BALANCE)

    async def _answer(self, request: Any, answer: Any) -> Any:
        self.asked.append(request)
        return answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    client = OperatorClient(None, None, SecretText("the-operator"), None, service)

    def run(work: Callable[[OperatorClient], Awaitable[Any]]) -> Any:
        return asyncio.run(work(client))  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "open_session", lambda: SimpleNamespace(run=run))
    return service


def invoke(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, ["ledger", *arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_a_grant_carries_its_payment_and_says_that_it_was_known(service: Service) -> None:
    output = invoke("grant", "acc_1", "invoice 7", "--amount", "5", "--expires-at", "2030-01-02")

    [request] = service.asked
    assert (request.payment_reference, request.amount_micros) == ("invoice 7", 5_000_000)
    assert request.expires_at.ToJsonString() == "2030-01-02T00:00:00Z"
    assert "granted before" in output


def test_a_balance_is_shown_to_the_micro(service: Service) -> None:
    head, row = invoke("balance", "acc_1").rstrip("\n").split("\n")

    assert head.split()[:2] == ["ACCOUNT", "REMAINING"]
    assert row.split() == ["acc_1", "$3.765433", "$0.00", "$1.234567", "$0.00", "$5.00", "$0.00"]


def test_usage_is_shown(service: Service) -> None:
    _, row = invoke("usage", "acc_1", "--from", "2030-01-02", "--limit", "7").rstrip().split("\n")

    assert row.split()[2:] == ["settle", "claude-x", "12", "9", "$0.001000", "$0.00", "req_1"]
    assert service.asked[0].limit == 7


def test_a_proof_that_holds_is_one_line(service: Service) -> None:
    assert "3 wallets, 8 entries of the journal: no differences" in invoke("verify")


def test_a_difference_is_shown_and_fails(service: Service) -> None:
    service.differences = [DIFFERENCE]

    lines = invoke("verify", status=1).split("\n")
    assert lines[1].split() == ["acc_1", "spent", "$0.000015", "$0.000012"]
    [found] = map(json.loads, invoke("verify", "--json", status=1).splitlines())
    assert found["expected_micros"] == "15"


def test_an_export_is_a_table_without_formulas(service: Service) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("export"))))

    assert len(rows) == 2
    assert rows[0]["end"] == "complete"
    assert (rows[0]["cache_read_tokens"], rows[0]["spent_micros"]) == ("7", "1000")
    assert rows[0]["payment_reference"] == "'=1+1"


def test_an_export_may_be_json_lines(service: Service) -> None:
    lines = invoke("export", "--format", "jsonl", "--account", "acc_1").splitlines()

    assert [json.loads(line)["request_id"] for line in lines] == ["req_1", "req_1"]
    assert service.asked[0].account_id == "acc_1"


@pytest.mark.parametrize(("text", "micros"), [("5", 5_000_000), ("$0.000001", 1), ("1.5", 1500000)])
def test_dollars_are_read_exactly(text: str, micros: int) -> None:
    assert parse_dollars(text) == micros


@pytest.mark.parametrize("text", ["0", "-1", "0.0000001", "five", "NaN", "Infinity", ""])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_dollars(text)


def test_a_loss_keeps_its_sign() -> None:
    assert [dollars(micros) for micros in (-1, -5_000_000, 10_000)] == [
        "-$0.000001",
        "-$5.00",
        "$0.01",
    ]
