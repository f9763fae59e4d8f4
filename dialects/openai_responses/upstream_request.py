"""The neutral request as a Responses body for an upstream.

Deterministic: the same history gives the same bytes, and a longer one begins with them. Item ids
are left out, because an id of another's making is refused; ``call_id`` is free.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from dialects import free_form
from dialects.choice import Offer, settle_offer
from dialects.conversation import (
    ChoiceMode,
    Conversation,
    OutputFormat,
    ReasoningMode,
    Tool,
    ToolKind,
)
from dialects.dialect import EncodeContext
from dialects.effort import fit_word, word_of_budget
from dialects.errors import refuse_feature
from dialects.extras import carry_extras
from dialects.json_text import render
from dialects.names import NameTable
from dialects.openai_responses.upstream_items import encode_turns
from dialects.tool_schema import is_closed, whole_schema

_NAME: Final = "openai_responses"
_MIN_OUTPUT: Final = 16


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
    _encode_tools(conversation, context, names, body)
    _encode_limits(conversation, context, body)
    _encode_sampling(conversation, context, body)
    _encode_reasoning(conversation, context, body)
    _encode_text(conversation, context, body)
    body["store"] = False
    body["stream"] = context.stream
    _encode_identity(conversation, context, body, is_openai)
    body.update(carry_extras(conversation, _NAME))
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
    takes_sampling = context.capabilities.samples(conversation.reasoning)
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
    conversation: Conversation, context: EncodeContext, names: NameTable, body: dict[str, Any]
) -> None:
    capabilities = context.capabilities
    offer = settle_offer(
        conversation,
        _NAME,
        can_force=capabilities.forced_tool_choice,
        can_allow=capabilities.family == "openai",
    )
    if not offer.tools:
        return
    body["tools"] = [_encode_tool(tool, conversation, context, names) for tool in offer.tools]
    choice = _encode_choice(offer, context, names)
    if choice is not None:
        body["tool_choice"] = choice
    if conversation.parallel_tools is False:
        body["parallel_tool_calls"] = False


def _encode_tool(
    tool: Tool, conversation: Conversation, context: EncodeContext, names: NameTable
) -> dict[str, Any]:
    if tool.kind is ToolKind.HOSTED:
        return tool.data or {}
    encoded: dict[str, Any] = {"type": "function"}
    encoded["name"] = names.upstream_name(tool.name, tool.namespace)
    description = tool.description
    if tool.kind is ToolKind.CUSTOM:
        if context.capabilities.custom_tools:
            encoded["type"] = "custom"
        else:
            description = free_form.describe(tool)
    if description is not None:
        encoded["description"] = description
    if encoded["type"] == "custom":
        return encoded | ({"format": tool.format} if tool.format else {})
    is_custom = tool.kind is ToolKind.CUSTOM
    schema = free_form.wrap_schema() if is_custom else whole_schema(tool.schema)
    return encoded | {"parameters": schema, "strict": _strict_of(tool, conversation)}


def _strict_of(tool: Tool, conversation: Conversation) -> bool | None:
    """Said outright, because OpenAI takes silence for strict; only its own silence stays one."""
    if tool.kind is ToolKind.CUSTOM:
        return False
    return tool.strict if conversation.source == _NAME else bool(tool.strict)


def _encode_choice(
    offer: Offer, context: EncodeContext, names: NameTable
) -> str | dict[str, Any] | None:
    if offer.mode is None:
        return None
    chosen = [_reference(tool, context, names) for tool in offer.chosen]
    if offer.mode is ChoiceMode.NAMED:
        return chosen[0]
    if chosen:
        return {"type": "allowed_tools", "mode": offer.mode.value, "tools": chosen}
    return offer.mode.value


def _reference(tool: Tool, context: EncodeContext, names: NameTable) -> dict[str, Any]:
    if tool.kind is ToolKind.HOSTED:
        return {"type": tool.name}
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
    is_shown = config.show or (config.show is None and thinks_aloud)
    if is_shown and context.capabilities.reasoning_summaries:
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
        wanted = word_of_budget(config.budget)
    if wanted is None or not efforts:
        return None
    if wanted in efforts:
        return wanted
    if wanted == "none" and not context.capabilities.thinks_by_default:
        return None
    if config.effort is not None or config.mode is ReasoningMode.OFF:
        conversation.warn("reasoning.effort", "changed")
    return fit_word(wanted, efforts)


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
        raise refuse_feature("This model has no structured output.", "format")
    schema = form.schema or {}
    strict = form.strict
    if strict is None and conversation.source == "anthropic_messages":
        strict = is_closed(schema)
        if not strict:
            conversation.warn("format.strict", "off")
    encoded: dict[str, Any] = {
        "type": "json_schema",
        "name": form.name or "output",
        "schema": schema,
    }
    if form.description is not None:
        encoded["description"] = form.description
    return encoded if strict is None else encoded | {"strict": strict}


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
