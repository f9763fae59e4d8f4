"""Input items as turns.

Reasoning, messages and calls of the assistant that follow each other are one turn; outputs that
follow each other are one user turn; every message of the user stays a turn of its own, so that a
longer history begins like the shorter one.
"""

from __future__ import annotations

from collections.abc import Callable
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
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from dialects.errors import refuse, refuse_feature
from dialects.json_text import render_text
from dialects.media import is_data_uri, parse_data_uri
from dialects.openai_responses.payload import (
    object_of,
    objects_of,
    optional_text,
    text_of,
)

_ROLES: Final = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
# Items of tools their provider runs, or defines: only this dialect knows them.
_PROVIDER_ITEMS: Final = frozenset(
    {
        *("web_search_call", "file_search_call", "code_interpreter_call", "computer_call"),
        *("image_generation_call", "local_shell_call", "shell_call", "apply_patch_call"),
        *("tool_search_call", "mcp_list_tools", "mcp_call", "mcp_approval_request", "program"),
    }
)
_PROVIDER_OUTPUTS: Final = frozenset(
    {
        *("computer_call_output", "local_shell_call_output", "shell_call_output"),
        *("apply_patch_call_output", "tool_search_output", "mcp_approval_response"),
        "program_output",
    }
)
_REFUSED_ITEMS: Final = {
    "item_reference": "Items are not stored: send the item itself and set 'store' to false "
    "(AI SDK: providerOptions.openai.store = false).",
    "compaction": "A compacted history can only be read by the model that wrote it: send the "
    "items themselves.",
    "compaction_trigger": "Compaction is not available on this model: leave the item out.",
}

DecodeTool = Callable[[dict[str, Any], str, Conversation], list[Tool]]


def decode_input(value: object, conversation: Conversation, decode_tool: DecodeTool) -> None:
    """Fill ``system`` and ``turns`` (and ``tools``, where an item adds some)."""
    if isinstance(value, str):
        conversation.turns.append(Turn(Role.USER, [Text(value)], "input"))
        return
    if not isinstance(value, list):
        raise refuse("Missing required parameter: 'input'.", "input")
    if not value:
        raise refuse("'input' must not be empty.", "input")
    for index, item in enumerate(value):
        where = f"input[{index}]"
        if not isinstance(item, dict):
            raise refuse("An input item must be an object.", where)
        kind = text_of(item.get("type")) or ("message" if "role" in item else "")
        if kind == "additional_tools":
            for tool in objects_of(item.get("tools")):
                conversation.tools += decode_tool(tool, f"{where}.tools", conversation)
        elif kind == "configuration_update":
            conversation.warn("configuration_update", "dropped")
        else:
            _decode_item(kind, item, where, conversation)


def _decode_item(kind: str, item: dict[str, Any], where: str, conversation: Conversation) -> None:
    if kind in _REFUSED_ITEMS:
        raise refuse_feature(_REFUSED_ITEMS[kind], where)
    if kind == "message":
        _decode_message(item, where, conversation)
    elif kind == "reasoning":
        _append(conversation, Role.ASSISTANT, _reasoning(item), where)
    elif kind in ("function_call", "custom_tool_call"):
        _append(conversation, Role.ASSISTANT, _call(kind, item, where), where)
    elif kind in ("function_call_output", "custom_tool_call_output"):
        _append(conversation, Role.USER, _result(kind, item, where), where)
    elif kind in _PROVIDER_ITEMS:
        _append(conversation, Role.ASSISTANT, Opaque(conversation.source, item), where)
    elif kind in _PROVIDER_OUTPUTS:
        _append(conversation, Role.USER, Opaque(conversation.source, item), where)
    elif kind:
        raise refuse(f"Unknown input item type: '{kind}'.", f"{where}.type")
    else:
        raise refuse(f"Missing required parameter: '{where}.type'.", f"{where}.type")


def _append(conversation: Conversation, role: Role, part: Part, where: str) -> None:
    """Add to the turn at the end where it is of the same kind, else begin one."""
    last = conversation.turns[-1] if conversation.turns else None
    if (
        last is not None
        and last.role is role
        and (role is Role.ASSISTANT or isinstance(last.parts[-1], (ToolResult, Opaque)))
    ):
        last.parts.append(part)
    else:
        conversation.turns.append(Turn(role, [part], where))


def _decode_message(item: dict[str, Any], where: str, conversation: Conversation) -> None:
    role = _ROLES.get(text_of(item.get("role")))
    if role is None:
        raise refuse(f"Invalid value: '{item.get('role')}'.", f"{where}.role")
    parts = decode_content(item.get("content"), f"{where}.content")
    if role is Role.ASSISTANT:
        for part in parts:
            _append(conversation, role, part, where)
        return
    if role is Role.SYSTEM:
        texts = [part.text for part in parts if isinstance(part, Text)]
        if len(texts) != len(parts):
            raise refuse("A system message holds text only.", f"{where}.content")
        text = Text("\n".join(texts))
        if conversation.turns:
            conversation.turns.append(Turn(role, [text], where))
        elif text.text.strip():
            conversation.system.append(text)
        return
    # An empty message is still a turn: what to make of it is for the encoder to say.
    conversation.turns.append(Turn(role, parts or [Text("")], where))


def _reasoning(item: dict[str, Any]) -> Reasoning:
    summary = [text_of(part.get("text")) for part in objects_of(item.get("summary"))]
    content = [text_of(part.get("text")) for part in objects_of(item.get("content"))]
    encrypted = optional_text(item.get("encrypted_content"))
    return Reasoning(
        text="\n\n".join(summary if any(summary) else content),
        carrier="openai" if encrypted else None,
        data=encrypted,
        id=optional_text(item.get("id")),
    )


def _call(kind: str, item: dict[str, Any], where: str) -> ToolCall:
    is_custom = kind == "custom_tool_call"
    name, call_id = text_of(item.get("name")), text_of(item.get("call_id"))
    if not name or not call_id:
        missing = "call_id" if name else "name"
        raise refuse(f"Missing required parameter: '{where}.{missing}'.", f"{where}.{missing}")
    return ToolCall(
        id=call_id,
        name=name,
        arguments=_arguments_of(item.get("input" if is_custom else "arguments")),
        is_custom=is_custom,
        namespace=optional_text(item.get("namespace")),
    )


def _arguments_of(value: object) -> str:
    """Text, as the dialect has it; some clients send the object it stands for."""
    return render_text(value) if isinstance(value, dict | list) else text_of(value)


def _result(kind: str, item: dict[str, Any], where: str) -> ToolResult:
    call_id = text_of(item.get("call_id"))
    if not call_id:
        raise refuse(f"Missing required parameter: '{where}.call_id'.", f"{where}.call_id")
    output = item.get("output")
    return ToolResult(
        id=call_id,
        parts=decode_content("" if output is None else output, f"{where}.output"),
        is_custom=kind == "custom_tool_call_output",
    )


def decode_content(content: object, where: str) -> list[Part]:
    """Text or content parts; parts in the wrong flavour for their role are taken all the same."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    if content is None:
        return []
    if not isinstance(content, list):
        raise refuse(f"Invalid type for '{where}'.", where)
    return [_part(object_of(part), f"{where}[{index}]") for index, part in enumerate(content)]


def _part(part: dict[str, Any], where: str) -> Part:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return Text(text_of(part.get("text")), _cache_of(part))
    if kind == "refusal":
        return Refusal(text_of(part.get("refusal")))
    if kind == "input_image":
        return _image(part, where)
    if kind == "input_file":
        return _document(part, where)
    if kind == "input_audio":
        audio = object_of(part.get("input_audio")) or part
        return Audio(text_of(audio.get("data")), text_of(audio.get("format")))
    raise refuse(f"Unknown content type: '{kind}'.", f"{where}.type")


def _cache_of(part: dict[str, Any]) -> dict[str, Any] | None:
    """OpenAI's explicit breakpoint as the one Anthropic knows."""
    return {"type": "ephemeral"} if object_of(part.get("prompt_cache_breakpoint")) else None


def _inline(uri: str, where: str) -> tuple[str, str]:
    try:
        return parse_data_uri(uri)
    except ValueError as error:
        raise refuse(str(error), where) from None


def _image(part: dict[str, Any], where: str) -> Image:
    value = part.get("image_url")
    url = (text_of(object_of(value).get("url")) or text_of(value)).strip()
    detail = optional_text(part.get("detail"))
    file_id = optional_text(part.get("file_id"))
    if url:
        if not is_data_uri(url):
            return Image(url=url, detail=detail, cache=_cache_of(part))
        media_type, data = _inline(url, f"{where}.image_url")
        return Image(media_type, data=data, detail=detail, cache=_cache_of(part))
    if file_id is None:
        raise refuse(f"Missing required parameter: '{where}.image_url'.", f"{where}.image_url")
    return Image(file_id=file_id, detail=detail, cache=_cache_of(part))


def _document(part: dict[str, Any], where: str) -> Document:
    title = optional_text(part.get("filename"))
    data, url = text_of(part.get("file_data")), optional_text(part.get("file_url"))
    if data:
        uri = data if is_data_uri(data) else f"data:application/pdf;base64,{data}"
        media_type, data = _inline(uri, f"{where}.file_data")
        return Document(media_type, data=data, title=title, cache=_cache_of(part))
    if url is not None:
        return Document(url=url, title=title, cache=_cache_of(part))
    file_id = optional_text(part.get("file_id"))
    if file_id is None:
        raise refuse(f"Missing required parameter: '{where}.file_data'.", f"{where}.file_data")
    return Document(file_id=file_id, title=title, cache=_cache_of(part))
