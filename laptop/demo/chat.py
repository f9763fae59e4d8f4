"""OpenAI Chat Completions as the demo upstream speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from laptop.demo.answer import Answer, Call, Stop, Turn
from laptop.demo.frame import data_frame
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

CREATED = 1_767_225_600
"""The moment every answer was "created" at (Unix seconds): answers do not depend on the clock."""

_TEXT = frozenset({"text"})
_FINISH_REASONS = {
    Stop.END: "stop",
    Stop.MAX_TOKENS: "length",
    Stop.STOP_SEQUENCE: "stop",
    Stop.TOOL_USE: "tool_calls",
    Stop.REFUSAL: "stop",
}
_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    503: ("service_unavailable_error", "server_is_overloaded"),
}


def read(body: Mapping[str, Json], seed: str) -> Prompt:
    """The prompt of a Chat Completions body; BadRequest where the provider would answer 400."""
    model = require(body, "model", str)
    messages = objects(require(body, "messages", list))
    if not messages:
        raise BadRequest("Invalid 'messages': empty array.")
    _check_pairs(messages)
    tools, forced = _read_tools(body)
    spoken = [message for message in messages if message.get("role") == "user"]
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return Prompt(
        model=model,
        text=text_of(spoken[-1].get("content"), _TEXT) if spoken else "",
        seed=seed,
        input_tokens=max(1, measure(body.get("tools")) + measure(messages)),
        tools=tools,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        results=_last_results(messages),
        thinking=body.get("reasoning_effort") not in (None, "none"),
        schema=_read_schema(body),
        stops=strings(body.get("stop")),
        max_tokens=limit if isinstance(limit, int) and limit > 0 else None,
    )


def _check_pairs(messages: list[Mapping[str, Json]]) -> None:
    open_calls: set[Json] = set()
    for number, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise BadRequest(
                    f"Invalid parameter: messages.[{number}] with role 'tool' must be a response "
                    "to a preceding message with 'tool_calls'."
                )
            open_calls.discard(message.get("tool_call_id"))
        elif role not in ("system", "developer", "user", "assistant", "function"):
            raise BadRequest(f"Invalid value: 'messages[{number}].role'.")
        elif open_calls:
            break
        else:
            open_calls = {call.get("id") for call in objects(message.get("tool_calls"))}
    if open_calls:
        missing = ", ".join(sorted(map(str, open_calls)))
        raise BadRequest(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            f"to each 'tool_call_id'. The following tool_call_ids did not have response "
            f"messages: {missing}"
        )


def _last_results(messages: list[Mapping[str, Json]]) -> tuple[str, ...]:
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        results.append(text_of(message.get("content"), _TEXT))
    return tuple(reversed(results))


def _read_tools(body: Mapping[str, Json]) -> tuple[tuple[Tool, ...], Tool | None]:
    functions = [tool.get("function") for tool in objects(body.get("tools"))]
    tools = tuple(
        Tool(str(function.get("name", "")), function.get("parameters") or {})
        for function in functions
        if isinstance(function, Mapping)
    )
    match body.get("tool_choice"):
        case "none":
            return (), None
        case "required" if tools:
            return tools, tools[0]
        case {"type": "function", "function": {"name": name}}:
            return tools, find_tool(tools, name)
        case _:
            return tools, None


def _read_schema(body: Mapping[str, Json]) -> Mapping[str, Json] | None:
    match body.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case {"type": "json_object"}:
            return {"type": "object"}
        case _:
            return None


def _tool_call(prompt: Prompt, call: Call, arguments: str) -> dict[str, Json]:
    return {
        "id": f"call_{prompt.seed}{call.number}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _usage(answer: Answer) -> dict[str, Json]:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": answer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def render(turn: Turn) -> dict[str, Json]:
    """The whole answer as one chat.completion."""
    prompt, answer = turn.prompt, turn.answer
    refused = answer.stop is Stop.REFUSAL
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if refused or (answer.calls and not answer.text) else answer.text,
        "refusal": answer.text if refused else None,
        "annotations": [],
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_tool_call(prompt, call, call.arguments) for call in answer.calls]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _FINISH_REASONS[answer.stop],
    }
    body = _envelope(prompt, "chat.completion") | {"choices": [choice]}
    return body if turn.directives.no_usage else body | {"usage": _usage(answer)}


def _envelope(prompt: Prompt, kind: str) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-{prompt.seed}",
        "object": kind,
        "created": CREATED,
        "model": prompt.model,
        "system_fingerprint": "fp_demo",
    }


def stream(turn: Turn) -> Iterator[bytes]:
    """The answer as frames, first chunk to ``[DONE]``."""
    prompt, answer = turn.prompt, turn.answer
    options = turn.body.get("stream_options")
    include_usage = isinstance(options, Mapping) and options.get("include_usage") is True
    envelope = _envelope(prompt, "chat.completion.chunk")
    tail: dict[str, Json] = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, Json], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return data_frame(envelope | {"choices": [choice]} | tail)

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces(answer.reasoning):
        yield chunk({"reasoning_content": piece})
    spoken = "refusal" if answer.stop is Stop.REFUSAL else "content"
    for piece in pieces(answer.text):
        yield chunk({spoken: piece})
    for call in answer.calls:
        yield chunk({"tool_calls": [{"index": call.number} | _tool_call(prompt, call, "")]})
        for piece in pieces(call.arguments):
            part = {"index": call.number, "function": {"arguments": piece}}
            yield chunk({"tool_calls": [part]})
    yield chunk({}, _FINISH_REASONS[answer.stop])
    if include_usage and not turn.directives.no_usage:
        yield data_frame(envelope | {"choices": [], "usage": _usage(answer)})
    yield b"data: [DONE]\n\n"


def fault(status: int, message: str) -> dict[str, Json]:
    """The error envelope, the same for both OpenAI dialects."""
    default = ("server_error", None) if status >= 500 else ("invalid_request_error", None)
    kind, code = _ERRORS.get(status, default)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def failure(turn: Turn, number: int) -> bytes:
    """The error that ends a stream which has sent ``number`` frames."""
    return data_frame(fault(503, "The server is overloaded."))
