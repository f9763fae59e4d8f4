"""Turns as input items: reasoning, message and calls in the order they came.

The order is a rule of the upstream: a reasoning item must be followed by what it led to.
"""

from __future__ import annotations

from typing import Any, Final

from dialects.conversation import (
    Audio,
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
from dialects.errors import refuse, refuse_feature
from dialects.free_form import wrap_input
from dialects.media import is_https
from dialects.names import CallIds, NameTable

_NAME: Final = "openai_responses"
_ERROR: Final = "Error: "
_NO_RESULT: Final = "Error: no result was recorded."
_ORPHAN: Final = "Result of an earlier tool call:\n"


def encode_turns(
    conversation: Conversation, context: EncodeContext, names: NameTable
) -> list[dict[str, Any]]:
    """The ``input`` list; refuses a history this dialect cannot hold."""
    encoder = _Encoder(conversation, context, names)
    for turn in conversation.turns:
        encoder.add_turn(turn)
    encoder.answer_open_calls()
    if not encoder.items:
        raise refuse("The conversation has no message.", "messages")
    if encoder.items[-1].get("role") == "assistant":
        conversation.check_prefill(can_continue=context.capabilities.prefill)
    return encoder.items


class _Encoder:
    def __init__(
        self, conversation: Conversation, context: EncodeContext, names: NameTable
    ) -> None:
        self.items: list[dict[str, Any]] = []
        self._conversation = conversation
        self._context = context
        self._names = names
        self._ids = CallIds()
        self._custom: set[str] = set()  # ids of calls that go up as free-form calls

    def add_turn(self, turn: Turn) -> None:
        if turn.role is Role.ASSISTANT:
            self.answer_open_calls()
            self._add_assistant(turn)
        elif turn.role is Role.USER:
            self._add_user(turn.parts, turn.where)
        else:
            is_openai = self._context.capabilities.family == "openai"
            self._add_message("developer" if is_openai else "system", turn.parts, turn.where)

    def answer_open_calls(self) -> None:
        """A call without its output is refused upstream; a fixed text stands in for it."""
        for call_id in self._ids.close_turn():
            self._conversation.warn("messages", "changed")
            self._add_output(call_id, _NO_RESULT)

    # The assistant

    def _add_assistant(self, turn: Turn) -> None:
        content: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, Text):
                if part.text:
                    content.append({"type": "output_text", "text": part.text})
                continue
            if isinstance(part, Refusal):
                content.append({"type": "refusal", "refusal": part.text})
                continue
            self._flush(content)
            if isinstance(part, ToolCall):
                self._add_call(part)
            elif isinstance(part, Reasoning):
                self._add_reasoning(part)
            elif isinstance(part, Opaque):
                self._add_opaque(part, turn.where)
            else:
                self._conversation.warn("messages", "dropped")
        self._flush(content)

    def _flush(self, content: list[dict[str, Any]]) -> None:
        if content:
            self.items.append({"type": "message", "role": "assistant", "content": list(content)})
            content.clear()

    def _add_call(self, call: ToolCall) -> None:
        call_id = self._ids.add_call(call.id)
        name = self._names.upstream_name(call.name, call.namespace)
        if call.is_custom and self._context.capabilities.custom_tools:
            self._custom.add(call_id)
            fields = {"type": "custom_tool_call", "name": name, "input": call.arguments}
        else:
            arguments = wrap_input(call.arguments) if call.is_custom else call.arguments
            fields = {"type": "function_call", "name": name, "arguments": arguments or "{}"}
        self.items.append({**fields, "call_id": call_id})

    def _add_reasoning(self, part: Reasoning) -> None:
        known = open_reasoning(part, self._context.open_seal)
        if known is None:
            return  # another account's, or too old: left out, never an error
        is_openai = self._context.capabilities.family == "openai"
        if known.carrier == "openai" and known.data and is_openai:
            self.items.append(encrypted_item(known))
        elif self._context.capabilities.reasoning_field is not None and known.text:
            content = [{"type": "reasoning_text", "text": known.text}]
            self.items.append({"type": "reasoning", "summary": [], "content": content})

    def _add_opaque(self, part: Opaque, where: str) -> None:
        kind = str(part.data.get("type", "content"))
        if part.dialect == _NAME:
            self.items.append(part.data)
        elif kind == "compaction":
            raise refuse_feature("A compacted history means nothing here.", where)
        else:
            self._conversation.warn(kind, "dropped")

    # The user

    def _add_user(self, parts: list[Part], where: str) -> None:
        rest: list[Part] = []
        for part in parts:
            if isinstance(part, ToolResult):
                rest += self._add_result(part, where)
            elif isinstance(part, Opaque) and part.dialect == _NAME:
                self._add_opaque(part, where)
            else:
                rest.append(part)
        if rest:
            self.answer_open_calls()
            self._add_message("user", rest, where)

    def _add_result(self, result: ToolResult, where: str) -> list[Part]:
        """Add the output; a result without its call comes back as text for the message."""
        call_id = self._ids.add_result(result.id)
        if call_id is None:
            self._conversation.warn("messages", "changed")
            return [Text(_ORPHAN), *result.parts]
        content = self._content(result.parts, where)
        prefix = _ERROR if result.is_error else ""
        if all(part["type"] == "input_text" for part in content):
            self._add_output(call_id, prefix + "\n".join(part["text"] for part in content))
        else:
            label = [{"type": "input_text", "text": _ERROR.strip()}] if prefix else []
            self._add_output(call_id, label + content)
        return []

    def _add_output(self, call_id: str, output: str | list[dict[str, Any]]) -> None:
        is_custom = call_id in self._custom
        kind = "custom_tool_call_output" if is_custom else "function_call_output"
        self.items.append({"type": kind, "call_id": call_id, "output": output})

    def _add_message(self, role: str, parts: list[Part], where: str) -> None:
        content = self._content(parts, where)
        if content:
            self.items.append({"type": "message", "role": role, "content": content})

    def _content(self, parts: list[Part], where: str) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, (Text, Refusal)):
                if part.text:
                    content.append({"type": "input_text", "text": part.text})
            elif isinstance(part, Image):
                content.append(self._image(part, where))
            elif isinstance(part, Document):
                content.append(self._document(part, where))
            elif isinstance(part, Audio):
                audio = {"data": part.data, "format": part.format}
                content.append({"type": "input_audio", "input_audio": audio})
            elif isinstance(part, Opaque):
                kind = part.data.get("type")
                raise refuse_feature(f"Content of type {kind} is not available here.", where)
            else:
                raise refuse("A tool call or reasoning cannot stand here.", where)
        return content

    def _image(self, image: Image, where: str) -> dict[str, Any]:
        if not self._context.capabilities.images:
            raise refuse_feature("This model takes no images.", where)
        encoded: dict[str, Any] = {"type": "input_image", "detail": image.detail or "auto"}
        if image.data is not None:
            media_type = image.media_type or "image/png"
            return encoded | {"image_url": f"data:{media_type};base64,{image.data}"}
        if image.url is not None and not is_https(image.url):
            raise refuse_feature("Only https addresses can be carried.", where)
        if image.url is not None:
            return encoded | {"image_url": image.url}
        return encoded | {"file_id": self._file_id(image.file_id, where)}

    def _document(self, document: Document, where: str) -> dict[str, Any]:
        if document.text is not None:
            self._conversation.note_flattened(document)
            header = [text for text in (document.title, document.context) if text]
            return {"type": "input_text", "text": "\n\n".join([*header, document.text])}
        if not self._context.capabilities.documents:
            raise refuse_feature("This model takes no documents.", where)
        encoded: dict[str, Any] = {"type": "input_file"}
        if document.data is not None:
            media_type = document.media_type or "application/pdf"
            encoded["filename"] = document.title or f"document.{media_type.rpartition('/')[2]}"
            return encoded | {"file_data": f"data:{media_type};base64,{document.data}"}
        if document.url is not None and not is_https(document.url):
            raise refuse_feature("Only https addresses can be carried.", where)
        if document.url is not None:
            return encoded | {"file_url": document.url}
        return encoded | {"file_id": self._file_id(document.file_id, where)}

    def _file_id(self, file_id: str | None, where: str) -> str:
        if file_id is None or self._conversation.source == "anthropic_messages":
            raise refuse_feature("A file id of another provider means nothing here.", where)
        return file_id


def encrypted_item(part: Reasoning) -> dict[str, Any]:
    """Reasoning of OpenAI's own; ``summary`` is required even when it is empty."""
    item: dict[str, Any] = {"type": "reasoning"}
    if part.id is not None and part.id.startswith("rs_"):
        item["id"] = part.id
    item["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
    return item | {"encrypted_content": part.data}
