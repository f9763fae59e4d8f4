"""Turns → Chat messages (translation-matrix §1.2, §1.3).

1. Everything between two assistant turns is one stretch: its tool results come first, one tool
   message each, then what cannot stand in a tool message, then the rest in order.
2. Every call has exactly one answer: one that is missing is written, an orphan becomes text.
3. Later system turns stay where they are; none moves to the top.
"""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.conversation import (
    Conversation,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from dialects.dialect import EncodeContext
from dialects.envelope import open_reasoning
from dialects.errors import refuse_feature
from dialects.names import CallIds, NameTable
from dialects.openai_chat.content import NAME, PartRenderer
from dialects.openai_chat.wire import as_text

NO_RESULT: Final = "No result was recorded for this call."


class History:
    """Builds ``messages``; ``lost_reasoning`` says that a call stands without its reasoning."""

    __slots__ = (
        "_context",
        "_conversation",
        "_ids",
        "_names",
        "_parts",
        "lost_reasoning",
        "messages",
    )

    def __init__(
        self, conversation: Conversation, context: EncodeContext, names: NameTable
    ) -> None:
        self._conversation = conversation
        self._context = context
        self._names = names
        self._ids = CallIds()
        self._parts = PartRenderer(conversation, context)
        self.messages: list[dict[str, Any]] = []
        self.lost_reasoning = False
        self._add_system()
        stretch: list[Turn] = []
        for turn in conversation.turns:
            if turn.role is Role.ASSISTANT:
                self._add_stretch(stretch)
                self._add_assistant(turn)
                stretch = []
            else:
                stretch.append(turn)
        self._add_stretch(stretch)
        if self.messages and self.messages[-1]["role"] == "assistant":
            conversation.check_prefill(can_continue=context.capabilities.prefill)

    def _add_system(self) -> None:
        text = "\n\n".join(block.text for block in self._conversation.system if block.text)
        if text:
            role = self._context.capabilities.system_role
            self.messages.append({"role": role, "content": text})

    def _add_stretch(self, turns: list[Turn]) -> None:
        moved: list[Part] = []
        rest: list[Turn] = []
        for turn in turns:
            kept: list[Part] = []
            for part in turn.parts:
                if isinstance(part, ToolResult):
                    self._add_result(part, turn.where, moved, kept)
                elif isinstance(part, Opaque) and part.dialect == "openai_responses":
                    # What a provider's own tool gave: its call is not shown either.
                    self._conversation.warn(as_text(part.data.get("type")), "dropped")
                else:
                    kept.append(part)
            if kept:
                rest.append(Turn(turn.role, kept, turn.where))
        for call_id in self._ids.close_turn():
            self._conversation.warn("messages", "changed")
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": NO_RESULT})
        if moved:
            rest.insert(0, Turn(Role.USER, moved, turns[0].where))
        for turn in rest:
            self._add_turn(turn)

    def _add_turn(self, turn: Turn) -> None:
        if turn.role is Role.SYSTEM:
            role = self._context.capabilities.system_role
            texts = [part.text for part in turn.parts if isinstance(part, Text)]
            if len(texts) != len(turn.parts):
                raise refuse_feature("A system message holds text only.", turn.where)
            text = "\n\n".join(texts)
            self.messages.append({"role": role, "content": text})
        else:
            content = self._parts.render(turn.parts, turn.where)
            self.messages.append({"role": "user", "content": content})

    def _add_result(
        self, result: ToolResult, where: str, moved: list[Part], kept: list[Part]
    ) -> None:
        """One tool message; ``moved`` takes what has no place in it, ``kept`` an orphan's parts."""
        texts: list[str] = []
        attached: list[Part] = []
        for part in result.parts:
            if isinstance(part, Image) or (isinstance(part, Document) and part.text is None):
                kind = "image" if isinstance(part, Image) else "document"
                texts.append(f"[{kind} attached below]")
                attached.append(part)
            else:
                texts.append(self._result_text(part, where))
        text = "\n".join(texts)
        if result.is_error:
            text = f"Error: {text}"
        call_id = self._ids.add_result(result.id)
        if call_id is None:
            self._conversation.warn("messages", "changed")
            kept += [Text(f"[result of an unknown tool call]\n{text}"), *attached]
            return
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
        moved += attached

    def _result_text(self, part: Part, where: str) -> str:
        rendered = self._parts.render([part], where)
        if isinstance(rendered, str):
            return rendered
        shown = rendered[0]
        return as_text(shown.get("text")) or json_text.render_text(shown)

    def _add_assistant(self, turn: Turn) -> None:
        text = "".join(part.text for part in turn.parts if isinstance(part, Text | Refusal))
        calls = [self._render_call(part) for part in turn.parts if isinstance(part, ToolCall)]
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        self._check_parts(turn)
        self._add_reasoning(turn, message, has_calls=bool(calls))
        if calls:
            message["tool_calls"] = calls
        elif not text:
            return
        self.messages.append(message)

    def _check_parts(self, turn: Turn) -> None:
        for part in turn.parts:
            if isinstance(part, Opaque):
                kind = as_text(part.data.get("type")) or "unknown"
                if kind == "compaction":
                    raise refuse_feature("A compacted history means nothing here.", turn.where)
                self._conversation.warn(kind, "dropped")
            elif not isinstance(part, Text | Refusal | ToolCall | Reasoning):
                kind = type(part).__name__.lower()
                raise refuse_feature(f"An assistant turn cannot hold a {kind} here.", turn.where)

    def _render_call(self, call: ToolCall) -> dict[str, Any]:
        name = self._names.upstream_name(call.name, call.namespace)
        call_id = self._ids.add_call(call.id)
        if call.is_custom and self._context.capabilities.custom_tools:
            custom = {"name": name, "input": call.arguments}
            return {"id": call_id, "type": "custom", "custom": custom}
        arguments = call.arguments
        if call.is_custom:
            arguments = json_text.render_text({"input": arguments})
        function = {"name": name, "arguments": arguments or "{}"}
        return {"id": call_id, "type": "function", "function": function}

    def _add_reasoning(self, turn: Turn, message: dict[str, Any], *, has_calls: bool) -> None:
        parts = [
            opened
            for part in turn.parts
            if isinstance(part, Reasoning)
            and (opened := open_reasoning(part, self._context.open_seal))
        ]
        details = [
            entry for part in parts if part.carrier == NAME for entry in parse_details(part.data)
        ]
        if details:
            message["reasoning_details"] = details
        field = self._context.capabilities.reasoning_field
        if field is None:
            return
        texts = [part.text for part in parts if part.carrier != "anthropic_redacted"]
        if texts:
            message[field] = "".join(texts)
        elif has_calls:
            self.lost_reasoning = True


def parse_details(data: str | None) -> list[dict[str, Any]]:
    try:
        details = json_text.parse(data or "")
    except ValueError:
        return []
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
