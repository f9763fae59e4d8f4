"""Claude's vocabularies as the optional package ``ctok`` reconstructs them, made fast.

``ctok`` prices any text by a search over its whole length, a few hundred KB/s at best. No piece of
its vocabularies crosses whitespace, and what a word costs depends on its neighbours only through
the kind of whitespace between them. So each word is priced once by ``ctok``'s own rules and
remembered, and a text is the sum of its words and of its whitespace.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from services.counter.vocabulary import (
    GOLDEN_TEXT,
    Vocabulary,
    VocabularyFault,
    load_vocabulary,
    replace_surrogates,
)

SUPPORTED_VERSION: Final = "1.3.0"
"""The version whose inner functions are called here."""

MISS_BUDGET_CHARS: Final = 196_608
"""Characters of unseen words priced for one item; past it the rest is estimated."""

_GOLDEN_COUNTS: Final = {"v3": 37, "v4.7": 42, "v4.8": 42}

_MEMO_ENTRIES: Final = 200_000
_MEMO_CHARS: Final = 64
_LONGEST_CHARS: Final = 8_192
"""Longest word, or whitespace between two, that is priced; and a text's last line breaks."""

_MARKED_CHARS: Final = 3  # a marked "a" is <bow>a<eow>

# After normalization these are the only characters of the space class.
_WORD: Final = re.compile("([ \t\n\u3000]*)([^ \t\n\u3000]+)")
_PLAIN: Final = re.compile(r"[\t\n -~]*")

# A packed cost: tokens << 2 | whether a marker opens the word | whether one closes it.
_OPENS: Final = 2
_CLOSES: Final = 1


def is_installed() -> bool:
    """Whether the operator chose to install the supported version of the package."""
    try:
        return version("ctok") == SUPPORTED_VERSION
    except PackageNotFoundError:
        return False


class PieceTable:
    """The pieces of one family ("v3", "v4.7", "v4.8") and the remembered costs of words."""

    def __init__(self, family: str) -> None:
        self._normal: Any = importlib.import_module("ctok.normalize")
        self._engine: Any = importlib.import_module("ctok.engine")
        self._model: Any = importlib.import_module("ctok.main")._model(family)
        self._gaps: dict[str, int] = {}
        # By (space on the left, space on the right) of the word.
        self.words: tuple[dict[str, int], ...] = ({}, {}, {}, {})
        self.space_cost = self._tile(" ")

    def normalize(self, text: str) -> str:
        """``text`` as the model sees it; plain ASCII is already so."""
        if _PLAIN.fullmatch(text) is not None:
            return text
        normal: str = self._normal.nfc(
            replace_surrogates(text), fold_quotes=self._model.fold_quotes
        )
        return normal

    def price_tail(self, newlines: int) -> int:
        """What a text's last newlines cost: the frame absorbs most of them."""
        return len(self._engine.frame_tail(newlines, self._model))

    def price_bare(self, text: str) -> int:
        """A text without any word."""
        return self._tile(self._mark(text, has_head_space=text[:1] == " "))

    def price_head(self, head: str, *, is_spaced: bool, has_head_space: bool) -> tuple[int, bool]:
        """The first word with the whitespace before it, and whether a marker closes it.

        ``has_head_space``: the text began with a space before it was normalized.
        """
        framed = head + (" a" if is_spaced else "\na")
        marked = self._mark(framed, has_head_space=has_head_space)[:-_MARKED_CHARS]
        closes = is_spaced and marked[-1:] != " "
        return self._tile(marked if closes else marked[:-1]), closes

    def price_word(self, word: str, side: int) -> int:
        """The packed cost of ``word``; ``side`` is 2 * space on its left + space on its right."""
        framed = ("a " if side & 2 else "a\n") + word + (" a" if side & 1 else "\na")
        marked = self._mark(framed, has_head_space=False)[_MARKED_CHARS:-_MARKED_CHARS]
        opens = side & 2 != 0 and marked[:1] != " "
        closes = side & 1 != 0 and marked[-1:] != " "
        cost = self._tile(marked[0 if opens else 1 : None if closes else -1])
        packed = cost << 2 | opens * _OPENS | closes * _CLOSES
        _remember(self.words[side], word, packed)
        return packed

    def price_gap(self, gap: str) -> int:
        """A run of whitespace that is not the single space between two words."""
        cost = self._gaps.get(gap)
        if cost is None:
            cost = self._tile(gap)
            _remember(self._gaps, gap, cost)
        return cost

    def _mark(self, text: str, *, has_head_space: bool) -> str:
        marked: str = self._normal.stream_norm(text, self._model, raw_head_space=has_head_space)
        return marked

    def _tile(self, marked: str) -> int:
        def price_char(at: int) -> int:
            char = marked[at]
            cost: int = 1 if "\ufdd0" <= char <= "\ufdd4" else self._price_char(char)
            return cost

        total: int = self._engine.min_vocab_tile(marked, self._model.trie, price_char)[0]
        return total

    def _price_char(self, char: str) -> int:
        cost: int = self._engine.char_cost(self._model, char)
        return cost


def _remember(memo: dict[str, int], key: str, cost: int) -> None:
    if len(key) > _MEMO_CHARS:
        return
    if len(memo) >= _MEMO_ENTRIES:
        memo.clear()
    memo[key] = cost


@cache
def load_pieces(family: str) -> PieceTable:
    """The table of a family, loaded once. Raises ImportError where ``ctok`` is absent."""
    return PieceTable(family)


def preload(families: Iterable[str]) -> bool:
    """Load the tables of ``families``; whether the package is there and counts as it should.

    A package that is there and does not is told of on stderr and left alone: it is no more than a
    better way to count.
    """
    if not is_installed():
        return False
    try:
        for family in dict.fromkeys(families):
            counted = Reconstruction(load_pieces(family), load_vocabulary("o200k_base")).count(
                GOLDEN_TEXT
            )
            if counted != _GOLDEN_COUNTS[family]:
                raise VocabularyFault(f"{family} counts {counted}")
    except Exception as error:
        sys.stderr.write(f"ctok is installed and not used: {error!r}\n")
        return False
    return True


class Reconstruction:
    """Counts one item by a reconstructed vocabulary, frame left out.

    ``is_estimate`` turns true where ``estimate`` had to take over: past the budget, or on a single
    word too long to price.
    """

    def __init__(self, pieces: PieceTable, estimate: Vocabulary) -> None:
        self.is_estimate = False
        self._pieces = pieces
        self._estimate = estimate
        self._budget = MISS_BUDGET_CHARS

    def count(self, text: str) -> int:
        """Tokens of ``text`` as the whole of a message."""
        if not text:
            return 0
        normal = self._pieces.normalize(text)
        body = normal.rstrip("\n")
        head = _WORD.match(body)
        if head is None:
            return self._count_blank(body, len(normal) - len(body))
        total = self._pieces.price_tail(min(len(normal) - len(body), _LONGEST_CHARS))
        words = _WORD.findall(body, head.end())
        following = words[0][0] if words else body[head.end() :]
        cost, closes = self._price_head(head.group(), following, has_space=text[0] == " ")
        return total + cost + self._count_words(words, closes, body)

    def _count_blank(self, body: str, newlines: int) -> int:
        """A text without a word."""
        if len(body) + newlines > _LONGEST_CHARS:
            return self._estimated(body + "\n" * newlines)
        return self._pieces.price_tail(newlines) + self._pieces.price_bare(body)

    def _price_head(self, head: str, following: str, *, has_space: bool) -> tuple[int, bool]:
        if len(head) > _LONGEST_CHARS:
            return self._estimated(head), True
        return self._pieces.price_head(
            head, is_spaced=_is_seam(following), has_head_space=has_space
        )

    def _count_words(self, words: list[tuple[str, str]], closes: bool, body: str) -> int:
        pieces = self._pieces
        tables = pieces.words
        gaps = [gap for gap, _ in words]
        gaps.append(body[len(body.rstrip(" \t\n\u3000")) :])
        total = 0
        for at, (gap, word) in enumerate(words):
            following = gaps[at + 1]
            side = 2 * (gap[-1] == " ") + _is_seam(following)
            packed = tables[side].get(word)
            if packed is None:
                self._budget -= len(word)
                if self._budget < 0:
                    rest = "".join(gap + word for gap, word in words[at:])
                    return total + self._estimated(rest)
                packed = self._price_word(word, side)
            if gap != " ":
                total += self._price_gap(gap)
            elif not (closes and packed & _OPENS):
                total += pieces.space_cost
            total += packed >> 2
            closes = packed & _CLOSES != 0
        return total + (self._price_gap(gaps[-1]) if gaps[-1] else 0)

    def _price_word(self, word: str, side: int) -> int:
        if len(word) > _LONGEST_CHARS:
            return self._estimated(word) << 2 | _OPENS | _CLOSES
        return self._pieces.price_word(word, side)

    def _price_gap(self, gap: str) -> int:
        if len(gap) > _MEMO_CHARS:
            self._budget -= len(gap)
            if self._budget < 0 or len(gap) > _LONGEST_CHARS:
                return self._estimated(gap)
        return self._pieces.price_gap(gap)

    def _estimated(self, text: str) -> int:
        self.is_estimate = True
        return self._estimate.count(text)


def _is_seam(gap: str) -> bool:
    """Whether a closing marker may stand before ``gap``: before one space, never before two."""
    return gap[:1] == " " and gap[:2] != "  "
