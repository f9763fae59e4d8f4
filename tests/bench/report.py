"""Figures of a run: the table on the screen, the JSON beside it, the history of all runs."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench.scenario import NO_GOAL, Goal, Scenario, Side

FOLDER: Final = Path("build/bench")
HISTORY: Final = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Figures:
    """One turn of one side: CPU of all its processes per unit, times of its answers."""

    cpu_us: float
    per_s: float
    first_ms: float
    whole_ms: float
    delay_p50_ms: float
    delay_p99_ms: float
    roles_us: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Row:
    """A scenario's turns, by side, in the order they were run."""

    scenario: Scenario
    turns: dict[Side, list[Figures]] = field(default_factory=dict)

    def median(self, side: Side | None, name: str) -> float:
        """The median of one figure of a side; NaN where it was not run."""
        values = [getattr(turn, name) for turn in self.turns.get(side, ())] if side else []
        return statistics.median(values) if values else math.nan

    @property
    def ratio(self) -> float:
        """Measured to base."""
        return self.ratio_of(self.scenario.measured)

    def ratio_of(self, side: Side) -> float:
        """A side to the base: the median of the turns that stood side by side."""
        base = self.scenario.base
        if base is None:
            return math.nan
        pairs = zip(self.turns[base], self.turns[side], strict=True)
        return statistics.median(other.cpu_us / at_base.cpu_us for at_base, other in pairs)

    def added(self, name: str) -> tuple[float, float]:
        """What the base and what the gateway add to going straight to the provider."""
        direct, scenario = self.median(Side.DIRECT, name), self.scenario
        return (
            self.median(scenario.base, name) - direct,
            self.median(scenario.measured, name) - direct,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One figure against its goal."""

    title: str
    value: float
    unit: str
    goal: Goal = NO_GOAL

    @property
    def verdict(self) -> str:
        """Whether it holds: "stretch", "ok", "MISSED", or nothing where no goal is set."""
        if self.goal.target is None or math.isnan(self.value):
            return ""
        if self.goal.stretch is not None and self.value <= self.goal.stretch:
            return "stretch"
        return "ok" if self.value <= self.goal.target else "MISSED"


def render_rows(rows: Iterable[Row]) -> str:
    """The table of scenarios."""
    head = (
        f"{'scenario':<40}{'per':<8}{'direct':>8}{'nginx':>8}{'base':>9}{'ours':>9}{'ratio':>7}"
        f"{'target':>8}{'stretch':>8}          {'first byte':>10} {'p99 delay':>9}  (ours, ms)"
    )
    lines = [head]
    for row in rows:
        scenario = row.scenario
        line = Line("", row.ratio, "", scenario.goal)
        base = row.median(scenario.base, "cpu_us")
        lines.append(
            f"{scenario.title:<40}{scenario.unit:<8}"
            f"{_cell(row.median(Side.DIRECT, 'cpu_us'), 8)}"
            f"{_cell(row.median(Side.CEILING, 'cpu_us'), 8)}"
            f"{_cell(base, 9)}{_cell(row.median(scenario.measured, 'cpu_us'), 9)}"
            f"{_cell(row.ratio, 7, 2)}{_cell(scenario.goal.target, 8, 2)}"
            f"{_cell(scenario.goal.stretch, 8, 2)}  {line.verdict:<8}"
            f"{_cell(row.median(scenario.measured, 'first_ms'), 10, 2)}"
            f"{_cell(row.median(scenario.measured, 'delay_p99_ms'), 10, 2)}"
        )
        if split := _split(row):
            lines.append(f"    {split}")
    return "\n".join(lines)


def render_limits(rows: Iterable[Row]) -> str:
    """What a hop alone costs, and what the gateway would without one, to the floor."""
    head = f"{'to the floor':<40}{'hop':>9}{'composed':>9}{'target':>8}"
    lines = [
        f"{row.scenario.title:<40}{_cell(row.ratio_of(Side.HOP), 9, 2)}"
        f"{_cell(row.ratio_of(Side.COMPOSED), 9, 2)}{_cell(row.scenario.goal.target, 8, 2)}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _split(row: Row) -> str:
    """How the gateway's CPU is spread over its processes."""
    turns = row.turns.get(row.scenario.measured, [])
    names = turns[0].roles_us if turns else {}
    shares = {name: statistics.median(turn.roles_us[name] for turn in turns) for name in names}
    return "  ".join(f"{name} {share:.0f}" for name, share in shares.items())


def _cell(value: float | None, width: int, digits: int = -1) -> str:
    if value is None or math.isnan(value):
        return " " * (width - 1) + "–"
    if digits < 0:
        digits = 1 if abs(value) < 100 else 0
    return f"{value:>{width}.{digits}f}"


def render_lines(lines: Iterable[Line]) -> str:
    """The figures that are no scenario's CPU."""
    return "\n".join(
        f"{line.title:<64}{_cell(line.value, 9, 2)} {line.unit:<4}"
        f"{_cell(line.goal.target, 8, 2)}{_cell(line.goal.stretch, 8, 2)}  {line.verdict}"
        for line in lines
    )


def as_json(
    rows: Sequence[Row], limits: Sequence[Row], lines: Sequence[Line], facts: dict[str, Any]
) -> dict[str, Any]:
    """Everything of a run, for machines."""
    return {
        **facts,
        "limits": {
            row.scenario.name: {str(side): _number(row.ratio_of(side)) for side in row.turns}
            for row in limits
        },
        "scenarios": {
            row.scenario.name: {
                "unit": str(row.scenario.unit),
                "ratio": _number(row.ratio),
                "turns": {
                    str(side): [_plain(dataclasses.asdict(turn)) for turn in turns]
                    for side, turns in row.turns.items()
                },
            }
            for row in rows
        },
        "figures": {line.title: _number(line.value) for line in lines},
    }


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, dict) else _number(value)
        for name, value in figures.items()
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def keep(run: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write a run's JSON and add it to the history; the path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "latest.json"
    path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    with (folder / HISTORY).open("a", encoding="utf-8") as history:
        history.write(json.dumps(run) + "\n")
    return path


def render_comparison(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Two runs side by side: ratios to the floor of each, and how they changed."""
    lines = [
        f"{'scenario':<24}{before['revision'][:12]:>14}{after['revision'][:12]:>14}{'change':>10}"
    ]
    for name, now in after["scenarios"].items():
        then = before["scenarios"].get(name)
        if then is None:
            continue
        values = [_compared(run) for run in (then, now)]
        change = values[1] / values[0] - 1 if all(values) else math.nan
        lines.append(f"{name:<24}{values[0]:>14.2f}{values[1]:>14.2f}{change:>+10.0%}")
    return "\n".join(lines)


def _compared(scenario: dict[str, Any]) -> float:
    """A ratio where there is one, else the CPU time itself."""
    if scenario["ratio"] is not None:
        return float(scenario["ratio"])
    turns = scenario["turns"][str(Side.GATEWAY)]
    return statistics.median(turn["cpu_us"] for turn in turns)
