"""Anthropic's tools and tool choice ↔ the neutral ones (translation-matrix §1.5 to §1.7)."""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.anthropic_messages.defined_tool import spell_out
from dialects.anthropic_messages.schema import is_strict_ready, tool_schema
from dialects.conversation import (
    ChoiceMode,
    Conversation,
    Tool,
    ToolChoice,
    ToolKind,
)
from dialects.dialect import EncodeContext
from dialects.errors import refuse, refuse_feature
from dialects.names import NameTable

NAME: Final = "anthropic_messages"
MAX_STRICT: Final = 20

_CUSTOM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}


def decode_tools(body: dict[str, Any]) -> list[Tool]:
    """The tools of a client's body; those the provider runs are kept whole."""
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise refuse("must be a list", "tools")
    return [_decode_tool(tool, f"tools.{place}") for place, tool in enumerate(tools)]


def _decode_tool(tool: object, param: str) -> Tool:
    if not isinstance(tool, dict):
        raise refuse("must be an object", param)
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        if tool.get("type") in (None, "custom"):
            raise refuse("must be a text of at least 1 character", f"{param}.name")
        name = str(tool.get("type"))
    cache = tool.get("cache_control")
    cache = cache if isinstance(cache, dict) else None
    if tool.get("type") not in (None, "custom"):
        spelled = spell_out(str(tool["type"]), name)
        if spelled is not None:
            spelled.cache = cache
            return spelled
        return Tool(ToolKind.HOSTED, name, cache=cache, dialect=NAME, data=tool)
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise refuse("must be an object", f"{param}.input_schema")
    description = tool.get("description")
    strict = tool.get("strict")
    return Tool(
        ToolKind.FUNCTION,
        name,
        description=description if isinstance(description, str) else None,
        schema=schema,
        strict=strict if isinstance(strict, bool) else None,
        cache=cache,
    )


def decode_choice(body: dict[str, Any]) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several calls at once are allowed (None where nothing is said)."""
    choice = body.get("tool_choice")
    if choice is None:
        return None, None
    if not isinstance(choice, dict):
        raise refuse("must be an object", "tool_choice")
    disabled = choice.get("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    match choice.get("type"):
        case "auto":
            return ToolChoice(ChoiceMode.AUTO), parallel
        case "any":
            return ToolChoice(ChoiceMode.REQUIRED), parallel
        case "none":
            return ToolChoice(ChoiceMode.NONE), parallel
        case "tool" if isinstance(choice.get("name"), str):
            return ToolChoice(ChoiceMode.NAMED, [choice["name"]]), parallel
        case _:
            raise refuse("must be auto, any, none or tool with a name", "tool_choice.type")


def encode_tools(conversation: Conversation, names: NameTable) -> list[dict[str, Any]]:
    """The tools in the client's order; a provider's own tools only towards that provider."""
    tools: list[dict[str, Any]] = []
    strict_left = MAX_STRICT
    for place, tool in enumerate(conversation.tools):
        param = f"tools.{place}"
        if tool.kind is ToolKind.HOSTED:
            if tool.dialect == NAME and tool.data is not None:
                tools.append(tool.data)
            else:
                _drop_hosted(conversation, tool, param)
            continue
        body = _encode_tool(conversation, tool, names, param)
        if tool.strict and tool.kind is ToolKind.FUNCTION:
            if strict_left and is_strict_ready(body["input_schema"]):
                body["strict"] = True
                strict_left -= 1
            else:
                conversation.warn("tools.strict", "dropped")
        if tool.cache is not None:
            body["cache_control"] = tool.cache
        tools.append(body)
    return tools


def _drop_hosted(conversation: Conversation, tool: Tool, param: str) -> None:
    choice = conversation.tool_choice
    is_forced = choice is not None and choice.mode is ChoiceMode.NAMED and tool.name in choice.names
    if is_forced or (
        choice is not None
        and choice.mode is ChoiceMode.REQUIRED
        and all(other.kind is ToolKind.HOSTED for other in conversation.tools)
    ):
        raise refuse_feature(f"the tool {tool.name!r} cannot be run by this model", param)
    conversation.warn(param, "dropped")


def _encode_tool(
    conversation: Conversation, tool: Tool, names: NameTable, param: str
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": names.upstream_name(tool.name, tool.namespace)}
    description = tool.description
    if tool.kind is ToolKind.CUSTOM:
        description = _describe_custom(tool)
        schema = _CUSTOM_SCHEMA
    else:
        schema, is_changed = tool_schema(tool.schema, f"{param}.input_schema")
        if is_changed:
            conversation.warn("tools.schema", "changed")
    if description:
        body["description"] = description
    body["input_schema"] = schema
    return body


def _describe_custom(tool: Tool) -> str:
    """A free-form tool's description with its grammar in words: there is no other place for it."""
    parts = [tool.description or ""]
    grammar = tool.format or {}
    if grammar.get("type") not in (None, "text"):
        inner = grammar.get("grammar")
        told = inner if isinstance(inner, dict) else grammar
        definition = told.get("definition")
        text = definition if isinstance(definition, str) else json_text.render_text(grammar)
        parts.append(f"The input must follow this {told.get('syntax') or ''} grammar:\n{text}")
    return "\n\n".join(part for part in parts if part)


def encode_choice(
    conversation: Conversation, context: EncodeContext, names: NameTable, *, has_tools: bool
) -> dict[str, Any] | None:
    """``tool_choice``; without tools there is none. Forcing falls back where a model refuses it."""
    if not has_tools:
        return None
    choice = conversation.tool_choice
    body = _choice_body(conversation, context, names, choice)
    if conversation.parallel_tools is False and (body is None or body["type"] != "none"):
        body = body or {"type": "auto"}
        body["disable_parallel_tool_use"] = True
    return body


def _choice_body(
    conversation: Conversation,
    context: EncodeContext,
    names: NameTable,
    choice: ToolChoice | None,
) -> dict[str, Any] | None:
    if choice is None:
        return None
    match choice.mode:
        case ChoiceMode.NONE:
            return {"type": "none"}
        case ChoiceMode.AUTO:
            if choice.names:
                conversation.warn("tool_choice.allowed_tools", "dropped")
            return {"type": "auto"}
    is_one = len(choice.names) == 1
    if choice.mode is ChoiceMode.REQUIRED and choice.names and not is_one:
        conversation.warn("tool_choice.allowed_tools", "dropped")
    if not context.capabilities.forced_tool_choice:
        conversation.warn("tool_choice", "changed")
        return {"type": "auto"}
    if is_one:
        return {"type": "tool", "name": _chosen_name(conversation, names, choice.names[0])}
    return {"type": "any"}


def _chosen_name(conversation: Conversation, names: NameTable, name: str) -> str:
    for tool in conversation.tools:
        if name in (tool.name, f"{tool.namespace}.{tool.name}"):
            if tool.kind is ToolKind.HOSTED:
                return name
            return names.upstream_name(tool.name, tool.namespace)
    raise refuse(f"the tool {name!r} is not among the tools", "tool_choice")
