"""Request bodies of the three dialects walked into a Prompt.

The walk is lenient: the provider refuses a wrong body, the counter counts what it can see. What
it does not know is counted as its JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from dialects.envelope import read_unproven
from services.counter import attachment
from services.counter.prompt import (
    Block,
    Image,
    Opaque,
    Prompt,
    Role,
    Schema,
    Text,
    Thinking,
    ThinkingMode,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "assistant": Role.ASSISTANT,
    "model": Role.ASSISTANT,
}


MAX_PARTS = 200_000
"""Turns, blocks and tools of one body: more than any provider takes, and counted in a second."""


class BodyFault(ValueError):
    """The body is not a request of its dialect; the text names what is wrong with it."""


def read_messages(body: dict[str, Any]) -> Prompt:
    """An Anthropic Messages (or count_tokens) request."""
    system = body.get("system")
    turns = [Turn(Role.SYSTEM, _messages_blocks(system))] if system else []
    turns += [
        Turn(_role(message), _messages_blocks(message.get("content")))
        for message in _objects(body.get("messages"), "messages")
    ]
    output = body.get("output_config")
    output_format = output.get("format") if isinstance(output, dict) else None
    return Prompt(
        turns=tuple(turns),
        tools=tuple(map(_messages_tool, _objects(body.get("tools"), "tools"))),
        tool_choice=_tool_choice(body.get("tool_choice")),
        is_serial=_is_serial(body.get("tool_choice")),
        schema=_schema(output_format or body.get("output_format")),
        thinking=_thinking_mode(body.get("thinking")),
        is_complete=not _is_altered(body),
    )


def _is_serial(tool_choice: Any) -> bool:
    return isinstance(tool_choice, dict) and tool_choice.get("disable_parallel_tool_use") is True


def _is_altered(body: dict[str, Any]) -> bool:
    """Whether the provider adds to the prompt, or takes from it, what the body does not show."""
    output = body.get("output_config")
    is_budgeted = isinstance(output, dict) and "task_budget" in output
    return is_budgeted or any(
        body.get(key) for key in ("mcp_servers", "container", "context_management")
    )


def read_chat(body: dict[str, Any]) -> Prompt:
    """An OpenAI Chat Completions request."""
    tools = _objects(body.get("tools"), "tools")
    functions = [
        {"function": function} for function in _objects(body.get("functions"), "functions")
    ]
    return Prompt(
        turns=tuple(map(_chat_turn, _objects(body.get("messages"), "messages"))),
        tools=tuple(_openai_tool(tool) for tool in [*tools, *functions]),
        tool_choice=_tool_choice(body.get("tool_choice", body.get("function_call"))),
        is_serial=body.get("parallel_tool_calls") is False,
        schema=_schema(body.get("response_format")),
    )


def read_responses(body: dict[str, Any]) -> Prompt:
    """An OpenAI Responses request; neighbouring items stay turns of their own."""
    turns = []
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        turns.append(Turn(Role.SYSTEM, (Text(instructions),)))
    items = body.get("input")
    if isinstance(items, str):
        turns.append(Turn(Role.USER, (Text(items),)))
    else:
        turns += map(_responses_turn, _objects(items, "input"))
    text = body.get("text")
    return Prompt(
        turns=tuple(turns),
        tools=tuple(map(_openai_tool, _objects(body.get("tools"), "tools"))),
        tool_choice=_tool_choice(body.get("tool_choice")),
        is_serial=body.get("parallel_tool_calls") is False,
        schema=_schema(text.get("format") if isinstance(text, dict) else None),
        is_complete=not _is_elsewhere(body),
        is_responses=True,
    )


def _is_elsewhere(body: dict[str, Any]) -> bool:
    """Whether a part of the prompt stands at the provider, or is of its own making ("pro")."""
    reasoning = body.get("reasoning")
    is_pro = isinstance(reasoning, dict) and reasoning.get("mode") == "pro"
    return is_pro or any(
        body.get(key) for key in ("previous_response_id", "conversation", "prompt")
    )


READERS: dict[str, Callable[[dict[str, Any]], Prompt]] = {
    "anthropic_messages": read_messages,
    "openai_chat": read_chat,
    "openai_responses": read_responses,
}


def read_body(body: bytes, dialect: str) -> Prompt:
    """The prompt in ``body``. Raises BodyFault on what is no request at all."""
    value = _parse_json(body)
    if not isinstance(value, dict):
        raise BodyFault("the body is not a JSON object")
    reader = READERS.get(dialect)
    if reader is None:
        raise BodyFault("the dialect is not one of " + ", ".join(READERS))
    if _count_parts(value) > MAX_PARTS:
        raise BodyFault(f"the body has more than {MAX_PARTS} parts")
    return reader(value)


def _count_parts(body: dict[str, Any]) -> int:
    """How many things a reader would walk: the elements of every list it knows of."""
    parts = 0
    for key in ("messages", "input", "tools", "functions", "system"):
        entries = body.get(key)
        if isinstance(entries, list):
            parts += len(entries)
            parts += sum(_inner_parts(entry) for entry in entries)
    return parts


def _inner_parts(entry: Any) -> int:
    if not isinstance(entry, dict):
        return 0
    lists = [value for value in entry.values() if isinstance(value, list)]
    return sum(map(len, lists)) + sum(
        _inner_parts(part) for value in lists for part in value if isinstance(part, dict)
    )


def _parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # Lone surrogates are valid JSON that the strict parser refuses: read them as "?".
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", "replace"))
    except ValueError as error:
        raise BodyFault("the body is not JSON") from error
    except RecursionError as error:
        raise BodyFault("the body is nested too deeply") from error


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BodyFault(f"{name} is not a list of objects")
    return value


def _role(message: dict[str, Any]) -> Role:
    return _ROLES.get(_text(message.get("role")), Role.USER)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _json(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _content(value: Any, read: Callable[[dict[str, Any]], Iterator[Block]]) -> tuple[Block, ...]:
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        return ()
    blocks: list[Block] = []
    for part in value:
        if isinstance(part, dict):
            blocks.extend(read(part))
        elif isinstance(part, str):
            blocks.append(Text(part))
    return tuple(blocks)


def _thinking(text: str, signature: str) -> Thinking:
    """A thought; one under our own seal is what it will be when the seal is opened."""
    sealed = read_unproven(signature)
    return Thinking(sealed.text, len(sealed.data)) if sealed else Thinking(text, len(signature))


def _messages_blocks(content: Any) -> tuple[Block, ...]:
    return _content(content, _messages_block)


def _messages_block(block: dict[str, Any]) -> Iterator[Block]:
    match block.get("type"):
        case "text":
            yield Text(_text(block.get("text")))
        case "thinking":
            yield _thinking(_text(block.get("thinking")), _text(block.get("signature")))
        case "redacted_thinking":
            yield _thinking("", _text(block.get("data")))
        case "image":
            yield attachment.image_of_source(block.get("source"))
        case "document":
            yield attachment.document_of_block(block, _messages_blocks)
        case "tool_use":
            yield ToolCall(_text(block.get("name")), _json(block.get("input")))
        case "tool_result":
            yield ToolResult(_messages_blocks(block.get("content")))
        case _:
            yield Opaque(_json(block))


def _messages_tool(tool: dict[str, Any]) -> Tool:
    kind = _text(tool.get("type"))
    return Tool(
        name=_text(tool.get("name")),
        description=_optional_text(tool.get("description")),
        parameters=tool.get("input_schema"),
        server_type="" if kind == "custom" else kind,
    )


def _optional_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _chat_turn(message: dict[str, Any]) -> Turn:
    blocks = _content(message.get("content"), _openai_part)
    if message.get("role") in ("tool", "function"):
        return Turn(Role.USER, (ToolResult(blocks),), _text(message.get("name")))
    calls: list[Block] = [
        ToolCall(_text(function.get("name")), _json(function.get("arguments")))
        for call in _objects(message.get("tool_calls"), "tool_calls")
        if isinstance(function := call.get("function") or call.get("custom"), dict)
    ]
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        calls.append(ToolCall(_text(legacy.get("name")), _json(legacy.get("arguments"))))
    return Turn(_role(message), (*blocks, *calls), _text(message.get("name")))


def _openai_part(part: dict[str, Any]) -> Iterator[Block]:
    match part.get("type"):
        case "text" | "input_text" | "output_text" | "summary_text" | "reasoning_text":
            yield Text(_text(part.get("text")))
        case "refusal":
            yield Text(_text(part.get("refusal")))
        case "image_url" | "input_image":
            yield _openai_image(part)
        case "file" | "input_file":
            yield attachment.document_of_file(part)
        case _:
            yield Opaque()


def _openai_image(part: dict[str, Any]) -> Image | Opaque:
    reference = part.get("image_url")
    detail = part.get("detail")
    if isinstance(reference, dict):
        detail = reference.get("detail", detail)
        reference = reference.get("url")
    return attachment.image_of_url(reference, is_low_detail=detail == "low")


def _openai_tool(tool: dict[str, Any]) -> Tool:
    function = tool.get("function")
    if not isinstance(function, dict):
        function = tool
    kind = _text(tool.get("type"))
    return Tool(
        name=_text(function.get("name")),
        description=_optional_text(function.get("description")),
        parameters=function.get("parameters"),
        server_type="" if kind in ("", "function", "custom") else kind,
    )


def _responses_turn(item: dict[str, Any]) -> Turn:
    kind = item.get("type", "message")
    if kind == "message":
        return Turn(_role(item), _content(item.get("content"), _openai_part))
    if kind in ("function_call", "custom_tool_call"):
        arguments = item.get("arguments", item.get("input"))
        return Turn(Role.ASSISTANT, (ToolCall(_text(item.get("name")), _json(arguments)),))
    if kind in ("function_call_output", "custom_tool_call_output"):
        output = item.get("output")
        blocks = _content(output, _openai_part) or (Text(_json(output)),)
        return Turn(Role.USER, (ToolResult(blocks),))
    if kind == "reasoning":
        texts = [
            block.text
            for block in _content(item.get("content"), _openai_part)
            if isinstance(block, Text)
        ]
        thought = _thinking("".join(texts), _text(item.get("encrypted_content")))
        if thought == Thinking("", 0):
            return Turn(Role.ASSISTANT, (Opaque(),))
        return Turn(Role.ASSISTANT, (thought,))
    return Turn(Role.ASSISTANT, (Opaque(_json(item)),))


def _tool_choice(value: Any) -> ToolChoice:
    if isinstance(value, dict):
        kind = value.get("type")
        if kind in ("auto", "any", "none"):
            return ToolChoice(kind)
        return ToolChoice.ANY if value.get("mode") == "required" else ToolChoice.NAMED
    return {"required": ToolChoice.ANY, "none": ToolChoice.NONE}.get(_text(value), ToolChoice.AUTO)


def _thinking_mode(value: Any) -> ThinkingMode:
    kind = value.get("type") if isinstance(value, dict) else None
    return {"enabled": ThinkingMode.ENABLED, "adaptive": ThinkingMode.ADAPTIVE}.get(
        _text(kind), ThinkingMode.OFF
    )


def _schema(output_format: Any) -> Schema | None:
    """The JSON schema of a structured answer, in either vendor's wrapping."""
    if not isinstance(output_format, dict) or output_format.get("type") != "json_schema":
        return None
    wrapped = output_format.get("json_schema")
    source = wrapped if isinstance(wrapped, dict) else output_format
    if source.get("schema") is None:
        return None
    return Schema(source["schema"], _text(source.get("name")), _text(source.get("description")))
