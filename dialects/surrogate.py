"""Half surrogate pairs: they come in as JSON escapes and must not go out.

A character beyond U+FFFF may arrive as two escapes, and a stream may be cut between them.
"""

from __future__ import annotations

import re
from typing import Final

_HALF: Final = re.compile("[\ud800-\udfff]")


def mend_text(text: str) -> str:
    """Join the halves of surrogate pairs and replace those that stay alone."""
    if text.isascii() or _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Mender:
    """Mends a text that comes in pieces: a first half waits for the piece with the second."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def add(self, text: str) -> str:
        """What of the text so far may go out."""
        if not self._half and text.isascii():
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return mend_text(text)

    def close(self) -> str:
        """What is left: a half that stays alone, replaced."""
        half, self._half = self._half, ""
        return mend_text(half)
