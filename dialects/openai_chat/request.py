"""A Chat request → the neutral conversation, and the peek the edge takes at a body."""

from __future__ import annotations

import math
from typing import Any, Final

from dialects.conversation import (
    Conversation,
    OutputFormat,
    ReasoningConfig,
    ReasoningMode,
)
from dialects.dialect import Peek
from dialects.effort import WORDS
from dialects.errors import refuse
from dialects.openai_chat.content import NAME
from dialects.openai_chat.message import add_messages
from dialects.openai_chat.tool import parse_choice, parse_tools
from dialects.openai_chat.wire import as_dict, as_text
from dialects.surrogate import mend_text

FIELD_NAMES: Final = {
    "stops": "stop",
    "format": "response_format",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "parallel_tools": "parallel_tool_calls",
}

# Fields the hub has words for; every other one goes into ``extras`` as it came.
_KNOWN: Final = frozenset(
    {
        *("model", "messages", "max_tokens", "max_completion_tokens", "stop"),
        *("temperature", "top_p", "top_k", "stream", "stream_options", "response_format"),
        *("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls"),
        *("reasoning_effort", "reasoning", "thinking", "enable_thinking", "verbosity"),
        *("user", "safety_identifier", "service_tier", "prompt_cache_key", "cache_control"),
    }
)
_REASONING: Final = frozenset({"reasoning_effort", "reasoning", "thinking", "enable_thinking"})
# Values that say "as usual": they are as good as absent.
_USUAL: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "store": (False,),
}


def peek(body: dict[str, Any]) -> Peek:
    """What the edge needs of a body; RemoteDialectError where even that is missing."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise refuse("The request names no model.", "model")
    if body.get("messages") is None and "input" in body:
        raise refuse(
            "This is a Responses request: send it to /v1/responses, or send messages.", "messages"
        )
    if not isinstance(body.get("messages"), list):
        raise refuse("'messages' must be a list of messages.", "messages")
    return Peek(
        model=model,
        stream=body.get("stream") is True,
        max_tokens=_parse_max_tokens(body),
        thinking=_parse_reasoning(body).mode not in (ReasoningMode.DEFAULT, ReasoningMode.OFF),
    )


def decode_request(body: dict[str, Any]) -> Conversation:
    """The conversation of a body. RemoteDialectError names the field at fault; null is absence."""
    seen = peek(body)
    conversation = Conversation(
        source=NAME,
        model=seen.model,
        stream=seen.stream,
        max_tokens=seen.max_tokens,
        tools=parse_tools(body),
        tool_choice=parse_choice(body),
        temperature=_parse_number(body, "temperature", 0, 2),
        top_p=_parse_number(body, "top_p", 0, 1),
        top_k=_parse_count(body, "top_k"),
        stops=_parse_stops(body),
        include_usage=as_dict(body.get("stream_options")).get("include_usage") is True,
        reasoning=_parse_reasoning(body),
        format=_parse_format(body),
        verbosity=as_text(body.get("verbosity")) or None,
        user=mend_text(as_text(body.get("safety_identifier")) or as_text(body.get("user"))) or None,
        service_tier=as_text(body.get("service_tier")) or None,
        cache_key=mend_text(as_text(body.get("prompt_cache_key"))) or None,
        cache=as_dict(body.get("cache_control")) or None,
        extras=_parse_extras(body),
    )
    parallel = body.get("parallel_tool_calls")
    conversation.parallel_tools = parallel if isinstance(parallel, bool) else None
    if body.get("functions") and not body.get("tools"):
        conversation.parallel_tools = False  # the old shape has room for one call
    if "" in _listed(body.get("stop")):
        conversation.warn("stop", "dropped")
    add_messages(body.get("messages"), conversation)
    return conversation


def _parse_extras(body: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in body.items()
        if key not in _KNOWN and value is not None and value not in _USUAL.get(key, ())
    }


def _parse_max_tokens(body: dict[str, Any]) -> int | None:
    most = _parse_count(body, "max_completion_tokens")
    return most if most is not None else _parse_count(body, "max_tokens")


def _parse_count(body: dict[str, Any], key: str) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse(f"{key} must be a whole number of at least 0.", key)
    return value


def _parse_number(body: dict[str, Any], key: str, low: float, high: float) -> float | None:
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse(f"{key} must be a number.", key)
    if not low <= value <= high:
        raise refuse(f"{key} must be between {low} and {high}.", key)
    return value


def _parse_stops(body: dict[str, Any]) -> list[str]:
    stop = body.get("stop")
    stops = _listed(stop)
    if stop is not None and (not isinstance(stop, list | str) or not _all_text(stops)):
        raise refuse("stop must be a string or a list of strings.", "stop")
    return [mend_text(one) for one in stops if one]


def _listed(stop: object) -> list[Any]:
    return stop if isinstance(stop, list) else [stop] if isinstance(stop, str) else []


def _all_text(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _parse_reasoning(body: dict[str, Any]) -> ReasoningConfig:
    """``reasoning_effort``, or the switches compatible servers have instead (openai-chat §8)."""
    if _REASONING.isdisjoint(body):
        return ReasoningConfig()
    detail = as_dict(body.get("reasoning"))
    effort = body.get("reasoning_effort")
    if isinstance(effort, dict):  # {effort, summary}: Responses' form under Chat's name
        detail, effort = {**detail, **effort}, None
    effort = effort or detail.get("effort")
    if effort is not None and effort not in WORDS:
        raise refuse(f"reasoning_effort must be one of {', '.join(WORDS)}.", "reasoning_effort")
    show = detail.get("exclude") is not True
    thinking = as_dict(body.get("thinking"))
    budget = detail.get("max_tokens") or thinking.get("budget_tokens")
    is_off = thinking.get("type") == "disabled" or False in (
        body.get("enable_thinking"),
        detail.get("enabled"),
    )
    if effort == "none" or (effort is None and is_off):
        return ReasoningConfig(ReasoningMode.OFF)
    if effort is not None:
        return ReasoningConfig(ReasoningMode.EFFORT, effort=effort, show=show)
    if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
        return ReasoningConfig(ReasoningMode.BUDGET, budget=budget, show=show)
    if thinking.get("type") in ("enabled", "adaptive") or True in (
        body.get("enable_thinking"),
        detail.get("enabled"),
    ):
        return ReasoningConfig(ReasoningMode.AUTO, show=show)
    return ReasoningConfig()


def _parse_format(body: dict[str, Any]) -> OutputFormat | None:
    form = as_dict(body.get("response_format"))
    match form.get("type"):
        case None | "text":
            return None
        case "json_object":
            return OutputFormat("json_object")
        case "json_schema":
            detail = as_dict(form.get("json_schema"))
            strict = detail.get("strict")
            return OutputFormat(
                "json_schema",
                schema=as_dict(detail.get("schema")),
                name=as_text(detail.get("name")) or None,
                strict=strict if isinstance(strict, bool) else None,
                description=as_text(detail.get("description")) or None,
            )
        case _:
            raise refuse("response_format is of no known type.", "response_format.type")
