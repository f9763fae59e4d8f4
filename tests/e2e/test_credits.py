"""Claude Credits from purchase to the last token, through every process and the official SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest

from gatebeyz.auth.v1 import auth_pb2
from tests.e2e.operating import new_key
from tests.e2e.stack import ROOT, Stack
from tests.e2e.test_products import credits_url

MODEL = "claude-sonnet-4-5"  # 3 and 15 micros a token

pytestmark = [
    pytest.mark.filterwarnings("ignore:The model :DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using Claude with :UserWarning"),
]


class Customer:
    """A credits account with its key, and the operator's command line for it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        created = new_key(stack, product=auth_pb2.PRODUCT_CREDITS)
        self.key: str = created.secret
        self.account_id: str = created.key.account_id
        self.client = anthropic.Anthropic(
            base_url=credits_url(stack), api_key=self.key, max_retries=0
        )

    def ledger(self, *arguments: str) -> list[dict[str, Any]]:
        """``gatebeyz ledger …``, as JSON lines."""
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"}
        done = subprocess.run(
            [sys.executable, "-m", "cli", "ledger", *arguments],
            cwd=self._stack.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def pay(self, dollars: str, reference: str = "first") -> None:
        self.ledger("grant", self.account_id, reference, "--amount", dollars, "--json")

    def balance(self) -> dict[str, int]:
        [found] = self.ledger("balance", self.account_id, "--json")
        return {name: int(value) for name, value in found.items() if name.endswith("_micros")}

    def settled(self) -> dict[str, int]:
        """The balance once nothing is held any more."""
        deadline = time.monotonic() + 5
        while "held_micros" in (found := self.balance()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return found


@pytest.fixture
def customer(stack: Stack) -> Iterator[Customer]:
    customer = Customer(stack)
    yield customer
    customer.client.close()


def ask(customer: Customer, text: str = "Hi", **fields: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return customer.client.messages.create(
        model=MODEL, messages=messages, **{"max_tokens": 50, **fields}
    )


def test_an_answer_costs_what_its_usage_says(customer: Customer) -> None:
    customer.pay("1")
    usage = ask(customer).usage
    cost = usage.input_tokens * 3 + usage.output_tokens * 15
    assert customer.settled()["spent_micros"] == cost
    used, granted = customer.ledger("usage", customer.account_id, "--json")
    assert int(used["spent_micros"]) == cost
    assert used["model"] == MODEL
    assert granted["kind"] == "ENTRY_KIND_GRANT"


def test_without_credit_the_answer_is_402_and_nothing_is_tried(customer: Customer) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(customer)
    response = caught.value.response
    assert response.status_code == 402
    assert response.json()["error"]["type"] == "billing_error"
    assert response.headers["x-should-retry"] == "false"
    assert customer.ledger("usage", customer.account_id, "--json") == []


def test_a_whole_answer_of_more_than_the_pack_is_refused(customer: Customer) -> None:
    customer.pay("0.10")
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(customer, max_tokens=20_000)
    assert caught.value.response.status_code == 402


def test_a_stream_runs_to_the_last_token_paid_for(customer: Customer) -> None:
    customer.pay("0.075")
    body = {
        "model": MODEL,
        "max_tokens": 20_000,
        "stream": True,
        "messages": [{"role": "user", "content": "demo:slow 1 demo:repeat 1500 a b c d e f"}],
    }
    headers = {"x-api-key": customer.key, "anthropic-version": "2023-06-01"}
    url = str(customer.client.base_url).rstrip("/") + "/v1/messages"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        text = response.read().decode()
    *_, last = [frame for frame in text.split("\n\n") if frame]
    assert last.startswith("event: error")
    assert json.loads(last.split("data: ")[1])["error"]["type"] == "billing_error"
    assert "message_stop" not in text
    balance = customer.settled()
    # To the last token: what was held for input that never was has paid for output.
    assert 74_900 < balance["spent_micros"] <= 75_000
    # Another one is refused at once, and credit bought later pays for it.
    with pytest.raises(anthropic.APIStatusError):
        ask(customer)
    customer.pay("0.05", "second")
    ask(customer)


def test_the_books_of_all_this_are_right(customer: Customer) -> None:
    assert customer.ledger("verify", "--json") == []
