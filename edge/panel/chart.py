"""Stacked bars by day, as numbers that a template writes into an SVG. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 240
LEFT: Final = 52
TOP: Final = 10
BOTTOM: Final = 24
_STEPS: Final = (1, 2, 2.5, 5, 10)
_LINES: Final = 4
_LABELS: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a day's bar; ``place`` is its series, from 1."""

    x: float
    y: float
    width: float
    height: float
    place: int
    name: str
    day: date
    amount: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything to draw. ``lines``: height and amount; ``labels``: place and day."""

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, int], ...]
    labels: tuple[tuple[float, date], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def draw(days: Sequence[date], series: Mapping[str, Sequence[int]]) -> Chart:
    """A chart of amounts: one of each series for every day."""
    tops = [sum(amounts) for amounts in zip(*series.values(), strict=True)] if series else []
    step = _step(max(tops, default=0))
    ceiling = step * _LINES
    floor = HEIGHT - BOTTOM
    scale = (floor - TOP) / ceiling
    slot = (WIDTH - LEFT) / max(1, len(days))
    width = min(36.0, slot * 0.72)
    bars = []
    for index, day in enumerate(days):
        base = float(floor)
        for place, (name, amounts) in enumerate(series.items(), 1):
            if amount := amounts[index]:
                height = amount * scale
                base -= height
                x = LEFT + slot * index + (slot - width) / 2
                bars.append(
                    Bar(round(x, 1), round(base, 1), round(width, 1), round(height, 1), place,
                        name, day, amount)
                )  # fmt: skip
    lines = tuple(
        (round(floor - step * line * scale, 1), round(step * line)) for line in range(_LINES + 1)
    )
    every = max(1, -(-len(days) // _LABELS))
    last = len(days) - 1
    labels = tuple(
        # The last one ends at the edge; the others stand in the middle of their bars.
        (round(LEFT + slot * (index + (1.0 if index == last else 0.5)), 1), day)
        for index, day in enumerate(days)
        if (last - index) % every == 0
    )
    return Chart(tuple(series), tuple(bars), lines, labels)


def _step(highest: int) -> float:
    """A round distance between lines, so that the lines reach the highest bar."""
    wanted = max(1, highest) / _LINES
    power: int = 10 ** (len(str(int(wanted))) - 1)
    return max(1.0, next(step * power for step in _STEPS if step * power >= wanted))
