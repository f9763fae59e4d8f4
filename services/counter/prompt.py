"""A request reduced to what a provider counts: the same few shapes for every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """An earlier thought; ``hidden_chars`` is the length of what only the provider can read."""

    text: str
    hidden_chars: int = 0


@dataclass(frozen=True, slots=True)
class Image:
    """``width`` and ``height`` in pixels; zero where they could not be read."""

    width: int = 0
    height: int = 0
    is_low_detail: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """``pages`` are rendered as images; ``text`` is what could be read of it."""

    pages: int = 0
    text: str = ""
    has_citations: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str
    """JSON text, as the caller wrote it."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something only the provider can count: a file by id, a URL, a server tool's result."""

    text: str = ""


Block: TypeAlias = Text | Thinking | Image | Document | ToolCall | ToolResult | Opaque


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: ``name`` where the dialect lets a participant carry one."""

    role: Role
    blocks: tuple[Block, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; ``parameters`` is its JSON schema.

    A provider's own tool (web search, a shell) has a ``server_type`` and no schema.
    """

    name: str
    description: str | None = None
    parameters: Any = None
    server_type: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema an answer has to follow, and what it is called."""

    body: Any
    name: str = ""
    description: str = ""


class ToolChoice(StrEnum):
    AUTO = "auto"
    ANY = "any"
    NAMED = "named"
    NONE = "none"


class ThinkingMode(StrEnum):
    OFF = "off"
    ENABLED = "enabled"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A whole request.

    ``is_complete`` is false where parts of it stand at the provider; ``is_serial`` is true where
    it asks for one tool call at a time.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice.AUTO
    is_serial: bool = False
    schema: Schema | None = None
    thinking: ThinkingMode = ThinkingMode.OFF
    is_complete: bool = True
    is_responses: bool = False
    extras: dict[str, Any] = field(default_factory=dict)

    def blocks(self) -> Iterator[Block]:
        """Every block, those inside tool results included."""
        for turn in self.turns:
            for block in turn.blocks:
                yield block
                if isinstance(block, ToolResult):
                    yield from block.blocks
