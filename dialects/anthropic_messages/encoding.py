"""The neutral request → a Messages request body (translation-matrix §1, §2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from dialects.anthropic_messages.block import NAME, encode_part
from dialects.anthropic_messages.history import encode_history
from dialects.anthropic_messages.request import SAMPLING
from dialects.anthropic_messages.schema import format_schema
from dialects.anthropic_messages.thinking import Plan, plan_thinking
from dialects.anthropic_messages.tool import encode_choice, encode_tools
from dialects.choice import settle_offer
from dialects.conversation import Conversation
from dialects.dialect import EncodeContext
from dialects.errors import refuse_feature
from dialects.extras import carry_extras
from dialects.names import NameTable

DEFAULT_CAP: Final = 32_000  # a smaller one would cut agents short without a word
MAX_BREAKPOINTS: Final = 4
JSON_ONLY: Final = "Answer with one JSON object only."
_SAMPLING_VERSION: Final = "2023-06-01"  # the last that knows temperature, top_p and top_k
_VERSION: Final = "2026-10-21"
_BINDING_BETA: Final = "thinking-binding-controls-2026-08-01"
_SIGNED: Final = ("thinking", "redacted_thinking")


def request_headers(body: dict[str, Any]) -> dict[str, str]:
    """The headers an encoded body must be sent with: a version that knows all its fields."""
    samples = any(name in body for name in SAMPLING)
    headers = {"anthropic-version": _SAMPLING_VERSION if samples else _VERSION}
    if "block_binding" in body.get("thinking", ()):
        headers["anthropic-beta"] = _BINDING_BETA
    return headers


def encode_request(conversation: Conversation, context: EncodeContext) -> dict[str, Any]:
    """The body; what was changed or left out is noted in ``conversation.warnings``."""
    names = NameTable(
        conversation.tools,
        conversation.turns,
        limit=context.capabilities.max_name,
        wraps_custom=True,
    )
    context.tools.update(names.aliases)
    can_force = context.capabilities.forced_tool_choice
    offer = settle_offer(conversation, NAME, can_force=can_force, can_allow=False)
    tools = encode_tools(conversation, offer, names)
    choice = encode_choice(conversation, offer, names)
    plan, messages = _plan_history(conversation, context, names, choice)
    body: dict[str, Any] = {"model": context.model, "max_tokens": plan.max_tokens}
    if system := _encode_system(conversation):
        body["system"] = system
    if tools:
        body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice
    body["messages"] = messages
    if plan.thinking is not None:
        body["thinking"] = plan.thinking
    if output := _encode_output(conversation, context, plan.effort):
        body["output_config"] = output
    body.update(_encode_sampling(conversation, context, is_thinking=plan.is_on))
    body.update(_encode_rest(conversation, context))
    body.update(carry_extras(conversation, NAME))
    body["stream"] = context.stream
    if context.capabilities.auto_cache and tools and not _has_breakpoints(body):
        body["cache_control"] = {"type": "ephemeral"}
    _limit_breakpoints(body)
    return body


def _plan_history(
    conversation: Conversation,
    context: EncodeContext,
    names: NameTable,
    choice: dict[str, Any] | None,
) -> tuple[Plan, list[dict[str, Any]]]:
    """Thinking and the messages depend on each other: a manual budget needs its blocks back."""
    cap, may_raise = _cap(conversation, context)
    plan = plan_thinking(conversation, context.capabilities, max_tokens=cap, may_raise=may_raise)
    is_manual = plan.thinking is not None and plan.thinking["type"] == "enabled"
    is_forced = choice is not None and choice["type"] in ("any", "tool")
    can_force = context.capabilities.forced_tool_choice_with_thinking
    if not (is_manual and is_forced and not can_force):
        messages = encode_history(conversation, context, names, with_thinking=True)
        if not (is_manual and _lacks_thinking(messages)):
            return _bind(plan, messages, context), messages
    conversation.warn("reasoning", "dropped")
    messages = encode_history(conversation, context, names, with_thinking=False)
    return Plan(None, plan.effort, plan.max_tokens), messages


def _bind(plan: Plan, messages: list[dict[str, Any]], context: EncodeContext) -> Plan:
    """A model that binds thinking to all before it may drop what a client has since changed."""
    if not context.capabilities.binds_thinking or not any(
        block["type"] in _SIGNED for message in messages for block in message["content"]
    ):
        return plan
    binding = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    return replace(plan, thinking=(plan.thinking or {"type": "adaptive"}) | binding)


def _lacks_thinking(messages: list[dict[str, Any]]) -> bool:
    """Whether the running tool loop's assistant turn does not begin with its thinking."""
    last = next((m for m in reversed(messages) if m["role"] == "assistant"), None)
    if last is None or messages[-1]["role"] == "assistant":
        return False
    is_loop = any(block["type"] == "tool_use" for block in last["content"])
    return is_loop and last["content"][0]["type"] not in _SIGNED


def _cap(conversation: Conversation, context: EncodeContext) -> tuple[int, bool]:
    most = context.capabilities.max_output
    asked = conversation.max_tokens
    if asked is None:
        return min(DEFAULT_CAP, most), True
    if asked > most:
        conversation.warn("max_tokens", "clamped")
    return min(asked, most), False


def _encode_system(conversation: Conversation) -> list[dict[str, Any]]:
    blocks = [
        block
        for place, part in enumerate(conversation.system)
        if (block := encode_part(conversation, part, f"system.{place}")) is not None
    ]
    if conversation.format is not None and conversation.format.kind == "json_object":
        conversation.warn("format", "changed")
        blocks.append({"type": "text", "text": JSON_ONLY})
    return blocks


def _encode_output(
    conversation: Conversation, context: EncodeContext, effort: str | None
) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if effort is not None:
        output["effort"] = effort
    form = conversation.format
    if form is None or form.kind != "json_schema":
        return output
    if not context.capabilities.json_schema:
        raise refuse_feature("this model cannot be held to a JSON schema", "format")
    if conversation.source == NAME:
        output["format"] = {"type": "json_schema", "schema": form.schema or {}}
        return output
    schema, is_changed = format_schema(form.schema or {"type": "object"}, "format")
    if form.description and "description" not in schema:
        schema["description"] = form.description
    if is_changed:
        conversation.warn("format", "changed")
    output["format"] = {"type": "json_schema", "schema": schema}
    return output


def _encode_sampling(
    conversation: Conversation, context: EncodeContext, *, is_thinking: bool
) -> dict[str, Any]:
    given = {name: value for name in SAMPLING if (value := getattr(conversation, name)) is not None}
    if conversation.source == NAME:
        return given
    if given.get("temperature") == 1:
        del given["temperature"]
    if not context.capabilities.sampling or is_thinking:
        for name in given:
            conversation.warn(name, "dropped")
        return {}
    if given.get("temperature", 0) > 1:
        conversation.warn("temperature", "clamped")
        given["temperature"] = 1
    if "temperature" in given and given.pop("top_p", None) is not None:
        conversation.warn("top_p", "dropped")
    return given


def _encode_rest(conversation: Conversation, context: EncodeContext) -> dict[str, Any]:
    body: dict[str, Any] = {}
    stops = [stop for stop in conversation.stops if stop.strip()]
    if len(stops) != len(conversation.stops):
        conversation.warn("stops", "dropped")
    if stops:
        body["stop_sequences"] = stops
    if context.user:
        body["metadata"] = {"user_id": context.user}
    if conversation.cache is not None:
        body["cache_control"] = conversation.cache
    tier = conversation.service_tier
    if tier is not None and conversation.source == NAME:
        body["service_tier"] = tier
    elif tier not in (None, "auto", "default", "standard"):
        conversation.warn("service_tier", "dropped")
    if conversation.verbosity not in (None, "medium"):
        conversation.warn("verbosity", "dropped")
    return body


def _has_breakpoints(body: dict[str, Any]) -> bool:
    blocks = [*body.get("system", ()), *body.get("tools", ())]
    blocks += [block for message in body["messages"] for block in message["content"]]
    return "cache_control" in body or any("cache_control" in block for block in blocks)


@dataclass(slots=True)
class _Breakpoints:
    """Counts cache breakpoints from the end: the latest ones save the most."""

    left: int

    def keep(self, block: dict[str, Any]) -> dict[str, Any]:
        """The block, without its breakpoint where none is left."""
        if "cache_control" not in block:
            return block
        if self.left > 0:
            self.left -= 1
            return block
        return {name: value for name, value in block.items() if name != "cache_control"}


def _limit_breakpoints(body: dict[str, Any]) -> None:
    count = _Breakpoints(MAX_BREAKPOINTS - ("cache_control" in body))
    for message in reversed(body["messages"]):
        message["content"] = [count.keep(block) for block in reversed(message["content"])][::-1]
    for name in ("system", "tools"):
        if name in body:
            body[name] = [count.keep(block) for block in reversed(body[name])][::-1]
