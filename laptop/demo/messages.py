"""Anthropic Messages as the demo upstream speaks it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping

from laptop.demo.answer import Answer, Stop, Turn
from laptop.demo.frame import named_frame
from laptop.demo.prompt import (
    BadRequest,
    Json,
    Prompt,
    Tool,
    find_tool,
    measure,
    objects,
    pieces,
    require,
    strings,
    text_of,
)

_TEXT = frozenset({"text"})
_STOP_REASONS = {
    Stop.END: "end_turn",
    Stop.MAX_TOKENS: "max_tokens",
    Stop.STOP_SEQUENCE: "stop_sequence",
    Stop.TOOL_USE: "tool_use",
    Stop.REFUSAL: "refusal",
}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Longest prefix first: which thinking types a model takes.
_MANUAL_ONLY = ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5")
_ADAPTIVE_ONLY = ("claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5")
_MIN_BUDGET = 1024


def read(body: Mapping[str, Json], seed: str) -> Prompt:
    """The prompt of a Messages body; BadRequest where the provider would answer 400."""
    max_tokens = require(body, "max_tokens", int)
    model, messages = _read_conversation(body)
    thinking = _read_thinking(body, model, max_tokens)
    tools, forced, parallel = _read_tools(body)
    if forced is not None and thinking.get("type") == "enabled":
        raise BadRequest("Thinking may not be enabled when tool_choice forces tool use.")
    spoken = [message for message in messages if message.get("role") == "user"]
    return Prompt(
        model=model,
        text=text_of(spoken[-1].get("content"), _TEXT) if spoken else "",
        seed=seed,
        input_tokens=count_input(body),
        tools=tools,
        forced=forced,
        parallel=parallel,
        results=tuple(
            text_of(block.get("content", ""), _TEXT)
            for block in objects(messages[-1].get("content"))
            if block.get("type") == "tool_result"
        ),
        thinking=thinking.get("type") in ("enabled", "adaptive"),
        show_thinking=thinking.get("display") != "omitted",
        schema=_read_schema(body),
        stops=strings(body.get("stop_sequences")),
        max_tokens=max_tokens,
    )


def count_input(body: Mapping[str, Json]) -> int:
    """Input tokens of a Messages or count_tokens body."""
    _read_conversation(body)
    return max(1, sum(measure(body.get(name)) for name in ("system", "tools", "messages")))


def _read_conversation(body: Mapping[str, Json]) -> tuple[str, list[Mapping[str, Json]]]:
    model = require(body, "model", str)
    messages = objects(require(body, "messages", list))
    if not messages:
        raise BadRequest("messages: at least one message is required")
    for number, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant", "system"):
            raise BadRequest(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        for place, block in enumerate(objects(message.get("content"))):
            _check_block(block, f"messages.{number}.content.{place}")
    _check_pairs(messages)
    return model, messages


def _check_block(block: Mapping[str, Json], path: str) -> None:
    kind = block.get("type")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise BadRequest(f"{path}: text content blocks must be non-empty")
    if kind == "thinking" and block.get("signature") != sign(block.get("thinking")):
        raise BadRequest(f"{path}: Invalid `signature` in `thinking` block")
    if kind == "tool_use" and not isinstance(block.get("input"), Mapping):
        raise BadRequest(f"{path}.input: Input should be a valid dictionary")


def _check_pairs(messages: list[Mapping[str, Json]]) -> None:
    """Every tool_use is answered in the next message, and nothing else is."""
    asked: set[Json] = set()
    for number, message in enumerate(messages):
        blocks = objects(message.get("content"))
        answered = {b.get("tool_use_id") for b in blocks if b.get("type") == "tool_result"}
        if asked - answered:
            missing = ", ".join(sorted(map(str, asked - answered)))
            raise BadRequest(
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {missing}."
            )
        if answered - asked:
            raise BadRequest(
                f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks"
            )
        asked = {b.get("id") for b in blocks if b.get("type") == "tool_use"}
    if asked:
        raise BadRequest("`tool_use` ids were found without `tool_result` blocks immediately after")


def _read_thinking(body: Mapping[str, Json], model: str, max_tokens: int) -> Mapping[str, Json]:
    thinking = body.get("thinking")
    if not isinstance(thinking, Mapping):
        return {}
    if thinking.get("type") == "enabled":
        if model.startswith(_ADAPTIVE_ONLY):
            raise BadRequest(
                '"thinking.type.enabled" is not supported for this model. Use '
                '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
            )
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < _MIN_BUDGET:
            raise BadRequest("thinking.enabled.budget_tokens: Input should be at least 1024")
        if budget >= max_tokens:
            raise BadRequest("`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif thinking.get("type") == "adaptive" and model.startswith(_MANUAL_ONLY):
        raise BadRequest("adaptive thinking is not supported on this model")
    return thinking


def _read_tools(body: Mapping[str, Json]) -> tuple[tuple[Tool, ...], Tool | None, bool]:
    """The tools, the one tool_choice forces, and whether several calls may be made."""
    tools = tuple(
        Tool(str(tool.get("name", "")), tool.get("input_schema") or {})
        for tool in objects(body.get("tools"))
    )
    choice = body.get("tool_choice")
    if not isinstance(choice, Mapping):
        return tools, None, True
    if not tools:
        raise BadRequest("tool_choice: may only be specified while providing tools")
    parallel = choice.get("disable_parallel_tool_use") is not True
    match choice.get("type"):
        case "none":
            return (), None, parallel
        case "any":
            return tools, tools[0], parallel
        case "tool":
            return tools, find_tool(tools, choice.get("name")), parallel
        case _:
            return tools, None, parallel


def _read_schema(body: Mapping[str, Json]) -> Mapping[str, Json] | None:
    config = body.get("output_config")
    shape = config.get("format") if isinstance(config, Mapping) else None
    schema = shape.get("schema") if isinstance(shape, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def sign(thinking: Json) -> str:
    """The signature that makes a thinking block the demo model's own."""
    digest = hashlib.sha512(b"demo thinking\0" + str(thinking).encode("utf-8", "replace")).digest()
    return base64.b64encode(b"\x12\x40" + digest).decode()


def _blocks(turn: Turn) -> list[dict[str, Json]]:
    prompt, answer = turn.prompt, turn.answer
    blocks: list[dict[str, Json]] = []
    if prompt.thinking:
        shown = answer.reasoning if prompt.show_thinking else ""
        blocks.append({"type": "thinking", "thinking": shown, "signature": sign(shown)})
        if turn.directives.redacted:
            blocks.append({"type": "redacted_thinking", "data": sign("redacted")})
    if answer.text and answer.stop is not Stop.REFUSAL:
        blocks.append({"type": "text", "text": answer.text})
    blocks.extend(
        {
            "type": "tool_use",
            "id": f"toolu_{prompt.seed}{call.number}",
            "name": call.name,
            "input": json.loads(call.arguments),
        }
        for call in answer.calls
    )
    return blocks


def _usage(answer: Answer, output_tokens: int) -> dict[str, Json]:
    return {
        "input_tokens": answer.input_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _final_usage(answer: Answer) -> dict[str, Json]:
    usage = _usage(answer, answer.output_tokens)
    if answer.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": answer.reasoning_tokens}
    return usage


def _message(turn: Turn) -> dict[str, Json]:
    return {
        "id": f"msg_{turn.prompt.seed}",
        "type": "message",
        "role": "assistant",
        "model": turn.prompt.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(turn.answer, 1),
    }


def _ending(answer: Answer) -> dict[str, Json]:
    ending: dict[str, Json] = {
        "stop_reason": _STOP_REASONS[answer.stop],
        "stop_sequence": answer.stop_sequence,
    }
    if answer.stop is Stop.REFUSAL:
        ending["stop_details"] = {
            "type": "refusal",
            "category": None,
            "explanation": answer.text,
        }
    return ending


def render(turn: Turn) -> dict[str, Json]:
    """The whole answer as one Message."""
    message = _message(turn) | _ending(turn.answer)
    message["content"] = _blocks(turn)
    message["usage"] = _final_usage(turn.answer)
    if turn.directives.future:
        message["demo_future"] = {"unknown": True}
    return message


def stream(turn: Turn) -> Iterator[bytes]:
    """The answer as frames, message_start to message_stop."""
    yield named_frame({"type": "message_start", "message": _message(turn)})
    yield named_frame({"type": "ping"})
    if turn.directives.future:
        yield named_frame({"type": "demo_future", "unknown": True})
    arguments = iter(turn.answer.calls)
    for index, block in enumerate(_blocks(turn)):
        raw = next(arguments).arguments if block["type"] == "tool_use" else ""
        yield from _stream_block(index, block, raw)
    yield named_frame(
        {"type": "message_delta", "delta": _ending(turn.answer), "usage": _final_usage(turn.answer)}
    )
    yield named_frame({"type": "message_stop"})


def _stream_block(index: int, block: dict[str, Json], arguments: str) -> Iterator[bytes]:
    opening: dict[str, Json] = dict(block)
    deltas: list[dict[str, Json]] = []
    match block["type"]:
        case "text":
            opening = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        case "thinking":
            opening = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "tool_use":
            opening["input"] = {}
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in ("", *pieces(arguments))
            ]
    yield named_frame({"type": "content_block_start", "index": index, "content_block": opening})
    for delta in deltas:
        yield named_frame({"type": "content_block_delta", "index": index, "delta": delta})
    yield named_frame({"type": "content_block_stop", "index": index})


def fault(status: int, message: str) -> dict[str, Json]:
    """The error envelope."""
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def failure(turn: Turn, number: int) -> bytes:
    """The error event that ends a stream which has sent ``number`` frames."""
    return named_frame(fault(529, "Overloaded"))
