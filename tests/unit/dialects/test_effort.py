"""Words and budgets for how hard a model thinks."""

from __future__ import annotations

import pytest

from dialects.effort import WORDS, fit_word, word_of_budget


@pytest.mark.parametrize(
    ("word", "known", "fitted"),
    [
        ("high", ("low", "high"), "high"),
        ("max", ("low", "medium", "high", "xhigh"), "xhigh"),
        ("xhigh", ("low", "medium", "high", "max"), "high"),
        ("minimal", ("low", "high"), "low"),
        ("none", ("none", "low"), "none"),
        ("none", ("minimal", "low"), "minimal"),
        ("low", ("none", "high"), "high"),
        ("unheard of", ("low", "medium", "high"), "medium"),
        ("low", (), None),
        ("low", ("none",), None),
    ],
)
def test_a_word_becomes_the_strongest_that_is_not_above_it(
    word: str, known: tuple[str, ...], fitted: str | None
) -> None:
    assert fit_word(word, known) == fitted


def test_a_bigger_budget_is_never_a_weaker_word() -> None:
    words = [word_of_budget(budget) for budget in range(0, 40_000, 512)]
    ranks = [WORDS.index(word) for word in words]

    assert ranks == sorted(ranks)
    assert set(words) == {"low", "medium", "high", "xhigh"}
