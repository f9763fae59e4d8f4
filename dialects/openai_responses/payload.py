"""JSON that came in, read without trust: a value of the wrong type reads as empty."""

from __future__ import annotations

from typing import Any

from dialects import json_text


def parse_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in ``data``, or None where there is none."""
    try:
        value = json_text.parse(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def optional_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def object_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
