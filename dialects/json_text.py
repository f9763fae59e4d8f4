"""JSON at the border of the grammars: fast on the common road, exact off it.

orjson refuses half surrogate pairs and cannot write integers beyond 64 bits; both occur in what
models write, so the standard library stands behind it. Both render insertion order, UTF-8 and no
blanks.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import orjson

_LONG_NUMBER: Final = re.compile(rb"\d{19}")

RAW_KEY: Final = "_raw"
"""Holds argument text that is not a JSON object, where a dialect insists on one."""


def parse(data: bytes | str) -> Any:
    """The value, or ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def parse_request(data: bytes) -> Any:
    """A client's body: exact in its whole numbers, and mended in its text. ValueError.

    orjson rounds what 64 bits cannot hold. Halves of surrogate pairs are joined, and replaced
    where they stay alone: some servers refuse them, and no text a client means holds one.
    """
    value = parse(data)
    if _LONG_NUMBER.search(data):
        value = json.loads(data)
    if b"\\u" not in data:
        return value
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return value


def render(value: Any) -> bytes:
    """The value as compact UTF-8."""
    try:
        return orjson.dumps(value)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":")).encode()


def render_text(value: Any) -> str:
    """The value as compact text; numbers keep their Python form."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse_arguments(text: str) -> dict[str, Any]:
    """A call's argument text as the object some dialects want; never fails, never drops.

    Empty text is no arguments. What is not an object, or holds a number no float can hold, is
    kept whole under ``_raw``.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return {RAW_KEY: text}
    return value if isinstance(value, dict) else {RAW_KEY: text}


def render_arguments(value: Any) -> str:
    """The argument text of an object; the inverse of :func:`parse_arguments`."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(RAW_KEY), str):
        return str(value[RAW_KEY])
    return render_text(value)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("out of range")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
