"""A Messages request body → the neutral request (protocols/anthropic-messages §3).

Only requests that leave for another dialect come here: what stays with Anthropic passes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dialects.anthropic_messages.block import NAME, decode_content
from dialects.anthropic_messages.thinking import decode_thinking
from dialects.anthropic_messages.tool import decode_choice, decode_tools
from dialects.conversation import (
    Conversation,
    Opaque,
    OutputFormat,
    Role,
    Text,
    ToolKind,
    Turn,
)
from dialects.dialect import Peek
from dialects.errors import refuse, refuse_feature

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MAX_MESSAGES: Final = 100_000

SAMPLING: Final = ("temperature", "top_p", "top_k")
"""What versions since 2026-10-21 no longer know."""

FIELD_NAMES: Final = {
    "stops": "stop_sequences",
    "format": "output_config.format",
    "reasoning": "thinking",
    "reasoning.effort": "output_config.effort",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
}

_VERSION: Final = "2026-10-21"
_OUTPUT: Final = ("effort", "format")

_KNOWN: Final = frozenset(
    {
        "model", "messages", "max_tokens", "system", "tools", "tool_choice", "stop_sequences",
        "stream", "thinking", "output_config", "output_format", "metadata", "service_tier",
        "cache_control", "temperature", "top_p", "top_k",
    }
)  # fmt: skip


def peek(body: dict[str, Any]) -> Peek:
    """What the edge needs; RemoteDialectError where a field is missing or of another type."""
    if not isinstance(body.get("messages"), list):
        raise refuse("messages: a list of messages is required", "messages")
    thinking = body.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    return Peek(
        model=_model_of(body),
        stream=_stream_of(body),
        max_tokens=_whole_of(body, "max_tokens"),
        thinking=kind in ("enabled", "adaptive"),
    )


def check_headers(body: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Refuse what the client's own version has not: as it would be refused at home."""
    if headers.get("anthropic-version", "") < _VERSION:
        return
    for name in SAMPLING:
        if body.get(name) is not None:
            raise refuse(f"{name}: not available in version {_VERSION}", name)


def decode_request(body: dict[str, Any]) -> Conversation:
    """The whole request; fields without a word in the hub go to ``extras``."""
    choice, parallel = decode_choice(body)
    tier = body.get("service_tier")
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    cache = body.get("cache_control")
    conversation = Conversation(
        source=NAME,
        model=_model_of(body),
        system=_decode_system(body.get("system")),
        turns=_decode_turns(body.get("messages")),
        tools=decode_tools(body),
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=_cap_of(body),
        temperature=_number_of(body, "temperature"),
        top_p=_number_of(body, "top_p"),
        top_k=_whole_of(body, "top_k"),
        stops=_decode_stops(body),
        stream=_stream_of(body),
        reasoning=decode_thinking(body),
        format=_decode_format(body),
        user=user if isinstance(user, str) else None,
        service_tier=tier if isinstance(tier, str) else None,
        cache=cache if isinstance(cache, dict) else None,
        extras={k: v for k, v in body.items() if k not in _KNOWN and v is not None},
    )
    _check_unfinished(conversation)
    _note_losses(body, conversation)
    return conversation


def _note_losses(body: dict[str, Any], conversation: Conversation) -> None:
    """What no other dialect has a place for, told by its own name."""
    for place, (told, tool) in enumerate(
        zip(body.get("tools") or [], conversation.tools, strict=True)
    ):
        if tool.kind is ToolKind.FUNCTION and told.get("type") not in (None, "custom"):
            conversation.warn(f"tools.{place}", "changed")
        if tool.kind is ToolKind.FUNCTION and told.get("defer_loading"):
            conversation.warn(f"tools.{place}.defer_loading", "dropped")
    output = body.get("output_config")
    for name, value in output.items() if isinstance(output, dict) else ():
        if name not in _OUTPUT and value is not None:
            conversation.warn(f"output_config.{name}", "dropped")
    if len(conversation.stops) != len(body.get("stop_sequences") or ()):
        conversation.warn("stop_sequences", "dropped")


def _check_unfinished(conversation: Conversation) -> None:
    """A turn that waits for the provider's own tool can be finished by that provider alone."""
    last = conversation.turns[-1]
    blocks = [part.data for part in last.parts if isinstance(part, Opaque)]
    done = {block.get("tool_use_id") for block in blocks}
    for block in blocks if last.role is Role.ASSISTANT else ():
        if block.get("type") in ("server_tool_use", "mcp_tool_use") and block["id"] not in done:
            raise refuse_feature(
                "a provider's tool is still running in the last message", last.where
            )


def _model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise refuse("must be a text", "model")
    return model


def _stream_of(body: dict[str, Any]) -> bool:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise refuse("must be true or false", "stream")
    return stream is True


def _cap_of(body: dict[str, Any]) -> int:
    cap = _whole_of(body, "max_tokens")
    if cap is None:
        raise refuse("a whole number is required", "max_tokens")
    return cap


def _whole_of(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse("must be a whole number of at least 0", name)
    return value


def _number_of(body: dict[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refuse("must be a number", name)
    return value


def _decode_system(system: object) -> list[Text]:
    if system is None:
        return []
    parts = decode_content(system, "system")
    texts = [part for part in parts if isinstance(part, Text)]
    if len(texts) != len(parts):
        raise refuse("only text blocks are allowed", "system")
    return texts


def _decode_turns(messages: object) -> list[Turn]:
    if not isinstance(messages, list) or not messages:
        raise refuse("at least one message is required", "messages")
    if len(messages) > _MAX_MESSAGES:
        raise refuse(f"at most {_MAX_MESSAGES} messages are allowed", "messages")
    turns = []
    for place, message in enumerate(messages):
        param = f"messages.{place}"
        if not isinstance(message, dict):
            raise refuse("must be an object", param)
        role = _ROLES.get(str(message.get("role")))
        if role is None:
            raise refuse("must be user, assistant or system", f"{param}.role")
        parts = decode_content(message.get("content"), f"{param}.content")
        turns.append(Turn(role, parts, param))
    return turns


def _decode_stops(body: dict[str, Any]) -> list[str]:
    stops = body.get("stop_sequences")
    if stops is None:
        return []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise refuse("must be a list of texts", "stop_sequences")
    return [stop for stop in stops if stop.strip()]


def _decode_format(body: dict[str, Any]) -> OutputFormat | None:
    output = body.get("output_config")
    told = output.get("format") if isinstance(output, dict) else None
    told = told or body.get("output_format")
    if told is None:
        return None
    if not isinstance(told, dict) or told.get("type") != "json_schema":
        raise refuse("must be of type json_schema", "output_config.format")
    schema = told.get("schema")
    if not isinstance(schema, dict):
        raise refuse("must be an object", "output_config.format.schema")
    return OutputFormat("json_schema", schema=schema)
