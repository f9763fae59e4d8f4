"""Charts as numbers."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from edge.panel.chart import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, draw

DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(30)]


def test_nothing_is_drawn_of_nothing() -> None:
    chart = draw(DAYS, {})

    assert chart.bars == ()
    assert [amount for _, amount in chart.lines] == [0, 1, 2, 3, 4]


def test_pieces_of_a_day_stand_on_each_other() -> None:
    chart = draw(DAYS[:1], {"a": [30], "b": [50]})
    low, high = chart.bars

    assert low.y + low.height == HEIGHT - BOTTOM
    assert abs(high.y + high.height - low.y) < 0.2
    assert abs(high.height / low.height - 50 / 30) < 0.01


def test_the_newest_day_has_a_label() -> None:
    chart = draw(DAYS, {"a": [1] * 30})

    assert chart.labels[-1][1] == DAYS[-1]
    assert 3 <= len(chart.labels) <= 7


@given(st.lists(st.lists(st.integers(0, 10**15), min_size=7, max_size=7), max_size=5))
def test_every_bar_is_within_the_picture(amounts: list[list[int]]) -> None:
    series = {f"s{number}": row for number, row in enumerate(amounts)}
    chart = draw(DAYS[:7], series)

    tallest = max((sum(day) for day in zip(*amounts, strict=True)), default=0)
    assert chart.lines[-1][1] >= tallest
    assert all(bar.y >= TOP - 1 for bar in chart.bars)
    assert all(bar.y + bar.height <= HEIGHT - BOTTOM + 1 for bar in chart.bars)
    assert all(LEFT <= bar.x <= bar.x + bar.width <= WIDTH for bar in chart.bars)
    heights = {bar.place for bar in chart.bars}
    assert heights == {n for n, row in enumerate(amounts, 1) if any(row)}
