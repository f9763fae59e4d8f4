"""Free-form tools where only JSON arguments are known: wrapped on the way up, unwrapped back.

Codex's ``apply_patch`` is one: forwarded without a schema it is refused, and returned as a
function call it is not executed.
"""

from __future__ import annotations

import json
import re
from typing import Final

from dialects.surrogate import mend_text

_OPENING: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_STOP: Final = re.compile(r'["\\]')
_ESCAPES: Final = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}


def unwrap_input(arguments: str) -> str:
    """The text in a stand-in's arguments; arguments of another shape are the text."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        return mend_text(value["input"])
    return arguments


class InputUnwrapper:
    """Unwraps ``{"input": "…"}`` while it streams.

    ``feed`` gives the text decoded so far, ``close`` the rest. An escape cut in two waits for its
    second half; arguments of another shape come whole, at the close.
    """

    __slots__ = ("_buffer", "_is_ended", "_is_inside", "_seen")

    def __init__(self) -> None:
        self._buffer = ""
        self._seen: list[str] = []
        self._is_inside = False
        self._is_ended = False

    def feed(self, text: str) -> str:
        if self._is_ended:
            return ""
        self._buffer += text
        if not self._is_inside:
            match = _OPENING.match(self._buffer)
            if match is None:
                return ""
            self._is_inside = True
            self._buffer = self._buffer[match.end() :]
        return self._decode()

    def close(self) -> str:
        if self._is_inside:
            rest, self._buffer = self._buffer, ""
            return "" if self._is_ended else mend_text(rest.partition("\\")[0])
        return unwrap_input(self._buffer)

    def _decode(self) -> str:
        out: list[str] = []
        text, at = self._buffer, 0
        while True:
            match = _STOP.search(text, at)
            if match is None:
                out.append(text[at:])
                at = len(text)
                break
            out.append(text[at : match.start()])
            at = match.start()
            if match.group() == '"':
                self._is_ended = True
                break
            decoded, end = _decode_escape(text, at)
            if end == at:
                break
            out.append(decoded)
            at = end
        self._buffer = "" if self._is_ended else text[at:]
        return "".join(out)


def _decode_escape(text: str, at: int) -> tuple[str, int]:
    """The character escaped at ``at`` and where it ends; ``at`` itself while it is incomplete."""
    letter = text[at + 1 : at + 2]
    if letter != "u":
        return (_ESCAPES.get(letter, letter), at + 2) if letter else ("", at)
    code, end = _unit(text, at)
    if end == at or not 0xD800 <= code <= 0xDFFF:
        return (chr(code), end) if end > at else ("", at)
    if code >= 0xDC00:
        return "\ufffd", end
    following = text[end : end + 2]
    if following != "\\u":
        return ("", at) if "\\u".startswith(following) else ("\ufffd", end)
    low, low_end = _unit(text, end)
    if low_end == end:
        return "", at
    if not 0xDC00 <= low <= 0xDFFF:
        return "\ufffd", end
    return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), low_end


def _unit(text: str, at: int) -> tuple[int, int]:
    """The UTF-16 unit of the ``\\uXXXX`` at ``at`` and its end; ``at`` while it is incomplete."""
    digits = text[at + 2 : at + 6]
    if len(digits) < 4:
        return 0, at
    try:
        return int(digits, 16), at + 6
    except ValueError:
        return 0xFFFD, at + 6
