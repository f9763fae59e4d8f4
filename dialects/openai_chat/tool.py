"""Tools and the choice among them, both directions (translation-matrix §1.5, §1.7)."""

from __future__ import annotations

from typing import Any, Final

from dialects import free_form
from dialects.choice import Offer
from dialects.conversation import ChoiceMode, Tool, ToolChoice, ToolKind
from dialects.dialect import EncodeContext
from dialects.errors import refuse, refuse_feature
from dialects.names import NameTable
from dialects.openai_chat.content import NAME
from dialects.openai_chat.wire import as_dict, as_dicts, as_text
from dialects.surrogate import mend_text
from dialects.tool_schema import whole_schema

_MODES: Final = {
    "auto": ChoiceMode.AUTO,
    "none": ChoiceMode.NONE,
    "required": ChoiceMode.REQUIRED,
    "any": ChoiceMode.REQUIRED,
}


def parse_tools(body: dict[str, Any]) -> list[Tool]:
    """``tools``, and the deprecated ``functions`` after them."""
    tools = [_parse_tool(tool, f"tools.{n}") for n, tool in enumerate(as_dicts(body.get("tools")))]
    for n, function in enumerate(as_dicts(body.get("functions"))):
        tools.append(_parse_function(function, None, f"functions.{n}"))
    return tools


def _parse_tool(tool: dict[str, Any], param: str) -> Tool:
    kind = tool.get("type", "function")
    cache = tool.get("cache_control") if isinstance(tool.get("cache_control"), dict) else None
    if kind == "function":
        return _parse_function(as_dict(tool.get("function")) or tool, cache, param)
    if kind == "custom":
        custom = as_dict(tool.get("custom")) or tool
        return Tool(
            ToolKind.CUSTOM,
            _parse_name(custom, param),
            description=as_text(custom.get("description")) or None,
            format=_flatten(as_dict(custom.get("format"))),
            cache=cache,
        )
    name = as_text(tool.get("name")) or as_text(kind)
    return Tool(ToolKind.HOSTED, name, dialect=NAME, data=tool, cache=cache)


def _parse_function(function: dict[str, Any], cache: dict[str, Any] | None, param: str) -> Tool:
    parameters, strict = function.get("parameters"), function.get("strict")
    return Tool(
        ToolKind.FUNCTION,
        _parse_name(function, param),
        description=mend_text(as_text(function.get("description"))) or None,
        schema=parameters if isinstance(parameters, dict) else None,
        strict=strict if isinstance(strict, bool) else None,
        cache=cache,
    )


def _parse_name(holder: dict[str, Any], param: str) -> str:
    name = mend_text(as_text(holder.get("name")))
    if not name:
        raise refuse("A tool needs a name.", param)
    return name


def parse_choice(body: dict[str, Any]) -> ToolChoice | None:
    """``tool_choice`` in the official forms and in those of careless clients."""
    choice = body.get("tool_choice")
    if choice is None:
        choice = body.get("function_call")
        if isinstance(choice, dict):
            choice = {"type": "function", "function": choice}
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else choice
    if isinstance(kind, str) and kind in _MODES:
        return ToolChoice(_MODES[kind])
    if isinstance(choice, dict):
        if kind == "allowed_tools":
            allowed = as_dict(choice.get("allowed_tools")) or choice
            mode = _MODES.get(as_text(allowed.get("mode")), ChoiceMode.AUTO)
            return ToolChoice(mode, [_chosen_name(one) for one in as_dicts(allowed.get("tools"))])
        if name := _chosen_name(choice):
            return ToolChoice(ChoiceMode.NAMED, [name])
    raise refuse("tool_choice is of no known form.", "tool_choice")


def _chosen_name(choice: dict[str, Any]) -> str:
    holder = as_dict(choice.get("function")) or as_dict(choice.get("custom")) or choice
    return as_text(holder.get("name"))


def render_tools(offer: Offer, context: EncodeContext, names: NameTable) -> list[dict[str, Any]]:
    """The offered tools for an upstream; more than it takes are refused."""
    most = context.capabilities.max_tools
    if most is not None and len(offer.tools) > most:
        raise refuse_feature(f"This model takes at most {most} tools.", "tools")
    return [_render_tool(tool, context, names) for tool in offer.tools]


def _render_tool(tool: Tool, context: EncodeContext, names: NameTable) -> dict[str, Any]:
    if tool.kind is ToolKind.HOSTED:
        return tool.data or {}
    name = names.upstream_name(tool.name, tool.namespace)
    if tool.kind is ToolKind.CUSTOM and context.capabilities.custom_tools:
        custom = {"name": name, "description": tool.description, "format": _nest(tool.format)}
        return {"type": "custom", "custom": _present(custom)}
    if tool.kind is ToolKind.CUSTOM:
        stand_in = {"description": free_form.describe(tool), "parameters": free_form.wrap_schema()}
        return {"type": "function", "function": {"name": name} | stand_in}
    function = {
        "name": name,
        "description": tool.description,
        "parameters": whole_schema(tool.schema),
        "strict": True if tool.strict else None,
    }
    return {"type": "function", "function": _present(function)}


def _nest(form: dict[str, Any] | None) -> dict[str, Any] | None:
    """A custom tool's grammar: Chat nests what the hub, like Responses, holds flat."""
    if form is None or form.get("type") != "grammar":
        return form
    return {"type": "grammar", "grammar": {k: v for k, v in form.items() if k != "type"}}


def _flatten(form: dict[str, Any]) -> dict[str, Any] | None:
    grammar = as_dict(form.get("grammar"))
    flat = {key: value for key, value in form.items() if key != "grammar"} | grammar
    return flat or None


def render_choice(
    offer: Offer, context: EncodeContext, names: NameTable
) -> str | dict[str, Any] | None:
    """``tool_choice`` for an upstream; None leaves it out."""
    if offer.mode is None:
        return None
    chosen = [_render_chosen(tool, context, names) for tool in offer.chosen]
    if offer.mode is ChoiceMode.NAMED:
        return chosen[0]
    if not chosen:
        return offer.mode.value
    allowed = {"mode": offer.mode.value, "tools": chosen}
    return {"type": "allowed_tools", "allowed_tools": allowed}


def _render_chosen(tool: Tool, context: EncodeContext, names: NameTable) -> dict[str, Any]:
    is_custom = tool.kind is ToolKind.CUSTOM and context.capabilities.custom_tools
    kind = "custom" if is_custom else "function"
    return {"type": kind, kind: {"name": names.upstream_name(tool.name, tool.namespace)}}


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
