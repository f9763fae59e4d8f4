"""The shipped calibration is what the command writes, and is worth what it says.

The errors are those on recordings of repositories that the fit never saw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from services.counter import reconstruction
from services.counter.accuracy import Errors, band_of, measure
from services.counter.calibrate import calibrate, main, render_calibration, render_errors
from services.counter.family import Calibration, ErrorBand, Family, load_calibration
from services.counter.recording import Halves, load_recordings, split_halves
from tests.recordings import require_recordings

OPENAI = {"gpt-4", "gpt-5", "o-series"}
CLAUDE = {"claude-3", "claude-4.7"}
UNCOUNTABLE = ("opaque", "thinking", "document")
needs_ctok = pytest.mark.skipif(
    not reconstruction.is_installed(), reason="the optional package ctok is not installed"
)


@pytest.fixture(scope="module")
def halves() -> Halves:
    return _load(require_recordings())


@cache
def _load(folder: Path) -> Halves:
    recordings, _ = load_recordings([folder])
    return split_halves(recordings)


def error(errors: Errors, kin: set[str], wanted: Callable[[str], bool]) -> ErrorBand:
    """The error of all families of ``kin`` together, on the kinds of request ``wanted``."""
    values = [
        value
        for family in load_calibration().families
        if family.kin in kin
        for key, values in errors.get(family.name, {}).items()
        if wanted(key) and not key.endswith(UNCOUNTABLE)
        for value in values
    ]
    assert len(values) >= 30, "too few recordings to say anything"
    return band_of(values)


def test_the_shipped_calibration_is_what_the_command_writes(halves: Halves) -> None:
    shipped = Path(reconstruction.__file__).with_name("calibration.json").read_bytes()
    fitted, errors = calibrate(load_calibration(), halves)
    print("\n".join(render_errors(fitted, errors)))
    assert render_calibration(fitted) == shipped


def test_a_calibration_set_astray_comes_back(halves: Halves) -> None:
    """From other numbers the fit may end elsewhere, but nowhere that counts worse."""
    shipped = load_calibration()
    ratios = {name: {**row, "prose": 1.9} for name, row in shipped.ratios.items()}
    families = [_set_astray(family) for family in shipped.families]
    fitted, errors = calibrate(replace(shipped, ratios=ratios, families=families), halves)
    known = measure(shipped, halves.held_out, reconstruct=False)
    assert fitted.ratios["claude_v3"] == pytest.approx(shipped.ratios["claude_v3"], abs=0.05)
    for kin in (OPENAI, {"claude-3"}):
        wanted = _is_counted_by_default
        now, then = error(errors, kin, wanted), error(known, kin, wanted)
        assert now.median <= then.median + 0.005
        assert now.p90 <= then.p90 + 0.02


def _set_astray(family: Family) -> Family:
    if family.kin not in OPENAI:
        return family
    numbers = {"tools": 0, "tools_any": 0, "call": 0, "result": 0, "schema": 0, "tool_scale": 0.5}
    return replace(family, frame=replace(family.frame, **numbers))


def _is_counted_by_default(key: str) -> bool:
    return not key.startswith("reconstructed.")


def test_held_out_openai_text_is_exact(halves: Halves) -> None:
    errors = measure(load_calibration(), halves.held_out, reconstruct=False)
    assert error(errors, {"gpt-4", "gpt-5"}, lambda key: key == "plain") == ErrorBand(0, 0)
    assert error(errors, OPENAI, lambda key: key == "responses.plain") == ErrorBand(0, 0)


@pytest.mark.parametrize(
    ("kin", "kinds", "median", "p90"),
    [
        (OPENAI, ("",), 0.0024, 0.084),
        (OPENAI, ("responses.tools", "responses.loop"), 0.041, 0.119),
        ({"gpt-4"}, ("tools", "loop"), 0.01, 0.054),
        (OPENAI, ("schema",), 0.02, 0.05),
        ({"gpt-5"}, ("",), 0.023, 0.23),
        (CLAUDE, ("",), 0.02, 0.079),
        (CLAUDE, ("plain",), 0.053, 0.12),
        (CLAUDE, ("tools",), 0.011, 0.071),
        (CLAUDE, ("loop",), 0.011, 0.049),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set | tuple) else str(value),
)
def test_held_out_errors_are_within_what_was_aimed_at(
    halves: Halves, kin: set[str], kinds: tuple[str, ...], median: float, p90: float
) -> None:
    errors = measure(load_calibration(), halves.held_out, reconstruct=False)
    found = error(errors, kin, lambda key: key.endswith(kinds))
    assert found.median <= median
    assert found.p90 <= p90


@needs_ctok
@pytest.mark.parametrize(
    ("kinds", "median", "p90"),
    [
        (("",), 0.0002, 0.031),
        (("plain",), 0.0, 0.027),
        (("tools",), 0.0013, 0.014),
        (("loop",), 0.01, 0.048),
    ],
)
def test_a_reconstructed_vocabulary_is_nearly_exact(
    halves: Halves, kinds: tuple[str, ...], median: float, p90: float
) -> None:
    errors = measure(load_calibration(), halves.held_out, reconstruct=True)
    found = error(errors, CLAUDE, lambda key: key.endswith(kinds))
    assert found.median <= median
    assert found.p90 <= p90


def test_every_stated_error_was_measured_or_is_kept(halves: Halves) -> None:
    errors = measure(load_calibration(), halves.held_out, reconstruct=False)
    stated = {family.name: family.errors for family in load_calibration().families}
    counted = defaultdict(int)
    for name, by_key in errors.items():
        for key, values in by_key.items():
            if len(values) >= 5:
                assert stated[name][key] == band_of(values)
                counted[name] += 1
    assert len(counted) >= 10


def test_the_command_says_what_it_did(tmp_path: Path, halves: Halves) -> None:
    out = tmp_path / "calibration.json"
    folder = require_recordings() / "anthropic.count_tokens"
    result = CliRunner().invoke(main, [str(folder), "--out", str(out)])
    assert result.exit_code == 0
    assert "held out" in result.output
    written = load_calibration(out)
    assert isinstance(written, Calibration)
    assert [family.name for family in written.families] == [
        family.name for family in load_calibration().families
    ]


def test_the_command_refuses_a_base_that_is_no_calibration(tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    base.write_text('{"version": 1}')
    result = CliRunner().invoke(main, [str(tmp_path), "--base", str(base)])
    assert result.exit_code == 1
    assert "missing required field" in result.output
