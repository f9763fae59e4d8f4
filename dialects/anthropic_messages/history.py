"""The turns of a conversation → Anthropic's ``messages`` (anthropic-messages §4, matrix §1.3).

Everything here is deterministic and append-only: what a turn becomes depends on what stands
before it, so the messages of one request begin like those of the next (models bind thinking to
their prefix). Only the repairs at the very end, which a request without them could not do
without, may differ.
"""

from __future__ import annotations

from bisect import bisect
from typing import Any, Final

from dialects import json_text
from dialects.anthropic_messages.block import NAME, encode_part
from dialects.conversation import (
    Conversation,
    Document,
    Image,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from dialects.dialect import EncodeContext
from dialects.envelope import open_reasoning
from dialects.names import CallIds, NameTable

PLACEHOLDER: Final = "(no content)"
CONTINUE: Final = "Continue."
NO_RESULT: Final = "no result was recorded"
_SYSTEM_OPEN: Final = "<system-message>\n"
_SYSTEM_CLOSE: Final = "\n</system-message>"


def encode_history(
    conversation: Conversation, context: EncodeContext, names: NameTable, *, with_thinking: bool
) -> list[dict[str, Any]]:
    """The messages; ``with_thinking`` False leaves earlier thinking out."""
    history = _History(conversation, context, names, with_thinking)
    for turn in conversation.turns:
        history.add_turn(turn)
    return history.finish()


class _History:
    """Messages as they grow, one turn after the other."""

    def __init__(
        self,
        conversation: Conversation,
        context: EncodeContext,
        names: NameTable,
        with_thinking: bool,
    ) -> None:
        self._conversation = conversation
        self._context = context
        self._names = names
        self._with_thinking = with_thinking
        self._ids = CallIds()
        self._messages: list[dict[str, Any]] = []
        self._calls: dict[str, int] = {}  # id → place among the history's calls
        self._results: list[int] = []  # places of those answered at the open user message's head
        self._pending: list[Text] = []  # system texts until it is known what follows them
        self._is_mute = False  # the user's turn after an answer had nothing to carry

    def add_turn(self, turn: Turn) -> None:
        match turn.role:
            case Role.ASSISTANT:
                self._add_assistant(turn)
            case Role.SYSTEM:
                self._add_system(turn)
            case _:
                self._add_user(turn)

    def finish(self) -> list[dict[str, Any]]:
        """Close the last turn so that the model has something to answer."""
        self._close_user()
        if self._role == "assistant":
            self._finish_assistant()
        return self._messages

    @property
    def _role(self) -> str | None:
        return self._messages[-1]["role"] if self._messages else None

    def _append(self, role: str, block: dict[str, Any]) -> None:
        if self._role != role:
            self._messages.append({"role": role, "content": []})
            self._results = []
        self._messages[-1]["content"].append(block)

    def _add_assistant(self, turn: Turn) -> None:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                self._begin_assistant()
                self._append("assistant", self._encode_call(part))
                continue
            block = self._assistant_block(part, turn.where)
            if block is not None:
                self._begin_assistant()
                self._append("assistant", block)

    def _begin_assistant(self) -> None:
        """Close what stands before an assistant message; nothing to do inside of one."""
        if self._role != "assistant" or self._pending or self._is_mute:
            self._close_user()

    def _close_user(self) -> None:
        """Every call is answered, every system text placed, and no answer follows on silence.

        A turn that ended a request once is treated the same when it stands in the middle.
        """
        self._settle_calls()
        self._place_system()
        if not self._messages or (self._is_mute and self._role == "assistant"):
            self._stand_in(PLACEHOLDER)
        self._is_mute = False

    def _assistant_block(self, part: Part, param: str) -> dict[str, Any] | None:
        match part:
            case Reasoning():
                return self._encode_thinking(part, param)
            case Image() | Document():
                self._conversation.warn("messages", "dropped")
                return None
            case _:
                return encode_part(self._conversation, part, param)

    def _encode_call(self, part: ToolCall) -> dict[str, Any]:
        given = {"input": part.arguments} if part.is_custom else None
        call_id = self._ids.add_call(part.id)
        self._calls[call_id] = len(self._calls)
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": call_id,
            "name": self._names.upstream_name(part.name, part.namespace),
            "input": given or json_text.parse_arguments(part.arguments),
        }
        if part.cache is not None:
            block["cache_control"] = part.cache
        return block

    def _encode_thinking(self, part: Reasoning, param: str) -> dict[str, Any] | None:
        if not self._with_thinking:
            return None
        opened = open_reasoning(part, self._context.open_seal)
        return encode_part(self._conversation, opened, param) if opened else None

    def _add_user(self, turn: Turn) -> None:
        self._tag_system()
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
        for result in results:
            self._add_result(result, turn.where)
        for part in rest:
            block = encode_part(self._conversation, part, turn.where)
            if block is not None:
                self._append("user", block)
        self._is_mute = self._role == "assistant"

    def _add_result(self, part: ToolResult, param: str) -> None:
        call_id = self._ids.add_result(part.id)
        if call_id is None:
            self._add_orphan(part, param)
            return
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
        content = self._result_content(part, param)
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        if part.cache is not None:
            block["cache_control"] = part.cache
        self._insert_result(block)

    def _insert_result(self, block: dict[str, Any]) -> None:
        """Results stand first in their message, in the order of their calls."""
        if self._role != "user":
            self._messages.append({"role": "user", "content": []})
            self._results = []
        call = self._calls[block["tool_use_id"]]
        place = bisect(self._results, call)
        self._results.insert(place, call)
        self._messages[-1]["content"].insert(place, block)

    def _result_content(self, part: ToolResult, param: str) -> str | list[dict[str, Any]]:
        if len(part.parts) == 1 and isinstance(only := part.parts[0], Text) and not only.cache:
            return only.text
        return [
            block
            for inner in part.parts
            if (block := encode_part(self._conversation, inner, param))
        ]

    def _add_orphan(self, part: ToolResult, param: str) -> None:
        """A result without its call is an error upstream; as text the model can still read it."""
        self._conversation.warn("messages", "changed")
        self._append("user", {"type": "text", "text": f"[Result of the tool call {part.id}]"})
        for inner in part.parts:
            block = encode_part(self._conversation, inner, param)
            if block is not None:
                self._append("user", block)

    def _settle_calls(self) -> None:
        """Every call needs a result in the next message; the missing ones are stood in for."""
        for call_id in self._ids.close_turn():
            self._conversation.warn("messages", "changed")
            self._insert_result(
                {
                    "type": "tool_result",
                    "tool_use_id": call_id,
                    "content": NO_RESULT,
                    "is_error": True,
                }
            )

    def _add_system(self, turn: Turn) -> None:
        self._pending += [
            part for part in turn.parts if isinstance(part, Text) and part.text.strip()
        ]

    def _place_system(self) -> None:
        """System texts before an assistant turn or the end: in their own role where it is legal."""
        if not self._context.capabilities.mid_system or self._role != "user":
            self._tag_system()
            return
        for part in self._pending:
            block = encode_part(self._conversation, part, "system")
            if block is not None:
                self._append("system", block)
        self._pending.clear()

    def _tag_system(self) -> None:
        """System texts anywhere else: in the user turn, in place, never hoisted to the top."""
        for part in self._pending:
            text = f"{_SYSTEM_OPEN}{part.text}{_SYSTEM_CLOSE}"
            self._append("user", {"type": "text", "text": text})
        self._pending.clear()

    def _stand_in(self, text: str) -> None:
        self._conversation.warn("messages", "changed")
        self._append("user", {"type": "text", "text": text})

    def _finish_assistant(self) -> None:
        """A last word of the assistant is a prefill to Anthropic, and history to OpenAI."""
        if self._conversation.source != NAME or not self._context.capabilities.prefill:
            self._stand_in(CONTINUE)
            return
        last = self._messages[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()
