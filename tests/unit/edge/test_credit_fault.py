"""An empty wallet, as each dialect says it."""

from __future__ import annotations

import pytest

from dialects.dialect import Sent
from dialects.registry import DIALECTS
from edge.faults import fault_headers, public_fault
from runtime.faults import Reason, ServiceFault

EMPTY = ServiceFault(Reason.CREDIT_EXHAUSTED, "Add credits.", retry_after_s=5)


@pytest.mark.parametrize(
    ("dialect", "status", "kind"),
    [
        ("anthropic_messages", 402, "billing_error"),
        ("openai_chat", 429, "insufficient_quota"),
        ("openai_responses", 429, "insufficient_quota"),
    ],
)
def test_a_client_learns_that_retrying_does_not_help(dialect: str, status: int, kind: str) -> None:
    fault = public_fault(EMPTY)
    found, body = DIALECTS[dialect].render_fault(fault, "req_1")
    assert found == status
    assert (body["error"]["type"], body["error"]["message"]) == (kind, "Add credits.")
    assert fault_headers(fault) == [(b"x-should-retry", b"false")]


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        ("anthropic_messages", b"billing_error"),
        ("openai_chat", b"insufficient_quota"),
        ("openai_responses", b"insufficient_quota"),
    ],
)
def test_a_stream_ends_in_the_dialects_own_word(dialect: str, name: bytes) -> None:
    fault = public_fault(EMPTY)
    assert name in DIALECTS[dialect].render_stream_fault(fault, "req_1", Sent())
