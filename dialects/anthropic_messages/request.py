"""A Messages request body → the neutral request (protocols/anthropic-messages §3).

Only requests that leave for another dialect come here: what stays with Anthropic passes as it is.
"""

from __future__ import annotations

from typing import Any, Final

from dialects.anthropic_messages.block import NAME, decode_content
from dialects.anthropic_messages.thinking import decode_thinking
from dialects.anthropic_messages.tool import decode_choice, decode_tools
from dialects.conversation import Conversation, OutputFormat, Role, Text, ToolKind, Turn
from dialects.dialect import Peek
from dialects.errors import refuse

_ROLES: Final = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_MAX_MESSAGES: Final = 100_000

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
        stops=_decode_stops(body.get("stop_sequences")),
        stream=_stream_of(body),
        reasoning=decode_thinking(body),
        format=_decode_format(body),
        user=user if isinstance(user, str) else None,
        service_tier=tier if isinstance(tier, str) else None,
        cache=cache if isinstance(cache, dict) else None,
        extras={k: v for k, v in body.items() if k not in _KNOWN and v is not None},
    )
    for place, (told, tool) in enumerate(
        zip(body.get("tools") or [], conversation.tools, strict=True)
    ):
        if tool.kind is ToolKind.FUNCTION and told.get("type") not in (None, "custom"):
            conversation.warn(f"tools.{place}", "changed")
    return conversation


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
        turns.append(Turn(role, decode_content(message.get("content"), f"{param}.content")))
    return turns


def _decode_stops(stops: object) -> list[str]:
    if stops is None:
        return []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise refuse("must be a list of texts", "stop_sequences")
    return list(stops)


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
