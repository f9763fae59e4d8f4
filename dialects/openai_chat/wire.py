"""Values read without trust, and text mended: half surrogate pairs come in and must not go out."""

from __future__ import annotations

from typing import Any


def mend_text(text: str) -> str:
    """Join the halves of surrogate pairs and replace those that stay alone."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_half_pair(text: str) -> bool:
    """Whether the text ends in the first half of a surrogate pair."""
    return "\ud800" <= text[-1:] <= "\udbff"


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: null and nonsense are absence."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; [] for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a string, else "": null and nonsense are absence."""
    return value if isinstance(value, str) else ""
