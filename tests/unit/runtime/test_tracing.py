"""Trace context as W3C says it, with and without spans."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from runtime import tracing

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-a-b-01",
        VALID.upper(),
        VALID + "-more",
        "01" + VALID[2:],
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        VALID + "\r\nx-api-key: stolen",
    ],
)
def test_what_is_no_context_of_version_00_is_not_passed_on(text: str) -> None:
    assert tracing.parse_traceparent(text) == ""


def test_without_a_collector_the_callers_context_passes_through() -> None:
    span = tracing.start_span("work", tracing.Kind.CLIENT, VALID)

    assert span.traceparent == VALID


def test_an_entrance_makes_up_a_context_where_the_caller_sent_none() -> None:
    first, second = tracing.start_entrance("a", ""), tracing.start_entrance("b", "")

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", first.traceparent)
    assert tracing.parse_traceparent(first.traceparent)
    assert first.traceparent != second.traceparent
    assert tracing.start_entrance("c", VALID).traceparent == VALID


def test_metadata_goes_before_the_requests_own_field() -> None:
    other = VALID.replace("4bf9", "5bf9")
    request = SimpleNamespace(traceparent=other)

    assert tracing.parent_of([("x", "y"), ("traceparent", VALID)], request) == VALID
    assert tracing.parent_of([], request) == other
    assert tracing.parent_of(None, object()) == ""


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("vendor=1, other=two", True),
        (",".join(f"v{n}=1" for n in range(32)), True),
        (",".join(f"v{n}=1" for n in range(33)), False),
        ("v=" + "x" * 510, True),
        ("v=" + "x" * 511, False),
        ("v=1\r\nx-api-key: stolen", False),
        ("v=\x00", False),
        ("v=é", False),
    ],
    ids=range(8),
)
def test_a_tracestate_is_passed_on_whole_or_not_at_all(text: str, passed: bool) -> None:
    assert tracing.parse_tracestate(text) == (text if passed else "")
    assert tracing.state_of([("x", "y"), ("tracestate", text)], None) == (text if passed else "")
    assert tracing.state_of(None, SimpleNamespace(tracestate=text)) == (text if passed else "")
    assert tracing.state_of(None, object()) == ""
