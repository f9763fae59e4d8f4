"""The neutral request as a Responses body for an upstream.

Deterministic: the same history gives the same bytes, and a longer one begins with them. Item ids
are left out, because an id of another's making is refused; ``call_id`` is free.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from dialects.conversation import (
    ChoiceMode,
    Conversation,
    OutputFormat,
    ReasoningMode,
    Tool,
    ToolKind,
)
from dialects.dialect import EncodeContext
from dialects.errors import refuse, refuse_feature
from dialects.json_text import render
from dialects.names import NameTable
from dialects.openai_responses.extra import carry_extras
from dialects.openai_responses.freeform import wrap_schema
from dialects.openai_responses.upstream_items import encode_turns

_NAME: Final = "openai_responses"
_MIN_OUTPUT: Final = 16
# Weakest first; a budget below the number is that effort (translation-matrix §2.2).
_EFFORT_OF_BUDGET: Final = ((2_048, "low"), (8_192, "medium"), (24_576, "high"))
_ALL_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def encode_request(conversation: Conversation, context: EncodeContext) -> dict[str, Any]:
    """The body; notes what it changes in ``conversation.warnings``, fills ``context.tools``."""
    is_openai = context.capabilities.family == "openai"
    names = NameTable(
        conversation.tools,
        conversation.turns,
        limit=context.capabilities.max_name,
        wraps_custom=not context.capabilities.custom_tools,
    )
    context.tools.update(names.aliases)
    context.stops[:] = conversation.stops  # this dialect has none: the Writer cuts
    body: dict[str, Any] = {"model": context.model}
    instructions = "\n\n".join(text.text for text in conversation.system if text.text.strip())
    if instructions:
        body["instructions"] = instructions
    body["input"] = encode_turns(conversation, context, names)
    tools = _encode_tools(conversation, context, names)
    if tools:
        body["tools"] = tools
        choice = _encode_choice(conversation, context, names)
        if choice is not None:
            body["tool_choice"] = choice
        if conversation.parallel_tools is not None:
            body["parallel_tool_calls"] = conversation.parallel_tools
    _encode_limits(conversation, context, body)
    _encode_sampling(conversation, context, body)
    _encode_reasoning(conversation, context, body)
    _encode_text(conversation, context, body)
    body["store"] = False
    body["stream"] = context.stream
    _encode_identity(conversation, context, body, is_openai)
    carry_extras(conversation, body)
    return body


def _encode_limits(
    conversation: Conversation, context: EncodeContext, body: dict[str, Any]
) -> None:
    limit = conversation.max_tokens
    if limit is None:
        return
    if limit <= 0:
        raise refuse_feature(
            "A request for no output cannot be carried to this model.", "max_tokens"
        )
    allowed = min(max(limit, _MIN_OUTPUT), max(context.capabilities.max_output, _MIN_OUTPUT))
    if allowed != limit:
        conversation.warn("max_tokens", "clamped")
    body["max_output_tokens"] = allowed


def _encode_sampling(
    conversation: Conversation, context: EncodeContext, body: dict[str, Any]
) -> None:
    takes_sampling = context.capabilities.sampling
    if conversation.reasoning.mode is ReasoningMode.OFF and "none" in context.capabilities.efforts:
        takes_sampling = True
    for name, value, top in (
        ("temperature", conversation.temperature, 2.0),
        ("top_p", conversation.top_p, 1.0),
    ):
        if value is None:
            continue
        if not takes_sampling:
            conversation.warn(name, "dropped")
            continue
        body[name] = min(max(value, 0.0), top)
        if body[name] != value:
            conversation.warn(name, "clamped")
    if conversation.top_k is not None:
        conversation.warn("top_k", "dropped")


# Tools


def _encode_tools(
    conversation: Conversation, context: EncodeContext, names: NameTable
) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    for tool in conversation.tools:
        encoded = _encode_tool(tool, conversation, context, names)
        if encoded is not None:
            tools.append(encoded)
    most = context.capabilities.max_tools
    if most is not None and len(tools) > most:
        raise refuse_feature(f"This model takes at most {most} tools.", "tools")
    return tools


def _encode_tool(
    tool: Tool, conversation: Conversation, context: EncodeContext, names: NameTable
) -> dict[str, Any] | None:
    if tool.kind is ToolKind.HOSTED:
        if tool.dialect == _NAME and tool.data is not None:
            return tool.data
        raise refuse_feature(
            f"The tool '{tool.name}' is defined by its provider and not available on this model.",
            "tools",
        )
    encoded: dict[str, Any] = {"type": "function"}
    encoded["name"] = names.upstream_name(tool.name, tool.namespace)
    description = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if context.capabilities.custom_tools:
            encoded["type"] = "custom"
        else:
            description = _describe_freeform(tool)
    if description is not None:
        encoded["description"] = description
    if encoded["type"] == "custom":
        return encoded | ({"format": tool.format} if tool.format else {})
    schema = wrap_schema() if tool.kind is ToolKind.CUSTOM else _object_schema(tool.schema)
    return encoded | {"parameters": schema, "strict": _strict_of(tool, conversation)}


def _strict_of(tool: Tool, conversation: Conversation) -> bool | None:
    """Said outright, because OpenAI takes silence for strict; only its own silence stays one."""
    if tool.kind is ToolKind.CUSTOM:
        return False
    return tool.strict if conversation.source == _NAME else bool(tool.strict)


def _describe_freeform(tool: Tool) -> str:
    parts = [tool.description or "", "Put the whole free-form input into the string `input`."]
    definition = (tool.format or {}).get("definition")
    if isinstance(definition, str):
        syntax = (tool.format or {}).get("syntax", "")
        parts.append(f"It must match this {syntax} grammar:\n{definition}")
    return "\n\n".join(part for part in parts if part)


def _object_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    if not schema:
        return {"type": "object", "properties": {}}
    if "type" in schema and schema.get("properties", {}) is not None:
        return schema
    return {"type": "object", **schema, "properties": schema.get("properties") or {}}


def _encode_choice(
    conversation: Conversation, context: EncodeContext, names: NameTable
) -> str | dict[str, Any] | None:
    choice = conversation.tool_choice
    if choice is None:
        return None
    is_forced = choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED)
    if is_forced and not context.capabilities.forced_tool_choice:
        conversation.warn("tool_choice", "changed")
        return "auto"
    if choice.mode is ChoiceMode.NAMED:
        return _reference(choice.names[0], conversation, context, names)
    if choice.names and choice.mode is not ChoiceMode.NONE:
        if context.capabilities.family == "openai":
            allowed = [_reference(name, conversation, context, names) for name in choice.names]
            return {"type": "allowed_tools", "mode": choice.mode.value, "tools": allowed}
        conversation.warn("tool_choice", "changed")
    return choice.mode.value


def _reference(
    name: str, conversation: Conversation, context: EncodeContext, names: NameTable
) -> dict[str, Any]:
    tool = next((tool for tool in conversation.tools if tool.name == name), None)
    if tool is None:
        raise refuse(f"The tool '{name}' in tool_choice is not among the tools.", "tool_choice")
    if tool.kind is ToolKind.HOSTED:
        return {"type": name}
    is_custom = tool.kind is ToolKind.CUSTOM and context.capabilities.custom_tools
    return {
        "type": "custom" if is_custom else "function",
        "name": names.upstream_name(tool.name, tool.namespace),
    }


# Reasoning and text


def _encode_reasoning(
    conversation: Conversation, context: EncodeContext, body: dict[str, Any]
) -> None:
    config = conversation.reasoning
    if not context.capabilities.thinking:
        if config.mode not in (ReasoningMode.DEFAULT, ReasoningMode.OFF):
            conversation.warn("reasoning", "dropped")
        return
    reasoning: dict[str, Any] = {}
    effort = _effort_of(conversation, context)
    if effort is not None:
        reasoning["effort"] = effort
    is_on = config.mode not in (ReasoningMode.DEFAULT, ReasoningMode.OFF)
    thinks_aloud = conversation.source == "anthropic_messages" and is_on
    if config.show or (config.show is None and thinks_aloud):
        reasoning["summary"] = "auto"
    if reasoning:
        body["reasoning"] = reasoning
    if context.capabilities.family == "openai":
        body["include"] = ["reasoning.encrypted_content"]


def _effort_of(conversation: Conversation, context: EncodeContext) -> str | None:
    """The upstream's word for the effort asked for, or the nearest it has."""
    config, efforts = conversation.reasoning, context.capabilities.efforts
    wanted = config.effort
    if config.mode is ReasoningMode.OFF:
        wanted = "none"
    elif wanted is None and config.budget is not None:
        wanted = next((word for top, word in _EFFORT_OF_BUDGET if config.budget < top), "xhigh")
    if wanted is None or not efforts:
        return None
    if wanted in efforts:
        return wanted
    nearest = _nearest(wanted, efforts)
    if config.effort is not None or config.mode is ReasoningMode.OFF:
        conversation.warn("reasoning.effort", "changed")
    return nearest


def _nearest(wanted: str, efforts: tuple[str, ...]) -> str:
    """The strongest word not above ``wanted``, "none" aside; else the weakest there is."""
    rank = {word: index for index, word in enumerate(_ALL_EFFORTS)}
    known = [word for word in efforts if word in rank and word != "none"] or list(efforts)
    below = [word for word in known if rank.get(word, 0) <= rank.get(wanted, 0)]
    return below[-1] if below else known[0]


def _encode_text(conversation: Conversation, context: EncodeContext, body: dict[str, Any]) -> None:
    text: dict[str, Any] = {}
    form = conversation.format
    if form is not None:
        text["format"] = _encode_format(form, conversation, context)
    if conversation.verbosity is not None:
        text["verbosity"] = conversation.verbosity
    if text:
        body["text"] = text


def _encode_format(
    form: OutputFormat, conversation: Conversation, context: EncodeContext
) -> dict[str, Any]:
    if form.kind == "json_object":
        return {"type": "json_object"}
    if not context.capabilities.json_schema:
        raise refuse_feature("This model has no structured output.", "text.format")
    schema = form.schema or {}
    strict = form.strict
    if strict is None and conversation.source == "anthropic_messages":
        strict = _is_closed(schema)
        if not strict:
            conversation.warn("output_config.format", "changed")
    encoded: dict[str, Any] = {
        "type": "json_schema",
        "name": form.name or "output",
        "schema": schema,
    }
    if form.description is not None:
        encoded["description"] = form.description
    return encoded if strict is None else encoded | {"strict": strict}


def _is_closed(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema: objects closed, every property required."""
    if isinstance(schema, list):
        return all(_is_closed(entry) for entry in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        required = schema.get("required")
        if schema.get("additionalProperties") is not False or not isinstance(required, list):
            return False
        if set(properties or {}) - {name for name in required if isinstance(name, str)}:
            return False
    return all(_is_closed(value) for value in schema.values())


# The rest


def _encode_identity(
    conversation: Conversation, context: EncodeContext, body: dict[str, Any], is_openai: bool
) -> None:
    if context.user is not None:
        body["safety_identifier" if is_openai else "user"] = context.user
    if conversation.cache_key is not None:
        body["prompt_cache_key"] = conversation.cache_key[:64]
    elif is_openai and context.user is not None:
        seed = render([context.user, body.get("instructions"), body.get("tools")])
        body["prompt_cache_key"] = f"gb_{hashlib.sha256(seed).hexdigest()[:32]}"
    tier = conversation.service_tier
    if tier is None or tier in ("auto", "standard_only"):
        return
    if conversation.source != "anthropic_messages" and is_openai:
        body["service_tier"] = tier
    else:
        conversation.warn("service_tier", "dropped")
