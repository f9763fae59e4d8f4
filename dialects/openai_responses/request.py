"""A Responses request as the neutral request.

What needs state is refused with the name of what to set instead; what is unknown is carried in
``extras`` and noted. Explicit nulls are absent fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dialects.conversation import (
    ChoiceMode,
    Conversation,
    OutputFormat,
    ReasoningConfig,
    ReasoningMode,
    Text,
    Tool,
    ToolChoice,
    ToolKind,
)
from dialects.dialect import Peek
from dialects.errors import RemoteDialectError, refuse, refuse_feature
from dialects.openai_responses.items import decode_input
from dialects.openai_responses.payload import object_of, objects_of, optional_text, text_of
from dialects.usage import count_of

NAME: Final = "openai_responses"

_REFUSED: Final = {
    "previous_response_id": "Responses are not stored: send the whole history in 'input' and "
    "set 'store' to false.",
    "conversation": "Conversations are not stored: send the whole history in 'input' and "
    "set 'store' to false.",
    "background": "Background responses are not kept: set 'background' to false and use "
    "'stream': true for long answers.",
    "prompt": "Stored prompts are not available: send the text in 'instructions' and 'input'.",
}
FIELD_NAMES: Final = {
    "max_tokens": "max_output_tokens",
    "format": "text.format",
    "verbosity": "text.verbosity",
    "messages": "input",
    "system": "instructions",
    "parallel_tools": "parallel_tool_calls",
}
_LOGPROBS: Final = "message.output_text.logprobs"
_ENCRYPTED: Final = "reasoning.encrypted_content"


def peek(body: dict[str, Any]) -> Peek:
    """Model, stream, output cap and whether thinking is asked for; everything else unread.

    A reference to stored state is refused here already, before any upstream sees it: what the
    provider stored for the operator's account may belong to another caller.
    """
    _check_references(body)
    effort = object_of(body.get("reasoning")).get("effort")
    return Peek(
        model=_model_of(body),
        stream=body.get("stream") is True,
        max_tokens=count_of(body.get("max_output_tokens")),
        thinking=effort not in (None, "none"),
    )


def decode_request(body: dict[str, Any]) -> Conversation:
    """The neutral request; RemoteDialectError names the field that is wrong or unsupported."""
    fields = {name: value for name, value in body.items() if value is not None}
    _check_stateless(fields)
    conversation = Conversation(source=NAME, model=_model_of(fields))
    instructions = fields.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise refuse("'instructions' must be a string.", "instructions")
    if instructions:
        conversation.system.append(Text(instructions))
    _decode_tools(fields.get("tools", []), conversation)
    decode_input(fields.get("input"), conversation, decode_tool)
    _check_names(conversation)
    if "tool_choice" in fields:
        conversation.tool_choice = _decode_choice(fields["tool_choice"])
    _decode_settings(fields, conversation)
    _decode_reasoning(fields, conversation)
    _decode_text(fields.get("text"), conversation)
    for name, value in fields.items():
        if name not in _READ:
            conversation.extras[name] = value
    return conversation


_READ: Final = frozenset(
    {
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls"),
        *("max_output_tokens", "temperature", "top_p", "stream", "reasoning", "text"),
        *("user", "safety_identifier", "service_tier", "prompt_cache_key", "background"),
    }
)


def _model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise refuse("Missing required parameter: 'model'.", "model")
    return model


def _check_references(body: dict[str, Any]) -> None:
    for name, advice in _REFUSED.items():
        if body.get(name) not in (None, False, ""):
            raise refuse_feature(advice, name)
    given = body.get("input")
    if given is not None and not isinstance(given, (str, list)):
        raise refuse("'input' must be a string or a list of items.", "input")
    for place, item in enumerate(given if isinstance(given, list) else ()):
        if isinstance(item, dict) and item.get("type") == "item_reference":
            raise refuse_feature(
                "Items are not stored here: send the item itself and set store to false.",
                f"input[{place}]",
            )


def _check_stateless(fields: dict[str, Any]) -> None:
    _check_references(fields)
    if _LOGPROBS in _include_of(fields) or fields.get("top_logprobs"):
        raise refuse_feature("Log probabilities are not available on this model.", "top_logprobs")


def _include_of(fields: dict[str, Any]) -> list[Any]:
    include = fields.get("include")
    return include if isinstance(include, list) else []


def _decode_settings(fields: dict[str, Any], conversation: Conversation) -> None:
    conversation.max_tokens = _read(fields, "max_output_tokens", _whole_number)
    conversation.temperature = _read(fields, "temperature", _number)
    conversation.top_p = _read(fields, "top_p", _number)
    conversation.parallel_tools = _read(fields, "parallel_tool_calls", _flag)
    conversation.stream = bool(_read(fields, "stream", _flag))
    conversation.user = optional_text(fields.get("safety_identifier")) or optional_text(
        fields.get("user")
    )
    conversation.service_tier = optional_text(fields.get("service_tier"))
    conversation.cache_key = optional_text(fields.get("prompt_cache_key"))
    conversation.include_usage = True


def _read(fields: dict[str, Any], name: str, convert: Callable[[Any], Any]) -> Any:
    if name not in fields:
        return None
    value = convert(fields[name])
    if value is None:
        raise refuse(f"Invalid type for '{name}'.", name)
    return value


def _whole_number(value: Any) -> int | None:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return int(value) if is_whole else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _decode_reasoning(fields: dict[str, Any], conversation: Conversation) -> None:
    reasoning = object_of(fields.get("reasoning"))
    effort = optional_text(reasoning.get("effort"))
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    mode = ReasoningMode.DEFAULT
    if effort == "none":
        mode = ReasoningMode.OFF
    elif effort is not None:
        mode = ReasoningMode.EFFORT
    keeps_encrypted = _ENCRYPTED in _include_of(fields)
    conversation.reasoning = ReasoningConfig(
        mode=mode,
        effort=effort,
        show=True if summary else None,
        keep_encrypted=keeps_encrypted or fields.get("store") is False,
        is_wanted=bool(summary) or keeps_encrypted,
    )
    for name, usual in (("mode", "standard"), ("context", "auto")):
        if reasoning.get(name) not in (None, usual):
            conversation.warn(f"reasoning.{name}", "dropped")


def _decode_text(value: object, conversation: Conversation) -> None:
    text = object_of(value)
    conversation.verbosity = optional_text(text.get("verbosity"))
    form = object_of(text.get("format"))
    kind = form.get("type")
    if kind in (None, "text"):
        return
    if kind == "json_object":
        conversation.format = OutputFormat("json_object")
    elif kind == "json_schema":
        if not isinstance(form.get("schema"), dict):
            raise refuse("Missing required parameter: 'text.format.schema'.", "text.format.schema")
        conversation.format = OutputFormat(
            "json_schema",
            schema=form["schema"],
            name=optional_text(form.get("name")),
            strict=_flag(form.get("strict")),
            description=optional_text(form.get("description")),
        )
    else:
        raise refuse(f"Unknown text format: '{kind}'.", "text.format.type")


# Tools


def _decode_tools(tools: object, conversation: Conversation) -> None:
    if not isinstance(tools, list):
        raise refuse("'tools' must be a list.", "tools")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise refuse("A tool must be an object.", f"tools[{index}]")
        conversation.tools += decode_tool(tool, f"tools[{index}]", conversation)


def decode_tool(
    tool: dict[str, Any], where: str, conversation: Conversation, namespace: str | None = None
) -> list[Tool]:
    """One entry of ``tools``; a namespace gives all its tools."""
    kind = text_of(tool.get("type"))
    name = text_of(tool.get("name"))
    if kind in ("function", "custom", "namespace") and not name:
        raise refuse(f"Missing required parameter: '{where}.name'.", f"{where}.name")
    description = optional_text(tool.get("description"))
    if kind == "function":
        parameters = tool.get("parameters")
        if tool.get("defer_loading"):
            conversation.warn(f"{where}.defer_loading", "dropped")
        return [
            Tool(
                ToolKind.FUNCTION,
                name,
                description,
                schema=parameters if isinstance(parameters, dict) else None,
                strict=_flag(tool.get("strict")),
                namespace=namespace,
            )
        ]
    if kind == "custom":
        form = object_of(tool.get("format")) or None
        return [Tool(ToolKind.CUSTOM, name, description, format=form, namespace=namespace)]
    if kind == "namespace" and namespace is None:
        inner = objects_of(tool.get("tools"))
        return [
            found
            for index, entry in enumerate(inner)
            for found in decode_tool(entry, f"{where}.tools[{index}]", conversation, name)
        ]
    if not kind:
        raise refuse(f"Missing required parameter: '{where}.type'.", f"{where}.type")
    return [Tool(ToolKind.HOSTED, kind, dialect=NAME, data=tool, namespace=namespace)]


def _check_names(conversation: Conversation) -> None:
    seen: set[tuple[str, str | None]] = set()
    for tool in conversation.tools:
        if tool.kind is ToolKind.HOSTED:
            continue
        key = (tool.name, tool.namespace)
        if key in seen:
            raise refuse(f"Tool names must be unique: '{tool.name}' is repeated.", "tools")
        seen.add(key)


def _decode_choice(choice: object) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise refuse(f"Unknown tool_choice: '{choice}'.", "tool_choice")
        return ToolChoice(ChoiceMode(choice))
    data = object_of(choice)
    kind = text_of(data.get("type"))
    if kind in ("function", "custom"):
        name = text_of(data.get("name"))
        if not name:
            raise refuse("Missing required parameter: 'tool_choice.name'.", "tool_choice.name")
        namespace = text_of(data.get("namespace"))
        return ToolChoice(ChoiceMode.NAMED, [f"{namespace}.{name}" if namespace else name])
    if kind == "allowed_tools":
        mode = ChoiceMode.REQUIRED if data.get("mode") == "required" else ChoiceMode.AUTO
        tools = objects_of(data.get("tools"))
        names = [text_of(tool.get("name")) or text_of(tool.get("type")) for tool in tools]
        return ToolChoice(mode, [name for name in names if name])
    raise _hosted_choice(kind)


def _hosted_choice(kind: str) -> RemoteDialectError:
    if not kind:
        return refuse("Invalid 'tool_choice'.", "tool_choice")
    return refuse_feature(
        f"The tool '{kind}' is run by its provider and cannot be forced on this model: "
        "set 'tool_choice' to \"auto\" or name a function.",
        "tool_choice",
    )
