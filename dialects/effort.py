"""Words for how hard a model thinks, and the token budgets that stand for them (matrix §2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WORDS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Weakest first."""

# Upper bounds of a budget in tokens → the word that comes nearest.
_BOUNDS: Final = ((2_048, "low"), (8_192, "medium"), (24_576, "high"))


def word_of_budget(budget: int) -> str:
    """The effort a thinking budget in tokens amounts to."""
    return next((word for bound, word in _BOUNDS if budget < bound), "xhigh")


def fit_word(word: str, known: Sequence[str]) -> str | None:
    """The strongest of ``known`` that is not above ``word``, else its weakest.

    None where nothing is known. "none" is no weak effort: it is given for itself alone.
    """
    if word in known:
        return word
    efforts = [one for one in known if one != "none"]
    rank = WORDS.index(word) if word in WORDS else WORDS.index("medium")
    below = [one for one in efforts if WORDS.index(one) <= rank]
    return below[-1] if below else next(iter(efforts), None)
