"""Anthropic's whole answer ↔ neutral events (protocols/anthropic-messages §9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dialects import json_text
from dialects.anthropic_messages.stream import MessagesReader
from dialects.anthropic_messages.usage import parse_usage, render_usage
from dialects.anthropic_messages.writer import (
    citation_of,
    finish_fields,
    message_id,
    seal_signature,
)
from dialects.dialect import AnswerContext
from dialects.errors import LocalDialectError, RemoteDialectError
from dialects.events import (
    Annotation,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    NeedData,
    Start,
    UsageReport,
)
from dialects.usage import Usage


def usage_of(body: dict[str, Any]) -> Usage:
    """The usage of a whole answer."""
    return parse_usage(body.get("usage"))


def read_answer(body: dict[str, Any]) -> list[Event]:
    """The events a stream of the same answer would have given."""
    reader = MessagesReader()
    if body.get("type") == "error":
        reader.receive_event(body)
    else:
        reader.receive_answer(body)
    events: list[Event] = []
    while not isinstance(event := reader.next_event(), NeedData):
        events.append(event)
    return events


@dataclass(slots=True)
class _Block:
    """One content block while its events are folded."""

    open: BlockOpen
    pieces: list[str] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)
    signature: BlockSignature | None = None

    def render(self, context: AnswerContext) -> dict[str, Any] | None:
        """The block as a client sees it; None for one without content."""
        text = "".join(self.pieces)
        match self.open.kind:
            case BlockKind.TOOL | BlockKind.CUSTOM_TOOL:
                return self._render_call(text, context)
            case BlockKind.REASONING:
                return self._render_thinking(text, context)
            case _ if text or self.citations:
                cited = {"citations": self.citations} if self.citations else {}
                return {"type": "text", "text": text, **cited}  # null breaks the AI SDK
            case _:
                return None

    def _render_call(self, text: str, context: AnswerContext) -> dict[str, Any]:
        name = self.open.name or ""
        alias = context.tools.get(name)
        is_custom = self.open.kind is BlockKind.CUSTOM_TOOL
        return {
            "type": "tool_use",
            "id": self.open.id or f"toolu_{context.new_id()}",
            "name": alias.name if alias else name,
            "input": {"input": text} if is_custom else json_text.parse_arguments(text),
        }

    def _render_thinking(self, text: str, context: AnswerContext) -> dict[str, Any] | None:
        sign = self.signature
        if sign is not None and sign.carrier == "anthropic_redacted":
            return {"type": "redacted_thinking", "data": sign.data}
        carrier, data = (sign.carrier, sign.data) if sign else ("text", "")
        signature = (
            seal_signature(context, carrier, data, text, self.open.id) if sign or text else None
        )
        if not text and not signature:
            return None
        return {"type": "thinking", "thinking": text, "signature": signature or ""}


def write_answer(events: Iterable[Event], context: AnswerContext) -> dict[str, Any]:
    """Fold events into one body; RemoteDialectError with the fault where they end in a Failure."""
    grammar = Grammar()
    start: Start | None = None
    finish = Finish(FinishReason.STOP)
    usage = Usage()
    blocks: list[_Block] = []
    for event in events:
        grammar.check_next(event)
        match event:
            case Start():
                start, usage = event, event.usage
            case BlockOpen():
                blocks.append(_Block(event))
            case BlockDelta():
                blocks[-1].pieces.append(event.text)
            case BlockSignature():
                blocks[-1].signature = event
            case Annotation() if citation := citation_of(event):
                blocks[-1].citations.append(citation)
            case UsageReport():
                usage = usage.merge(event.usage)
            case Finish():
                finish = event
            case Failure():
                raise RemoteDialectError(event.fault)
            case _:
                pass
    if start is None:
        raise LocalDialectError("an answer without a start")
    content = [block for part in blocks if (block := part.render(context)) is not None]
    return {
        "id": message_id(start.id, context),
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": content,
        "stop_details": None,
        **finish_fields(finish),
        "usage": render_usage(usage),
    }
