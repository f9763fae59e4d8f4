"""The memoised engine counts as ``ctok`` itself does, and nothing needs ``ctok`` to be there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.counter import reconstruction
from services.counter.family import load_calibration
from services.counter.meter import Meter
from services.counter.prompt import Text
from services.counter.reconstruction import Reconstruction, load_pieces
from services.counter.recording import load_recordings
from services.counter.vocabulary import load_vocabulary
from tests.recordings import require_recordings

FAMILIES = {"v3": ("3.0", 7), "v4.7": ("4.7", 11), "v4.8": ("4.8", 6)}
"""The version that ``ctok`` is asked for, and what it adds for a message."""

MODEL = "claude-sonnet-4-5"
needs_ctok = pytest.mark.skipif(
    not reconstruction.is_installed(), reason="the optional package ctok is not installed"
)
# fmt: off
_FRAGMENTS = [
    "Hello", " world", "HELLO", "iPhone", "don't", "  ", "\n\n", "\t", "12345", "3.14", "İstanbul",
    "你好，", "Привет", "👩‍👩‍👧", "e\u0301", "();\n", "    ", "_x", "camelCase", "\u3000", "“",
    "’s", "a", " ",
]
# fmt: on


def reference(family: str) -> Callable[[str], int]:
    """``ctok``'s own count of a message, less the message's frame."""
    version, frame = FAMILIES[family]
    ctok: Any = importlib.import_module("ctok")
    return lambda text: int(ctok.token_count(text, version)) - frame


def count(family: str, text: str) -> int:
    return Reconstruction(load_pieces(family), load_vocabulary("o200k_base")).count(text)


@needs_ctok
@pytest.mark.parametrize("family", FAMILIES)
@given(st.lists(st.sampled_from(_FRAGMENTS), min_size=1).map("".join))
@settings(max_examples=200, deadline=None)
def test_counts_as_the_package_does(family: str, text: str) -> None:
    assert count(family, text) == reference(family)(text)


@needs_ctok
@pytest.mark.parametrize("family", FAMILIES)
def test_counts_recorded_texts_as_the_package_does(family: str) -> None:
    known = reference(family)
    recordings, _ = load_recordings([require_recordings() / "calibration"])
    texts = {
        block.text
        for recording in recordings
        for block in recording.prompt.blocks()
        if isinstance(block, Text) and 0 < len(block.text) < 2_000
    }
    texts = set(sorted(texts)[::5])
    assert len(texts) > 100
    assert {text: count(family, text) for text in texts} == {text: known(text) for text in texts}


@needs_ctok
def test_the_package_is_used_where_it_is_installed() -> None:
    assert reconstruction.preload(FAMILIES)
    tally = Meter(load_calibration()).count_text(MODEL, "Hello, world!")
    assert (tally.tokens, tally.is_calibrated) == (4, False)


@needs_ctok
@pytest.mark.parametrize("unit", ["a", "ab", "\u0301", "Zm9vYmFy"])
def test_a_word_too_long_to_price_is_estimated(unit: str) -> None:
    engine = Reconstruction(load_pieces("v3"), load_vocabulary("o200k_base"))
    assert engine.count(f"{unit * 20_000} and more") > 0
    assert engine.is_estimate


@needs_ctok
@pytest.mark.parametrize(
    "text", [" " * 20_000, "\n" * 20_000, "a" + "\t" * 20_000 + "b", "\n \n" * 9_000]
)
def test_whitespace_too_long_to_price_is_estimated(text: str) -> None:
    engine = Reconstruction(load_pieces("v3"), load_vocabulary("o200k_base"))
    assert engine.count(text) > 0
    assert engine.is_estimate


@needs_ctok
def test_past_the_budget_unseen_words_are_estimated() -> None:
    engine = Reconstruction(load_pieces("v3"), load_vocabulary("o200k_base"))
    text = " ".join(f"unseen{at}word" for at in range(40_000))
    tokens = engine.count(text)
    assert engine.is_estimate
    assert 0.7 < tokens / load_vocabulary("o200k_base").count(text) < 1.5


def forbid(monkeypatch: pytest.MonkeyPatch, version: Callable[[str], str]) -> None:
    monkeypatch.setattr(reconstruction, "version", version)


def absent(name: str) -> str:
    raise PackageNotFoundError(name)


@pytest.mark.parametrize("version", [absent, lambda name: "9.9.9"], ids=["absent", "another"])
def test_without_the_package_claude_is_counted_by_calibration(
    monkeypatch: pytest.MonkeyPatch, version: Callable[[str], str]
) -> None:
    forbid(monkeypatch, version)
    assert not reconstruction.preload(FAMILIES)
    tally = Meter(load_calibration()).count_text(MODEL, "Hello, world!")
    assert 3 <= tally.tokens <= 6
    assert tally.is_calibrated
    assert tally.error.p90 > 0


def test_a_package_that_does_not_load_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid(monkeypatch, lambda name: reconstruction.SUPPORTED_VERSION)
    monkeypatch.setitem(sys.modules, "ctok.normalize", None)
    load_pieces.cache_clear()
    assert not reconstruction.preload(["v3"])
    assert "ctok is installed and not used" in capsys.readouterr().err


@needs_ctok
def test_a_package_that_counts_otherwise_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(reconstruction._GOLDEN_COUNTS, "v3", 1)
    assert not reconstruction.preload(FAMILIES)
    assert "v3 counts 37" in capsys.readouterr().err
