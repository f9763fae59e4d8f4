"""Our faults as a client reads them."""

from __future__ import annotations

import pytest

from dialects.errors import Fault
from dialects.registry import DIALECTS
from edge.faults import PUBLIC, fault_headers, public_fault, retry_headers
from runtime.faults import CODES, Reason, ServiceFault

# Only services hear these; a client that met one would be told of an internal failure.
INNER = {
    Reason.NOT_AN_OPERATOR,
    Reason.SERVICE_TOKEN_INVALID,
    Reason.CALLER_NOT_ALLOWED,
    Reason.SIGN_IN_REFUSED,
    Reason.SESSION_ENDED,
    Reason.CONFIRMATION_NEEDED,
    Reason.CONFLICT,
    Reason.INTERNAL,
}


def test_every_reason_has_its_public_form() -> None:
    assert set(Reason) - set(PUBLIC) <= INNER
    assert set(CODES) == set(Reason)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("reason", Reason)
def test_every_fault_is_rendered_in_every_dialect(dialect: str, reason: Reason) -> None:
    fault = public_fault(ServiceFault(reason, "A sentence.", retry_after_s=3))

    status, body = DIALECTS[dialect].render_fault(fault, "req_1")

    assert 400 <= status < 600
    assert set(body) >= {"error"}
    assert body["error"]["message"]


def test_all_bad_keys_read_the_same() -> None:
    bad = [Reason.KEY_UNKNOWN, Reason.KEY_REVOKED, Reason.KEY_EXPIRED]

    faults = {public_fault(ServiceFault(reason, str(reason))) for reason in bad}

    assert len(faults) == 1


@pytest.mark.parametrize(("given", "said"), [(0.01, 1), (5, 5), (59.6, 60), (4_000, 60)], ids=str)
def test_waits_are_whole_seconds_up_to_a_minute(given: float, said: int) -> None:
    fault = public_fault(ServiceFault(Reason.RATE_LIMITED, "Wait.", retry_after_s=given))

    assert (b"retry-after", str(said).encode()) in fault_headers(fault)
    assert (b"x-should-retry", b"true") in fault_headers(fault)


def test_what_time_does_not_mend_is_not_to_be_retried() -> None:
    fault = public_fault(ServiceFault(Reason.CREDIT_EXHAUSTED, "Empty.", retry_after_s=9))

    assert fault_headers(fault) == [(b"x-should-retry", b"false")]
    assert isinstance(fault, Fault)


@pytest.mark.edge(71)
@pytest.mark.parametrize(
    ("advice", "passed"),
    [
        ({"retry-after": "20"}, [(b"retry-after", b"20")]),
        ({"retry-after": "61"}, [(b"x-should-retry", b"false")]),
        ({"retry-after": "90000", "x-should-retry": "true"}, [(b"x-should-retry", b"false")]),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, []),
        ({"retry-after": "-1", "x-should-retry": "maybe"}, []),
        ({"x-should-retry": "true"}, [(b"x-should-retry", b"true")]),
    ],
)
def test_an_upstreams_advice(advice: dict[str, str], passed: list[tuple[bytes, bytes]]) -> None:
    assert retry_headers(advice) == passed
