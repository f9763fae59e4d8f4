"""Blocks met before: the same count, made once, and none kept that a later one would better."""

from __future__ import annotations

import pytest

from services.counter import memory
from services.counter.memory import MIN_CHARS, BlockMemory, RememberingVocabulary


class Counting:
    """Counts characters, and how often it was asked; estimates as it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_estimate = False

    def count(self, text: str) -> int:
        self.asked.append(text)
        return len(text)


LONG = "word " * MIN_CHARS


def test_a_long_text_is_counted_once_and_a_short_one_each_time() -> None:
    engine, remembered = Counting(), BlockMemory()
    for _ in range(3):
        vocabulary = RememberingVocabulary(engine, "v", remembered)
        assert vocabulary.count(LONG) == len(LONG)
        assert vocabulary.count("short") == 5
    assert engine.asked.count(LONG) == 1
    assert engine.asked.count("short") == 3


def test_vocabularies_do_not_share_counts() -> None:
    engine, remembered = Counting(), BlockMemory()
    for name in ("v3", "v4.7"):
        RememberingVocabulary(engine, name, remembered).count(LONG)
    assert engine.asked == [LONG, LONG]
    assert len(remembered) == 2


def test_what_a_reconstruction_had_to_estimate_is_not_kept() -> None:
    engine, remembered = Counting(), BlockMemory()
    engine.is_estimate = True
    vocabulary = RememberingVocabulary(engine, "v3", remembered)
    vocabulary.count(LONG)
    assert vocabulary.is_estimate
    assert len(remembered) == 0


def test_lone_surrogates_are_remembered_too() -> None:
    engine, remembered = Counting(), BlockMemory()
    text = LONG + chr(0xD83D)
    vocabulary = RememberingVocabulary(engine, "v", remembered)
    assert vocabulary.count(text) == vocabulary.count(text) == len(text)
    assert engine.asked == [text]


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_BLOCKS", 4)
    engine, remembered = Counting(), BlockMemory()
    vocabulary = RememberingVocabulary(engine, "v", remembered)
    for at in range(20):
        vocabulary.count(f"{at} {LONG}")
    assert len(remembered) <= 4
