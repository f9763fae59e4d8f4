"""A request body seen from above: its top-level keys, and where their values stand in the bytes.

Decoding and encoding again would lose key order, number forms and escapes that signatures and
caches depend on, so a value's place is found by scanning and only it is cut out. The scan
follows RFC 8259: a string hides brackets, an escaped key ("mod\\u0065l") is the same key, a
nested ``model`` is somebody else's. Keys that decide something may stand only once: parsers
disagree on which one counts.

A parser written in C says how long each value is, which saves scanning it; what it says is held
against the bytes. Where the two do not agree (a key given twice), all of it is scanned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 200
# Brackets to step over: about 0.2 s of scanning, where 33 MB of "[]," would take seconds.
MAX_BRACKETS: Final = 500_000

_BLANK: Final = re.compile(rb"[ \t\n\r]*+")
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^\s,{}\[\]\":]++")
# An entry's key with all around it up to its value, and what stands between two entries.
_KEY: Final = re.compile(rb'[ \t\n\r]*+("(?:[^"\\]++|\\.)*+")[ \t\n\r]*+:[ \t\n\r]*+', re.DOTALL)
_FIRST_KEY: Final = re.compile(rb"[ \t\n\r]*+\{" + _KEY.pattern, re.DOTALL)
_AFTER_VALUE: Final = re.compile(rb"[ \t\n\r]*+(,|\}(?=[ \t\n\r]*+\Z))[ \t\n\r]*+")
# Everything inside a container up to its next bracket; strings are swallowed whole.
_PLAIN: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)

_OPEN: Final = b"{["
_QUOTE: Final = ord('"')
_VALUES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


Places = dict[str, tuple[int, int]]
"""Begin and end of the values of some top-level keys, in the order of the body."""


class BodyError(ValueError):
    """The body is not one JSON object, or not one with one top-level model."""


Entry = tuple[str, int, int]
"""A top-level key with the begin and end of its value."""


def top_level(body: bytes) -> Iterable[Entry]:
    """Every entry in order. Raises BodyError, some of it while it is read."""
    if len(body) > MAX_BRACKETS and body.count(b"{") + body.count(b"[") > MAX_BRACKETS:
        raise BodyError("the body has too many objects and arrays")
    return _measure(body) or _scan(body)


def _measure(body: bytes) -> list[Entry] | None:
    """The entries by the lengths of a parser's values; None where that leads astray.

    Each value is a JSON value by the parser's word and stands where the entry says, so that there
    is no other way to read the body.
    """
    entries: list[Entry] = []
    try:
        values = _VALUES.decode(body)
        named = _FIRST_KEY.match(body)
        while named is not None:
            key, begin = _unescape(named.group(1)), named.end()
            value = bytes(values[key])
            position = begin + len(value)
            following = _AFTER_VALUE.match(body, position)
            if following is None or not body.startswith(value, begin):
                return None
            entries.append((key, begin, position))
            if following.group(1) == b"}":
                return entries
            named = _KEY.match(body, following.end())
    except (BodyError, KeyError, msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    return None


def _scan(body: bytes) -> Iterator[Entry]:
    """The entries by scanning every byte."""
    position = _expect(body, _skip_blank(body, 0), b"{")
    position = _skip_blank(body, position)
    is_empty = body[position : position + 1] == b"}"
    while not is_empty:
        key, position = _read_key(body, position)
        begin = _skip_blank(body, _expect(body, _skip_blank(body, position), b":"))
        end = _skip_value(body, begin)
        yield key, begin, end
        position = _skip_blank(body, end)
        if body[position : position + 1] == b"}":
            break
        position = _skip_blank(body, _expect(body, position, b","))
    if _skip_blank(body, position + 1) != len(body):
        raise BodyError("the body goes on after its object")


def find_repeated(body: bytes, keys: frozenset[str]) -> str | None:
    """The first of ``keys`` that stands more than once at the top. Raises BodyError."""
    seen: set[str] = set()
    for key, _begin, _end in top_level(body):
        if key in seen and key in keys:
            return key
        seen.add(key)
    return None


def find_places(body: bytes, keys: Set[str]) -> Places:
    """Where the values of those top-level keys stand; ``model`` must be there and be a string.

    Raises BodyError, also where one of the keys is given twice.
    """
    places: Places = {}
    for key, begin, end in top_level(body):
        if key in places:
            raise BodyError(f"{key} is given twice")
        if key in keys or key == "model":
            places[key] = begin, end
    if "model" not in places:
        raise BodyError("model is missing")
    if body[places["model"][0]] != _QUOTE:
        raise BodyError("model must be a string")
    return places


def splice(body: bytes, places: Places, values: Mapping[str, Any]) -> bytes:
    """``body`` with other values at the places ``find_places`` gave, every other byte as it was."""
    pieces: list[bytes] = []
    at = 0
    for key, (begin, end) in places.items():
        pieces += (body[at:begin], json.dumps(values[key]).encode())
        at = end
    return b"".join((*pieces, body[at:]))


def _skip_blank(body: bytes, position: int) -> int:
    match = _BLANK.match(body, position)
    return match.end() if match else position


def _expect(body: bytes, position: int, token: bytes) -> int:
    if body[position : position + 1] != token:
        raise BodyError("the body is not a JSON object")
    return position + 1


def _read_key(body: bytes, position: int) -> tuple[str, int]:
    match = _STRING.match(body, position)
    if match is None:
        raise BodyError("the body is not a JSON object")
    return _unescape(match.group()), match.end()


def _unescape(quoted: bytes) -> str:
    """The key that a string stands for."""
    if b"\\" not in quoted:
        return quoted[1:-1].decode("utf-8", "replace")
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise BodyError("the body is not a JSON object") from None


def _skip_value(body: bytes, position: int) -> int:
    """The end of the value that begins at ``position``."""
    first = body[position : position + 1]
    if first and first in _OPEN:
        return _skip_container(body, position)
    match = (_STRING if first == b'"' else _SCALAR).match(body, position)
    if match is None:
        raise BodyError("the body is not a JSON object")
    return match.end()


def _skip_container(body: bytes, position: int) -> int:
    depth = 0
    plain = _PLAIN.match
    size = len(body)
    while position < size:
        if body[position] in _OPEN:
            depth += 1
            if depth > MAX_DEPTH:
                raise BodyError("the body is nested too deeply")
        else:
            depth -= 1
            if depth == 0:
                return position + 1
        match = plain(body, position + 1)
        if match is None:
            break
        position = match.end()
        if position < size and body[position] == _QUOTE:
            break  # a string without its end
    raise BodyError("the body is not a JSON object")
