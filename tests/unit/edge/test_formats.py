"""Numbers, money and dates as each language writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from edge.web.formats import Formats

EN, TR = Formats("en"), Formats("tr")


@pytest.mark.parametrize(
    ("micros", "english", "turkish"),
    [
        (0, "$0.00", "$0,00"),
        (36, "$0.000036", "$0,000036"),
        (99_999, "$0.099999", "$0,099999"),
        (100_000, "$0.10", "$0,10"),
        (17_499_382, "$17.4994", "$17,4994"),
        (12_500_000, "$12.50", "$12,50"),
        (-36, "-$0.000036", "-$0,000036"),
        (1_234_567_890_000, "$1,234,567.89", "$1.234.567,89"),
    ],
)
def test_money_keeps_the_digits_that_say_something(micros: int, english: str, turkish: str) -> None:
    assert (EN.money(micros), TR.money(micros)) == (english, turkish)


def test_numbers_and_shares() -> None:
    assert (EN.number(1_234_567), TR.number(1_234_567)) == ("1,234,567", "1.234.567")
    assert (EN.percent(0.125), TR.percent(0.125)) == ("12.5%", "%12,5")
    assert (EN.short(1_250), EN.short(20)) == ("1.2K", "20")
    assert (EN.seconds(1_234), TR.seconds(1_234)) == ("1.23", "1,23")


def test_times_are_utc_and_say_so() -> None:
    moment = datetime(2026, 11, 24, 5, 7, tzinfo=UTC)

    assert EN.moment(moment) == "24 Nov 2026, 05:07 UTC"
    assert TR.moment(moment) == "24 Kas 2026, 05:07 UTC"
    assert (EN.day(date(2026, 1, 2)), TR.short_day(date(2026, 1, 2))) == ("2 Jan 2026", "2 Oca")
    assert (EN.duration(3_600), TR.duration(86_400)) == ("1 hour", "1 gün")
