"""The neutral conversation → a Chat request for one upstream (translation-matrix §1, §2)."""

from __future__ import annotations

import hashlib
from typing import Any

from dialects import json_text
from dialects.choice import settle_offer
from dialects.conversation import Conversation, ReasoningMode
from dialects.dialect import EncodeContext
from dialects.effort import fit_word, word_of_budget
from dialects.errors import refuse_feature
from dialects.extras import carry_extras
from dialects.names import NameTable
from dialects.openai_chat.content import NAME
from dialects.openai_chat.history import History
from dialects.openai_chat.tool import render_choice, render_tools
from dialects.tool_schema import is_closed


def encode_request(conversation: Conversation, context: EncodeContext) -> dict[str, Any]:
    """The body for an upstream; notes what it changed in ``conversation.warnings``.

    RemoteDialectError for what must not be left out. Fills ``context.tools`` and
    ``context.stops``. The same conversation always gives the same body.
    """
    capabilities = context.capabilities
    names = NameTable(
        conversation.tools,
        conversation.turns,
        limit=capabilities.max_name,
        wraps_custom=not capabilities.custom_tools,
    )
    context.tools.update(names.aliases)
    history = History(conversation, context, names)
    body: dict[str, Any] = {"model": context.model, "messages": history.messages}
    body.update(carry_extras(conversation, NAME))
    _add_limits(body, conversation, context)
    _add_sampling(body, conversation, context)
    _add_tools(body, conversation, context, names)
    _add_reasoning(body, conversation, context, lost=history.lost_reasoning)
    _add_format(body, conversation, context)
    _add_identity(body, conversation, context)
    if context.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _add_limits(body: dict[str, Any], conversation: Conversation, context: EncodeContext) -> None:
    most, capabilities = conversation.max_tokens, context.capabilities
    if most == 0:
        raise refuse_feature("max_tokens of 0 is not available on this model.", "max_tokens")
    if most is not None:
        if most > capabilities.max_output:
            conversation.warn("max_tokens", "clamped")
        body[capabilities.max_tokens_field] = min(most, capabilities.max_output)
    stops = conversation.stops
    limit = capabilities.max_stops
    if stops and capabilities.stop_sequences and (limit is None or len(stops) <= limit):
        body["stop"] = stops
    else:
        context.stops.extend(stops)


def _add_sampling(body: dict[str, Any], conversation: Conversation, context: EncodeContext) -> None:
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(conversation, name)
        if value is None:
            continue
        is_known = name != "top_k" or context.capabilities.family != "openai"
        if is_known and context.capabilities.samples(conversation.reasoning):
            body[name] = value
        else:
            conversation.warn(name, "dropped")


def _add_tools(
    body: dict[str, Any], conversation: Conversation, context: EncodeContext, names: NameTable
) -> None:
    capabilities = context.capabilities
    offer = settle_offer(
        conversation,
        NAME,
        can_force=capabilities.forced_tool_choice,
        can_allow=capabilities.family == "openai",
    )
    tools = render_tools(offer, context, names)
    if not tools:
        return
    body["tools"] = tools
    choice = render_choice(offer, context, names)
    if choice is not None:
        body["tool_choice"] = choice
    if conversation.parallel_tools is False:
        body["parallel_tool_calls"] = False


def _add_reasoning(
    body: dict[str, Any], conversation: Conversation, context: EncodeContext, *, lost: bool
) -> None:
    capabilities = context.capabilities
    effort = _wanted_effort(conversation)
    if capabilities.efforts:
        effort = _fit_effort(effort, conversation, context, has_tools="tools" in body)
        if effort is not None:
            body["reasoning_effort"] = effort
    elif capabilities.thinking:
        _switch_thinking(body, conversation, context, lost=lost)
    elif effort is None or effort == "none":
        return
    elif conversation.source == NAME:
        body["reasoning_effort"] = effort
    else:
        conversation.warn("reasoning", "dropped")


def _switch_thinking(
    body: dict[str, Any], conversation: Conversation, context: EncodeContext, *, lost: bool
) -> None:
    """For models that think or do not, each server with a switch of its own."""
    wanted, capabilities = conversation.reasoning, context.capabilities
    is_on = wanted.mode is not ReasoningMode.OFF
    if lost and is_on and capabilities.reasoning_field is not None:
        # These servers refuse a call in the history without its reasoning while they think.
        conversation.warn("reasoning", "off")
        is_on = False
    if is_on and wanted.mode is ReasoningMode.DEFAULT:
        return
    if wanted.effort not in (None, "none"):
        conversation.warn("reasoning.effort", "dropped")
    if not is_on and "disabled" not in capabilities.thinking:
        conversation.warn("reasoning", "dropped")
    elif capabilities.thinking_switch == "enable_thinking":
        body["enable_thinking"] = is_on
    elif capabilities.thinking_switch == "chat_template_kwargs":
        body["chat_template_kwargs"] = {"enable_thinking": is_on, "thinking": is_on}
    else:
        body["thinking"] = {"type": "enabled" if is_on else "disabled"}


def _wanted_effort(conversation: Conversation) -> str | None:
    wanted = conversation.reasoning
    if wanted.mode is ReasoningMode.OFF:
        return "none"
    if wanted.effort is None and wanted.budget is not None:
        return word_of_budget(wanted.budget)
    return wanted.effort


def _fit_effort(
    effort: str | None, conversation: Conversation, context: EncodeContext, *, has_tools: bool
) -> str | None:
    efforts = list(context.capabilities.efforts)
    if context.capabilities.family == "openai" and "max" in efforts:
        # From 5.6 on, Chat takes neither "max" nor reasoning beside tools; Responses takes both.
        efforts.remove("max")
        if has_tools and "none" in efforts:
            if effort not in (None, "none"):
                conversation.warn("reasoning", "off")
            return "none"
    if effort is None or effort in efforts:
        return effort
    if effort == "none" and not context.capabilities.thinks_by_default:
        return None
    if conversation.reasoning.budget is None:  # a budget is no word that could be changed
        conversation.warn("reasoning.effort", "changed")
    return fit_word(effort, efforts)


def _add_format(body: dict[str, Any], conversation: Conversation, context: EncodeContext) -> None:
    form = conversation.format
    if form is None:
        return
    if form.kind == "json_object":
        body["response_format"] = {"type": "json_object"}
        return
    if not context.capabilities.json_schema:
        raise refuse_feature("This model takes no JSON schema for its answer.", "format")
    strict = form.strict
    if strict is None and conversation.source != NAME:
        strict = is_closed(form.schema or {})
        if not strict:
            conversation.warn("format.strict", "off")
    detail = {
        "name": form.name or "output",
        "description": form.description,
        "schema": form.schema,
        "strict": strict,
    }
    schema = {key: value for key, value in detail.items() if value is not None}
    body["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_identity(body: dict[str, Any], conversation: Conversation, context: EncodeContext) -> None:
    is_openai = context.capabilities.family == "openai"
    if context.user is not None:
        body["safety_identifier" if is_openai else "user"] = context.user
    if is_openai:
        body["prompt_cache_key"] = conversation.cache_key or _cache_key(conversation, context, body)
    tier = conversation.service_tier
    if tier is not None and (conversation.source == NAME or _is_openai_tier(conversation, context)):
        body["service_tier"] = tier
    elif tier not in (None, "auto", "default", "standard", "standard_only"):
        conversation.warn("service_tier", "dropped")
    if conversation.verbosity is not None:
        if is_openai or conversation.source == NAME:
            body["verbosity"] = conversation.verbosity
        else:
            conversation.warn("verbosity", "dropped")


def _is_openai_tier(conversation: Conversation, context: EncodeContext) -> bool:
    return context.capabilities.family == "openai" and conversation.source == "openai_responses"


def _cache_key(conversation: Conversation, context: EncodeContext, body: dict[str, Any]) -> str:
    """Requests of one user that begin alike meet in one cache."""
    system = [block.text for block in conversation.system]
    seed = json_text.render([context.user, system, body.get("tools")])
    return hashlib.sha256(seed).hexdigest()[:32]
