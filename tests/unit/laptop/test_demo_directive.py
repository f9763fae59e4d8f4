"""Directives: words that make the demo upstream misbehave."""

from __future__ import annotations

import pytest

from laptop.demo.directive import Directives, parse_directives


def test_plain_text_asks_for_nothing() -> None:
    assert parse_directives("Hello, demo: world") == (Directives(), "Hello, demo: world")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demo:slow 50", Directives(delay_s=0.05)),
        ("demo:error 529", Directives(error_status=529)),
        ("demo:fail 3", Directives(fail_after=3)),
        ("demo:truncate 4", Directives(truncate_after=4)),
        ("demo:stall 2", Directives(stall_after=2)),
        ("demo:hang", Directives(hang=True)),
        ("demo:refuse", Directives(refuse=True)),
        ("demo:repeat 9", Directives(repeat=9)),
        ("demo:cached 7", Directives(cached_tokens=7)),
        ("demo:think", Directives(think=True)),
        ("demo:empty", Directives(empty=True)),
        ("demo:redacted", Directives(redacted=True)),
        ("demo:nousage", Directives(no_usage=True)),
        ("demo:future", Directives(future=True)),
    ],
)
def test_each_directive(text: str, expected: Directives) -> None:
    assert parse_directives(text) == (expected, "")


def test_directives_combine_and_leave_the_text() -> None:
    asked, text = parse_directives("demo:slow 5 say demo:repeat 2 this")

    assert asked == Directives(delay_s=0.005, repeat=2)
    assert text == "say this"


@pytest.mark.parametrize("status", ["0", "200", "999999999"])
def test_an_error_status_is_an_error_status(status: str) -> None:
    assert parse_directives(f"demo:error {status}")[0].error_status == 500


def test_repeats_and_delays_have_bounds() -> None:
    asked, _ = parse_directives("demo:repeat 999999999 demo:slow 999999999")

    assert asked.repeat <= 100_000
    assert asked.delay_s <= 600
