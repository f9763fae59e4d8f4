"""Tools and the choice among them, both directions (translation-matrix §1.5, §1.7)."""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.conversation import ChoiceMode, Conversation, Tool, ToolChoice, ToolKind
from dialects.dialect import EncodeContext
from dialects.errors import refuse, refuse_feature
from dialects.names import NameTable
from dialects.openai_chat.content import NAME
from dialects.openai_chat.wire import as_dict, as_dicts, as_text, mend_text

_WRAPPED_SCHEMA: Final = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
}
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
            format=as_dict(custom.get("format")) or None,
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


def render_tools(
    conversation: Conversation, context: EncodeContext, names: NameTable
) -> list[dict[str, Any]]:
    """The tools for an upstream; what it cannot have is dropped with a warning or refused."""
    rendered = [
        shown
        for tool in conversation.tools
        if (shown := _render_tool(tool, conversation, context, names)) is not None
    ]
    most = context.capabilities.max_tools
    if most is not None and len(rendered) > most:
        raise refuse_feature(f"This model takes at most {most} tools.", "tools")
    return rendered


def _render_tool(
    tool: Tool, conversation: Conversation, context: EncodeContext, names: NameTable
) -> dict[str, Any] | None:
    if tool.kind is ToolKind.HOSTED:
        return _render_hosted(tool, conversation)
    name = names.upstream_name(tool.name, tool.namespace)
    if tool.kind is ToolKind.CUSTOM and context.capabilities.custom_tools:
        custom = {"name": name, "description": tool.description, "format": _nest(tool.format)}
        return {"type": "custom", "custom": _present(custom)}
    if tool.kind is ToolKind.CUSTOM:
        wrapped = {"description": _describe_custom(tool), "parameters": _WRAPPED_SCHEMA}
        return {"type": "function", "function": {"name": name} | wrapped}
    function = {
        "name": name,
        "description": tool.description,
        "parameters": whole_schema(tool.schema),
        "strict": True if tool.strict else None,
    }
    return {"type": "function", "function": _present(function)}


def _render_hosted(tool: Tool, conversation: Conversation) -> dict[str, Any] | None:
    if tool.dialect == NAME:
        return tool.data
    choice = conversation.tool_choice
    is_forced = choice is not None and (
        tool.name in choice.names
        or (choice.mode is ChoiceMode.REQUIRED and len(conversation.tools) == 1)
    )
    # Responses clients list hosted tools by habit; Anthropic clients mean them.
    if is_forced or tool.dialect != "openai_responses":
        raise refuse_feature(f"The tool {tool.name} is not available on this model.", "tools")
    conversation.warn(f"tools.{tool.name}", "dropped")
    return None


def _nest(form: dict[str, Any] | None) -> dict[str, Any] | None:
    """A custom tool's grammar: Chat nests what Responses writes flat."""
    if form is None or form.get("type") != "grammar" or "grammar" in form:
        return form
    return {"type": "grammar", "grammar": {k: v for k, v in form.items() if k != "type"}}


def _describe_custom(tool: Tool) -> str:
    pieces = [tool.description] if tool.description else []
    if tool.format and tool.format.get("type") == "grammar":
        grammar = as_dict(tool.format.get("grammar")) or tool.format
        syntax = as_text(grammar.get("syntax"))
        definition = as_text(grammar.get("definition")) or json_text.render_text(grammar)
        pieces.append(f"The input must match this {syntax} grammar:\n{definition}")
    return "\n\n".join(pieces) or "Takes free-form text as its input."


def whole_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A schema with the ``type`` and ``properties`` that servers insist on."""
    if not schema:
        return {"type": "object", "properties": {}}
    whole = schema if "type" in schema else {"type": "object", **schema}
    if whole.get("type") == "object" and whole.get("properties") is None:
        whole = {**whole, "properties": {}}
    return whole


def is_closed(schema: object) -> bool:
    """Whether strict mode takes it: every object closed and every property required."""
    if isinstance(schema, list):
        return all(is_closed(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = as_dict(schema.get("properties"))
        required = schema.get("required")
        if schema.get("additionalProperties") is not False:
            return False
        if set(properties) != set(required if isinstance(required, list) else []):
            return False
        return all(is_closed(one) for one in properties.values())
    return all(is_closed(one) for one in schema.values())


def render_choice(
    conversation: Conversation, context: EncodeContext, names: NameTable
) -> str | dict[str, Any] | None:
    """``tool_choice`` for an upstream; None leaves it out."""
    choice = conversation.tool_choice
    if choice is None:
        return None
    is_forced = choice.mode in (ChoiceMode.NAMED, ChoiceMode.REQUIRED)
    if is_forced and not context.capabilities.forced_tool_choice:
        conversation.warn("tool_choice", "auto")
        return "auto"
    chosen = [_render_chosen(name, conversation, context, names) for name in choice.names]
    if choice.mode is ChoiceMode.NAMED:
        return chosen[0]
    if not chosen:
        return choice.mode.value
    if context.capabilities.family == "openai":
        allowed = {"mode": choice.mode.value, "tools": chosen}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    if choice.mode is ChoiceMode.REQUIRED and len(chosen) == 1:
        return chosen[0]
    conversation.warn("tool_choice.allowed_tools", "dropped")
    return choice.mode.value


def _render_chosen(
    name: str, conversation: Conversation, context: EncodeContext, names: NameTable
) -> dict[str, Any]:
    tool = next((one for one in conversation.tools if one.name == name), None)
    namespace = tool.namespace if tool else None
    is_custom = tool is not None and tool.kind is ToolKind.CUSTOM
    kind = "custom" if is_custom and context.capabilities.custom_tools else "function"
    return {"type": kind, kind: {"name": names.upstream_name(name, namespace)}}


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
