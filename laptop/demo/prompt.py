"""A request as the demo model understands it, whatever dialect it came in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A decoded JSON value: hostile until looked at."""

# One piece is one token: up to eight visible characters with the white space before them.
_PIECE = re.compile(r"\s*\S{1,8}|\s+")
# Fields that carry no words of the conversation.
_UNCOUNTED = frozenset(
    {"type", "id", "role", "data", "url", "signature", "media_type", "cache_control",
     "encrypted_content", "tool_use_id", "tool_call_id", "call_id"}
)  # fmt: skip


class BadRequest(Exception):
    """The request breaks a rule of its dialect; the text says which."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Tool:
    """A declared tool and the JSON Schema of its arguments."""

    name: str
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What decides the answer. Equal prompts get equal answers."""

    model: str
    text: str
    seed: str
    input_tokens: int
    tools: tuple[Tool, ...] = ()
    forced: Tool | None = None
    parallel: bool = True
    results: tuple[str, ...] = ()
    thinking: bool = False
    show_thinking: bool = True
    schema: Mapping[str, Json] | None = None
    stops: tuple[str, ...] = ()
    max_tokens: int | None = None


def pieces(text: str) -> list[str]:
    """The tokens of ``text``, in order; joined they are the text again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """The number of tokens of ``text``."""
    return sum(1 for _ in _PIECE.finditer(text))


def measure(value: Json) -> int:
    """The tokens of every string inside ``value``, bookkeeping fields left out."""
    total = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            total += count(item)
        elif isinstance(item, Mapping):
            waiting.extend(inner for key, inner in item.items() if key not in _UNCOUNTED)
        elif isinstance(item, Sequence):
            waiting.extend(item)
    return total


def seed_of(body: bytes) -> str:
    """24 hex digits that name this request; ids of the answer are made of them."""
    return hashlib.sha256(body).hexdigest()[:24]


def require(body: Mapping[str, Json], name: str, kind: type | tuple[type, ...]) -> Json:
    """The field ``name``, which must be there and of ``kind``."""
    value = body.get(name)
    if value is None:
        raise BadRequest(f"{name}: Field required")
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadRequest(f"{name}: Input should be of another type")
    return value


def objects(value: Json) -> list[Mapping[str, Json]]:
    """The objects in a list, anything else left out."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, Mapping)]


def text_of(content: Json, kinds: frozenset[str]) -> str:
    """The text of a content value: a string, or the text of its parts of these ``kinds``."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in objects(content) if part.get("type") in kinds]
    return "".join(part for part in parts if isinstance(part, str))


def find_tool(tools: Sequence[Tool], name: Json) -> Tool:
    """The declared tool called ``name``."""
    for tool in tools:
        if tool.name == name:
            return tool
    raise BadRequest(f"tool_choice: Tool '{name}' not found in provided tools")


def strings(value: Json) -> tuple[str, ...]:
    """A string or list of strings as a tuple of the non-empty ones."""
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(item for item in listed if isinstance(item, str) and item)
