"""The native engine: right counts, plain text for special tokens, linear time, no exceptions."""

from __future__ import annotations

from functools import cache

import pytest
import splintr
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from services.counter import vocabulary
from services.counter.family import load_calibration
from services.counter.vocabulary import (
    CHUNK_CHARS,
    VocabularyFault,
    load_vocabulary,
    preload,
    replace_surrogates,
    split_chunks,
)

_RANKS = {"cl100k_base": 100_256, "o200k_base": 199_998}
_PATTERNS = {
    "cl100k_base": splintr.CL100K_BASE_PATTERN,
    "o200k_base": splintr.O200K_BASE_PATTERN,
}
# fmt: off
_FRAGMENTS = [
    "Hello", " world", "'s", "  ", "\n\n", "\t", "123456", "<|endoftext|>", "İstanbul", "你好，",
    "Привет", "👩‍👩‍👧", "e\u0301", "();\n", "    ", "AAA", "camelCase", "\u3000",
]
# fmt: on


@cache
def reference(name: str) -> tiktoken.Encoding:
    """The reference implementation over the engine's own ranks: nothing to fetch."""
    token = splintr.Tokenizer.from_pretrained(name).decode_token_bytes
    ranks = {token(rank): rank for rank in range(_RANKS[name])}
    return tiktoken.Encoding(
        name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={}
    )


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
@given(st.text(max_size=60) | st.lists(st.sampled_from(_FRAGMENTS)).map("".join))
@settings(max_examples=100, deadline=None)
def test_counts_as_the_reference_does(name: str, text: str) -> None:
    assert load_vocabulary(name).count(text) == len(reference(name).encode_ordinary(text))


def test_special_tokens_written_by_a_user_are_plain_text() -> None:
    assert load_vocabulary("o200k_base").count("<|endoftext|>") == 7


@pytest.mark.parametrize("name", sorted(vocabulary._GOLDEN_COUNTS))
def test_golden_counts_hold(name: str) -> None:
    assert load_vocabulary(name).count("Hello") > 0


def test_a_wrong_golden_count_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vocabulary._GOLDEN_COUNTS, "o200k_base", 1)
    with pytest.raises(VocabularyFault, match="o200k_base counts 31 where 1 is right"):
        load_vocabulary.__wrapped__("o200k_base")


def test_every_vocabulary_of_the_calibration_has_a_golden_count() -> None:
    names = {family.vocabulary for family in load_calibration().families}
    preload(names)
    with pytest.raises(VocabularyFault, match="no such vocabulary: gopher"):
        preload([*names, "gopher"])


def test_lone_surrogates_are_replaced() -> None:
    assert replace_surrogates("a\ud83db\udc00") == "a\ufffdb\ufffd"
    engine = load_vocabulary("o200k_base")
    assert engine.count("a\ud83db") == engine.count("a\ufffdb")


def test_a_panic_of_the_engine_is_a_fault() -> None:
    class Panic(BaseException):
        pass

    def panic(_text: str) -> list[int]:
        raise Panic

    engine = load_vocabulary.__wrapped__("o200k_base")
    engine._encode = engine._encode_flat = panic
    for text in ("text", "<|text|>"):
        with pytest.raises(VocabularyFault):
            engine.count(text)


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_every_special_token_of_a_quick_vocabulary_bears_the_mark(name: str) -> None:
    engine = splintr.Tokenizer.from_pretrained(name)
    specials = range(splintr.base_vocab_size(name), engine.vocab_size)
    assert len(specials) > 5
    assert all("<|" in engine.decode_token(token) for token in specials)


@given(
    st.lists(
        st.sampled_from(
            [
                "<|endoftext|>",
                "<|",
                "|>",
                "<",
                "|",
                "a|b",
                "im_start",
                " ",
                "ü",
                "字",
                "\n",
                "x" * 9,
            ]
        )
        | st.text(max_size=9)
    )
)
@settings(max_examples=200, deadline=None)
def test_the_quick_call_counts_as_the_careful_one(pieces: list[str]) -> None:
    engine = load_vocabulary("o200k_base")
    text = replace_surrogates("".join(pieces))
    assert engine.count(text) == len(engine._encode(text))


def test_a_mark_behind_many_bars_is_not_missed() -> None:
    engine = load_vocabulary("o200k_base")
    text = "|" * 1_000 + "<|endoftext|>"
    assert engine.count(text) == len(engine._encode(text))


@given(st.text(max_size=40), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_chunks_join_to_the_text(text: str, repeat: int) -> None:
    whole = text * (CHUNK_CHARS * repeat // max(1, len(text)))
    chunks = list(split_chunks(whole))
    assert "".join(chunks) == whole
    assert all(len(chunk) <= CHUNK_CHARS for chunk in chunks)


@pytest.mark.parametrize(
    "text",
    [
        "It isn't  a short text, 12345 words long;\n    ",
        '     "Action":[\n      "ssm:GetInventory",\n\n      "ssm:Send"\n     ],\n',
        "def f():\n        return 1\n\n\n    // x\n",
    ],
)
@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_a_cut_costs_nothing(name: str, text: str) -> None:
    engine = load_vocabulary(name)
    whole = text * (3 * CHUNK_CHARS // len(text))
    assert engine.count(whole) == len(engine._encode(whole))


@pytest.mark.parametrize("unit", ["a", " ", "\n", "7", "Zm9v", "字", "e\u0301", " \t"])
def test_pathological_text_is_counted(unit: str) -> None:
    assert load_vocabulary("o200k_base").count(unit * (1_200_000 // len(unit))) > 0
