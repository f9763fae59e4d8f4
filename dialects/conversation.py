"""The neutral request: what any dialect's request body becomes on its way to another dialect.

Nothing is dropped here. What the hub has no word for is carried (``extras``, :class:`Opaque`) or
refused by name; what an encoder changes or leaves out it notes in ``warnings``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dialects.errors import refuse_feature


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"  # in the middle of a conversation; leading ones stand in Conversation.system


@dataclass(slots=True)
class Text:
    text: str
    cache: dict[str, Any] | None = None  # an Anthropic cache_control, or None


@dataclass(slots=True)
class Image:
    """Exactly one of ``data`` (base64 text), ``url`` and ``file_id`` is set."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: dict[str, Any] | None = None


@dataclass(slots=True)
class Document:
    """A PDF (``data`` base64, ``url`` or ``file_id``) or plain text (``text``)."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    title: str | None = None
    context: str | None = None
    citations: bool = False
    is_search_result: bool = False  # ``context`` is its source
    cache: dict[str, Any] | None = None


@dataclass(slots=True)
class Audio:
    data: str
    format: str


@dataclass(slots=True)
class ToolCall:
    """``arguments`` is the call's JSON text (function) or free text (custom), as it was sent."""

    id: str
    name: str
    arguments: str
    is_custom: bool = False
    namespace: str | None = None
    cache: dict[str, Any] | None = None


@dataclass(slots=True)
class ToolResult:
    id: str
    parts: list[Part]
    is_error: bool = False
    is_custom: bool = False
    cache: dict[str, Any] | None = None


@dataclass(slots=True)
class Reasoning:
    """Earlier thinking. ``carrier``/``data`` as in events.BlockSignature; both None if unsigned."""

    text: str
    carrier: str | None = None
    data: str | None = None
    id: str | None = None


@dataclass(slots=True)
class Refusal:
    text: str


@dataclass(slots=True)
class Opaque:
    """A part only its own dialect understands, kept whole."""

    dialect: str
    data: dict[str, Any]


Part = Text | Image | Document | Audio | ToolCall | ToolResult | Reasoning | Refusal | Opaque


@dataclass(slots=True)
class Turn:
    """``where`` is the place in the client's body that an error about it names."""

    role: Role
    parts: list[Part]
    where: str = "messages"


class ToolKind(StrEnum):
    FUNCTION = "function"
    CUSTOM = "custom"  # free-form input
    HOSTED = "hosted"  # run by the provider, or defined by it: kept whole in ``data``


@dataclass(slots=True)
class Tool:
    kind: ToolKind
    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None  # JSON Schema of a function's arguments
    strict: bool | None = None
    format: dict[str, Any] | None = None  # a custom tool's: {type, syntax, definition}
    namespace: str | None = None
    cache: dict[str, Any] | None = None
    dialect: str | None = None  # hosted: whose
    data: dict[str, Any] | None = None  # hosted: as sent


class ChoiceMode(StrEnum):
    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(slots=True)
class ToolChoice:
    """``names`` holds one name for NAMED; for AUTO and REQUIRED a subset, or nothing for all."""

    mode: ChoiceMode
    names: list[str] = field(default_factory=list)


class ReasoningMode(StrEnum):
    DEFAULT = "default"  # the client said nothing
    OFF = "off"
    AUTO = "auto"  # adaptive, the model decides
    BUDGET = "budget"
    EFFORT = "effort"


@dataclass(slots=True)
class ReasoningConfig:
    """``effort``: none, minimal, low … max. ``show``: None leaves the model's default.

    ``is_wanted`` in mode DEFAULT: a model that decides for itself should think.
    """

    mode: ReasoningMode = ReasoningMode.DEFAULT
    budget: int | None = None
    effort: str | None = None
    show: bool | None = None
    between_tools: bool = False
    keep_encrypted: bool = False  # the client wants what it needs for a stateless replay
    is_wanted: bool = False  # the client asked to see or keep reasoning, not how much of it


@dataclass(slots=True)
class OutputFormat:
    """``kind``: "json_schema" or "json_object"."""

    kind: str
    schema: dict[str, Any] | None = None
    name: str | None = None
    strict: bool | None = None
    description: str | None = None


@dataclass(slots=True)
class Conversation:
    """One request, whatever dialect it came in and goes out by."""

    source: str
    model: str
    system: list[Text] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stops: list[str] = field(default_factory=list)
    stream: bool = False
    include_usage: bool = False  # the Chat client asked for the usage chunk
    reasoning: ReasoningConfig = field(default_factory=ReasoningConfig)
    format: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None  # the end user's id as the client gave it
    service_tier: str | None = None
    cache_key: str | None = None
    cache: dict[str, Any] | None = None  # Anthropic's top-level cache_control
    extras: dict[str, Any] = field(default_factory=dict)  # fields only the source dialect has
    warnings: list[str] = field(default_factory=list)

    def check_prefill(self, *, can_continue: bool) -> None:
        """Refuse, or note, an answer at the end for the model to go on from.

        Only Anthropic's clients mean that by it; a model of another house would begin anew.
        """
        last = self.turns[-1]
        if self.source != "anthropic_messages" or last.role is not Role.ASSISTANT:
            return
        if not can_continue:
            raise refuse_feature("This model cannot continue a prefilled answer.", last.where)
        self.warn("messages", "changed")

    def note_flattened(self, document: Document) -> None:
        """Note what a text document loses where it becomes plain text."""
        if document.is_search_result:
            self.warn("search_result", "changed")
        if document.citations:
            self.warn("citations", "dropped")

    def warn(self, field_name: str, what: str) -> None:
        """Note, once, that a field was "dropped", "clamped", "changed", …"""
        warning = f"{field_name}={what}"
        if warning not in self.warnings:
            self.warnings.append(warning)
