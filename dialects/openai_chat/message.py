"""Chat messages → turns. The leading system messages become ``system``, later ones stay put."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from dialects import json_text
from dialects.conversation import (
    Conversation,
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
from dialects.errors import refuse
from dialects.openai_chat.content import NAME, parse_content
from dialects.openai_chat.wire import as_dict, as_dicts, as_text
from dialects.surrogate import mend_text

_SYSTEM: Final = ("system", "developer")


def add_messages(messages: object, conversation: Conversation) -> None:
    """Fill ``system`` and ``turns``; RemoteDialectError names the message at fault."""
    if not isinstance(messages, list) or not messages:
        raise refuse("messages must be a list with at least one message.", "messages")
    reading = _Reading(conversation)
    for position, message in enumerate(messages):
        if not isinstance(message, dict):
            raise refuse("A message must be an object.", f"messages.{position}")
        reading.take(message, position)


class _Reading:
    """Where the walk through the messages stands."""

    __slots__ = ("_conversation", "_legacy_ids", "_turns")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._turns = conversation.turns
        self._legacy_ids: dict[str, str] = {}  # deprecated functions: name → id of its last call

    def take(self, message: dict[str, Any], position: int) -> None:
        param = f"messages.{position}.content"
        if message.get("name") and message.get("role") != "function":
            self._conversation.warn("messages.name", "dropped")
        match message.get("role"):
            case "system" | "developer":
                self._take_system(parse_content(message.get("content"), param), position)
            case "user":
                # An empty message is still a turn: what to make of it is for the encoder to say.
                parts = parse_content(message.get("content"), param)
                self._add(Role.USER, parts or [Text("")], position)
            case "assistant":
                self._add(Role.ASSISTANT, self._parse_assistant(message, position), position)
            case "tool":
                call_id = mend_text(as_text(message.get("tool_call_id")))
                if not call_id:
                    raise refuse(
                        "A tool message needs a tool_call_id.", f"messages.{position}.tool_call_id"
                    )
                result = ToolResult(call_id, parse_content(message.get("content"), param))
                self._take_result(result, position)
            case "function":
                name = mend_text(as_text(message.get("name")))
                call_id = self._legacy_ids.get(name) or _legacy_id(position, name)
                result = ToolResult(call_id, parse_content(message.get("content"), param))
                self._take_result(result, position)
            case _:
                raise refuse("A message has an unknown role.", f"messages.{position}.role")

    def _take_system(self, parts: list[Part], position: int) -> None:
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) != len(parts):
            raise refuse("A system message holds text only.", f"messages.{position}.content")
        if self._turns:
            self._add(Role.SYSTEM, list(texts), position)
        else:
            self._conversation.system += texts

    def _take_result(self, result: ToolResult, position: int) -> None:
        """Results of one step stand together: parallel calls have one turn of answers."""
        last = self._turns[-1] if self._turns else None
        if last and last.role is Role.USER and isinstance(last.parts[-1], ToolResult):
            last.parts.append(result)
        else:
            self._add(Role.USER, [result], position)

    def _add(self, role: Role, parts: list[Part], position: int) -> None:
        if parts:
            self._turns.append(Turn(role, parts, f"messages.{position}"))

    def _parse_assistant(self, message: dict[str, Any], position: int) -> list[Part]:
        param = f"messages.{position}"
        parts: list[Part] = _parse_reasoning(message)
        parts += parse_content(message.get("content"), f"{param}.content")
        if refusal := as_text(message.get("refusal")):
            parts.append(Refusal(mend_text(refusal)))
        if audio := as_dict(message.get("audio")):
            parts.append(Opaque(NAME, {"type": "audio", "audio": audio}))
        for number, call in enumerate(as_dicts(message.get("tool_calls"))):
            parts.append(_parse_call(call, f"{param}.tool_calls.{number}"))
        if legacy := as_dict(message.get("function_call")):
            name = mend_text(as_text(legacy.get("name")))
            self._legacy_ids[name] = _legacy_id(position, name)
            arguments = _parse_arguments(legacy.get("arguments"))
            parts.append(ToolCall(self._legacy_ids[name], name, arguments))
        return parts


def _legacy_id(position: int, name: str) -> str:
    return "gbf_" + hashlib.sha256(f"{position}:{name}".encode()).hexdigest()[:24]


def _parse_call(call: dict[str, Any], param: str) -> ToolCall:
    is_custom = call.get("type") == "custom"
    inner = as_dict(call.get("custom" if is_custom else "function"))
    name = mend_text(as_text(inner.get("name")))
    if not name:
        raise refuse("A tool call needs a name.", param)
    arguments = _parse_arguments(inner.get("input" if is_custom else "arguments"))
    return ToolCall(mend_text(as_text(call.get("id"))), name, arguments, is_custom)


def _parse_arguments(arguments: object) -> str:
    if isinstance(arguments, dict | list):
        return json_text.render_text(arguments)
    return mend_text(as_text(arguments))


def _parse_reasoning(message: dict[str, Any]) -> list[Part]:
    """Earlier reasoning as the client echoes it; an empty string present is not absent."""
    details = as_dicts(message.get("reasoning_details"))
    text = next(
        (
            value
            for key in ("reasoning_content", "reasoning")
            if isinstance(value := message.get(key), str)
        ),
        None,
    )
    signed = [one for one in details if one.get("signature") or one.get("data")]
    if text is None and details:
        text = "".join(as_text(one.get("text")) or as_text(one.get("summary")) for one in details)
    parts: list[Part] = []
    if len(signed) == 1 and as_text(signed[0].get("format")).startswith("gatebeyz"):
        parts.append(Reasoning(mend_text(text or ""), NAME, as_text(signed[0].get("data"))))
    elif any(as_text(one.get("format")).startswith("gatebeyz") for one in signed):
        parts += [Reasoning("", NAME, as_text(one.get("data"))) for one in signed]
    elif signed:
        parts.append(Reasoning(mend_text(text or ""), NAME, json_text.render_text(details)))
    elif text is not None:
        parts.append(Reasoning(mend_text(text)))
    return parts or _parse_thinking_blocks(message)


def _parse_thinking_blocks(message: dict[str, Any]) -> list[Part]:
    """LiteLLM's form: Anthropic's own blocks."""
    parts: list[Part] = []
    for block in as_dicts(message.get("thinking_blocks")):
        if block.get("type") == "redacted_thinking":
            parts.append(Reasoning("", "anthropic_redacted", as_text(block.get("data"))))
        else:
            signature = as_text(block.get("signature")) or None
            carrier = "anthropic" if signature else None
            parts.append(Reasoning(mend_text(as_text(block.get("thinking"))), carrier, signature))
    return parts
