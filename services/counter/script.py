"""The calibrated vocabulary: a known vocabulary's count, scaled by what the text is written in.

A family without a vocabulary of its own here differs from a known one mostly by script: one
multiplier for all is good for none (Claude over o200k is 1.07 in English, 2.4 in Hindi).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final

from services.counter.vocabulary import Vocabulary, split_chunks

# Tokens of the reference vocabulary per character: how much of a mixed text a script weighs.
_DENSITY: Final = {
    "cyrillic": 0.30,
    "greek": 0.45,
    "hebrew": 0.45,
    "arabic": 0.35,
    "indic": 0.33,
    "han": 0.80,
    "kana": 0.65,
    "hangul": 0.60,
    "other": 0.60,
}
_ASCII_DENSITY: Final = 0.25
_SCRIPT: Final = re.compile(
    "(?P<latin>[\u0080-\u036f\u1e00-\u1eff])"
    "|(?P<greek>[\u0370-\u03ff\u1f00-\u1fff])"
    "|(?P<cyrillic>[\u0400-\u052f])"
    "|(?P<hebrew>[\u0590-\u05ff])"
    "|(?P<arabic>[\u0600-\u077f\u08a0-\u08ff])"
    "|(?P<indic>[\u0900-\u0dff])"
    "|(?P<hangul>[\u1100-\u11ff\uac00-\ud7af])"
    "|(?P<kana>[\u3040-\u30ff])"
    "|(?P<han>[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])"
    "|(?P<other>[^\x00-\u036f\u0370-\u052f])"
)
_SYMBOLS: Final = b'!"#$%&()*+/:;<=>?@[\\]^`{|}~'
_INDENT: Final = re.compile(rb"\n +")

# Shares of a text at which it counts wholly as code, or as a Latin language other than English.
_CODE_SHARE: Final = 0.12
_LATIN_SHARE: Final = 0.015


class ScriptVocabulary:
    """``reference`` scaled by ``ratios``: multipliers of prose, code, latin and each script."""

    is_estimate = True

    def __init__(self, reference: Vocabulary, ratios: dict[str, float]) -> None:
        self._reference = reference
        self._ratios = ratios

    def count(self, text: str) -> int:
        """The estimated tokens of ``text``."""
        return round(sum(self._ratios[name] * tokens for name, tokens in self.weigh(text).items()))

    def weigh(self, text: str) -> dict[str, float]:
        """The reference's tokens of ``text``, by the ratio each is multiplied with."""
        weights: dict[str, float] = {}
        for chunk in split_chunks(text):
            tokens = self._reference.count(chunk)
            for name, share in _shares(chunk).items():
                known = name if name in self._ratios else "other"
                weights[known] = weights.get(known, 0.0) + share * tokens
        return weights


def _shares(text: str) -> dict[str, float]:
    """How much of ``text`` is prose, code, and of each script; they sum to one."""
    chars = {} if text.isascii() else _count_scripts(text)
    latin_chars = chars.pop("latin", 0)
    ascii_chars = len(text) - sum(chars.values())
    weights = {script: count * _DENSITY[script] for script, count in chars.items()}
    western = ascii_chars * _ASCII_DENSITY
    whole = western + sum(weights.values())
    code = min(1.0, _count_symbols(text) / len(text) / _CODE_SHARE)
    foreign = min(1.0, latin_chars / max(1, ascii_chars) / _LATIN_SHARE)
    weights["prose"] = western * (1 - foreign) * (1 - code)
    weights["code"] = western * (1 - foreign) * code
    weights["latin"] = western * foreign
    return {name: weight / whole for name, weight in weights.items() if weight}


def _count_symbols(text: str) -> int:
    """Characters that stand in code more than in prose: symbols and indentation."""
    data = text.encode("utf-8", "surrogatepass")
    symbols = len(data) - len(data.translate(None, _SYMBOLS))
    return symbols + sum(map(len, _INDENT.findall(data)))


def _count_scripts(text: str) -> dict[str, int]:
    """Characters of each script, ASCII left out; a character costs the same whatever it is."""
    counts: dict[str, int] = {}
    for char, number in Counter(text).items():
        name = _script_of(char)
        if name:
            counts[name] = counts.get(name, 0) + number
    return counts


@lru_cache(maxsize=16_384)
def _script_of(char: str) -> str:
    match = _SCRIPT.match(char)
    return str(match.lastgroup) if match else ""
