"""An estimated vocabulary scales a known one by what a text is written in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.counter.family import load_calibration
from services.counter.script import ScriptVocabulary
from services.counter.vocabulary import CHUNK_CHARS, load_vocabulary

RATIOS = load_calibration().ratios["claude_v3"]
ENGINE = ScriptVocabulary(load_vocabulary("o200k_base"), RATIOS)
PROSE = "The quick brown fox jumps over the lazy dog and nobody minds at all today. "


def ratio(text: str) -> float:
    return ENGINE.count(text) / load_vocabulary("o200k_base").count(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prose", PROSE * 20),
        ("code", "{};()=>[]!!&&||" * 40),
        ("latin", "Der süße Käfer übt schön über den größten Flüssen. " * 10),
        ("cyrillic", "Привет, как дела сегодня вечером? " * 10),
        ("greek", "Καλημέρα κόσμε " * 20),
        ("arabic", "مرحبا بالعالم كيف حالك " * 20),
        ("hebrew", "שלום עולם מה שלומך " * 20),
        ("indic", "नमस्ते दुनिया आप कैसे हैं " * 20),
        ("han", "今天天气很好我们去公园" * 20),
        ("kana", "こんにちはせかいありがとう" * 20),
        ("hangul", "안녕하세요세계여러분" * 20),
        ("other", "ⴰⵣⵓⵍ" * 20),
    ],
)
def test_every_script_has_its_ratio(name: str, text: str) -> None:
    assert ratio(text) == pytest.approx(RATIOS[name], rel=0.12)


def test_a_mixed_text_lies_between() -> None:
    low, high = sorted((RATIOS["prose"], RATIOS["hangul"]))
    assert low < ratio(PROSE * 3 + "안녕하세요세계여러분" * 10) < high


@given(st.text(min_size=1, max_size=200))
def test_weights_sum_to_what_the_reference_counts(text: str) -> None:
    weights = ENGINE.weigh(text)
    assert set(weights) <= set(RATIOS)
    assert all(weight >= 0 for weight in weights.values())
    assert sum(weights.values()) == pytest.approx(load_vocabulary("o200k_base").count(text))


def test_an_empty_text_is_nothing() -> None:
    assert ENGINE.count("") == 0
    assert ENGINE.weigh("") == {}


def test_a_long_text_is_weighed_piece_by_piece() -> None:
    half = CHUNK_CHARS
    text = (PROSE * (half // len(PROSE))) + "안녕하세요세계여러분" * (half // 10)
    both = ENGINE.count(text)
    apart = ENGINE.count(text[:half]) + ENGINE.count(text[half:])
    assert both == pytest.approx(apart, rel=0.01)
