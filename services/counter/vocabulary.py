"""The native tokenizer engine, guarded: any text in, a number of tokens out.

The vocabularies are compiled into the ``splintr`` wheel, so nothing is fetched at run time. Text
that may name a special token goes to ``encode_ordinary`` alone: providers count ``<|endoftext|>``
written by a user as plain text, and the other entry points would let a user undercount.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol

from splintr import Tokenizer

CHUNK_CHARS = 65_536
"""Longest text handed to the engine at once; a cut inside an unbroken run costs at most a token."""

_CUT_WINDOW_CHARS = 4_096
_INDENT_CHARS = 200
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

GOLDEN_TEXT = "Hello, world! Merhaba dünya, 你好. def f(x): return x**2  # 12345 <|endoftext|>\n"
_GOLDEN_COUNTS: dict[str, int] = {
    "cl100k_base": 33,
    "deepseek_v3": 34,
    "gemma3": 35,
    "gemma4": 35,
    "glm4": 32,
    "kimi_k2": 32,
    "llama3": 31,
    "mistral_v3": 35,
    "o200k_base": 31,
    "olmo2": 33,
    "phi4": 33,
    "qwen3": 34,
}
# Every special token of these is written with this mark. Text without it can hold none, and then
# the engine's quicker call, which would take it for what it names, counts the same.
_MARKED = frozenset({"o200k_base", "cl100k_base"})
_MARK = "<|"
_MARKS_SOUGHT = 64
_TOKEN_BYTES = 4

_PRELOADED = ("o200k_base", "cl100k_base")
"""Most models count by these; the others are loaded, and tried, with the first text for them."""


class Vocabulary(Protocol):
    """Counts the tokens of a text, without any framing."""

    @property
    def is_estimate(self) -> bool: ...

    def count(self, text: str) -> int: ...


class VocabularyFault(Exception):
    """The engine failed on a text, or does not count what it is known to count."""


class NativeVocabulary:
    """One vocabulary of the native engine; linear time and bounded memory on any text."""

    is_estimate = False

    def __init__(self, name: str) -> None:
        self._name = name
        engine = Tokenizer.from_pretrained(name)
        self._encode = engine.encode_ordinary
        self._encode_flat = engine.encode_flat if name in _MARKED else None

    def count(self, text: str) -> int:
        """Tokens of ``text``. Raises VocabularyFault where the engine gives up."""
        return sum(self._count_chunk(chunk) for chunk in split_chunks(text))

    def _count_chunk(self, chunk: str) -> int:
        try:
            if self._encode_flat is not None and not _may_name_special(chunk):
                return len(self._encode_flat(chunk)) // _TOKEN_BYTES
            return len(self._encode(chunk))
        except UnicodeEncodeError:
            return len(self._encode(replace_surrogates(chunk)))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # A panic of a native extension derives from BaseException.
            raise VocabularyFault(f"the {self._name} engine failed") from error


def _may_name_special(text: str) -> bool:
    """Whether the mark stands in ``text``, or might: past some bars nobody looks on.

    Looking for the one character that is rare is a hundred times as fast as looking for both.
    """
    at = -1
    for _ in range(_MARKS_SOUGHT):
        at = text.find(_MARK[1], at + 1)
        if at < 0:
            return False
        if text[at - 1 : at] == _MARK[0]:
            return True
    return True


def replace_surrogates(text: str) -> str:
    """``text`` with U+FFFD for every lone surrogate (JSON admits ``"\\ud83d"``)."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def split_chunks(text: str) -> Iterator[str]:
    """Pieces of at most CHUNK_CHARS, cut before a word wherever one starts near the limit."""
    start = 0
    while len(text) - start > CHUNK_CHARS:
        cut = _find_cut(text, start + CHUNK_CHARS)
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:] if start else text


def _find_cut(text: str, limit: int) -> int:
    """A place shortly before ``limit`` that no token crosses, or ``limit`` itself.

    A single space belongs to the word after it; a line break, to what stands before the
    indentation that follows it.
    """
    at, floor = limit, limit - _CUT_WINDOW_CHARS
    while (at := text.rfind(" ", floor, at)) > floor:
        if not text[at - 1].isspace():
            return at
    at = limit
    while (at := text.rfind("\n ", floor, at)) > floor:
        indented = text[at + 1 : at + _INDENT_CHARS].lstrip(" ")
        if indented and not indented[0].isspace():
            return at + 1
    return limit


@cache
def load_vocabulary(name: str) -> NativeVocabulary:
    """The vocabulary ``name`` of the engine, loaded once and tried on a text of known count.

    Raises ValueError on an unknown name, VocabularyFault where the count is wrong.
    """
    vocabulary = NativeVocabulary(name)
    counted, expected = vocabulary.count(GOLDEN_TEXT), _GOLDEN_COUNTS[name]
    if counted != expected:
        raise VocabularyFault(f"{name} counts {counted} where {expected} is right")
    return vocabulary


def preload(names: Iterable[str]) -> None:
    """Load what most models count by, so that no request waits for it.

    Raises VocabularyFault where it counts wrongly, or where one of ``names`` is not known here.
    """
    unknown = sorted(set(names) - _GOLDEN_COUNTS.keys())
    if unknown:
        raise VocabularyFault(f"no such vocabulary: {', '.join(unknown)}")
    for name in _PRELOADED:
        load_vocabulary(name)
