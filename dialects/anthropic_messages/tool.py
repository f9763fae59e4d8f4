"""Anthropic's tools and tool choice ↔ the neutral ones (translation-matrix §1.5 to §1.7)."""

from __future__ import annotations

from typing import Any, Final

from dialects import free_form
from dialects.anthropic_messages.defined_tool import spell_out
from dialects.anthropic_messages.schema import is_strict_ready, tool_schema
from dialects.choice import Offer
from dialects.conversation import (
    ChoiceMode,
    Conversation,
    Tool,
    ToolChoice,
    ToolKind,
)
from dialects.errors import refuse
from dialects.names import NameTable

NAME: Final = "anthropic_messages"
MAX_STRICT: Final = 20


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


def encode_tools(
    conversation: Conversation, offer: Offer, names: NameTable
) -> list[dict[str, Any]]:
    """The offered tools in the client's order; Anthropic's own as they came."""
    tools: list[dict[str, Any]] = []
    strict_left = MAX_STRICT
    for place, tool in enumerate(offer.tools):
        if tool.kind is ToolKind.HOSTED:
            tools.append(tool.data or {})
            continue
        body = _encode_tool(conversation, tool, names, f"tools.{place}")
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


def _encode_tool(
    conversation: Conversation, tool: Tool, names: NameTable, param: str
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": names.upstream_name(tool.name, tool.namespace)}
    description = tool.description
    if tool.kind is ToolKind.CUSTOM:
        description = free_form.describe(tool)
        schema = free_form.wrap_schema()
    else:
        schema, is_changed = tool_schema(tool.schema, f"{param}.input_schema")
        if is_changed:
            conversation.warn("tools.schema", "changed")
    if description:
        body["description"] = description
    body["input_schema"] = schema
    return body


def encode_choice(
    conversation: Conversation, offer: Offer, names: NameTable
) -> dict[str, Any] | None:
    """``tool_choice``; None where nothing is to be said."""
    if not offer.tools:
        return None
    body: dict[str, Any] | None = None
    match offer.mode:
        case None:
            pass
        case ChoiceMode.REQUIRED:
            body = {"type": "any"}
        case ChoiceMode.NAMED:
            tool = offer.chosen[0]
            is_own = tool.kind is ToolKind.HOSTED
            name = tool.name if is_own else names.upstream_name(tool.name, tool.namespace)
            body = {"type": "tool", "name": name}
        case mode:
            body = {"type": mode.value}
    if conversation.parallel_tools is False and (body is None or body["type"] != "none"):
        body = body or {"type": "auto"}
        body["disable_parallel_tool_use"] = True
    return body
