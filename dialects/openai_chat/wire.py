"""Values read without trust: what is not of the right type is absent."""

from __future__ import annotations

from typing import Any


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one: null and nonsense are absence."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; [] for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a string, else "": null and nonsense are absence."""
    return value if isinstance(value, str) else ""
