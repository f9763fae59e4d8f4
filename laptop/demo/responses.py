"""OpenAI Responses as the demo upstream speaks it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from laptop.demo.answer import Answer, Call, Stop, Turn
from laptop.demo.chat import CREATED, fault
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
    text_of,
)

__all__ = ["failure", "fault", "read", "render", "stream"]

_TEXT = frozenset({"input_text", "output_text", "text"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_CALLS = frozenset({"function_call", "custom_tool_call"})
_SEAL = "demo."
_ECHOED = ("instructions", "metadata", "reasoning", "temperature", "text", "tools", "top_p")


def read(body: Mapping[str, Json], seed: str) -> Prompt:
    """The prompt of a Responses body; BadRequest where the provider would answer 400."""
    model = require(body, "model", str)
    given = require(body, "input", (str, list))
    items = objects([{"role": "user", "content": given}] if isinstance(given, str) else given)
    _check_items(items)
    tools, forced = _read_tools(body)
    spoken = [item for item in items if item.get("role") == "user"]
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    limit = body.get("max_output_tokens")
    counted = (body.get("instructions"), body.get("tools"), items)
    return Prompt(
        model=model,
        text=text_of(spoken[-1].get("content"), _TEXT) if spoken else "",
        seed=seed,
        input_tokens=max(1, sum(measure(part) for part in counted)),
        tools=tools,
        forced=forced,
        parallel=body.get("parallel_tool_calls") is not False,
        results=_last_results(items),
        thinking=isinstance(reasoning, Mapping) and bool(reasoning) and effort != "none",
        show_thinking=isinstance(reasoning, Mapping) and bool(reasoning.get("summary")),
        schema=_read_schema(body),
        max_tokens=limit if isinstance(limit, int) and limit > 0 else None,
    )


def _check_items(items: list[Mapping[str, Json]]) -> None:
    """Calls and outputs pair up, and sealed reasoning is this model's own."""
    calls = {item.get("call_id") for item in items if item.get("type") in _CALLS}
    outputs = {item.get("call_id") for item in items if item.get("type") in _OUTPUTS}
    for missing in sorted(map(str, calls - outputs)):
        raise BadRequest(f"No tool output found for function call {missing}.")
    for missing in sorted(map(str, outputs - calls)):
        raise BadRequest(f"No tool call found for function call output with call_id {missing}.")
    for number, item in enumerate(items):
        if item.get("type") != "reasoning":
            continue
        if not isinstance(item.get("summary"), list):
            raise BadRequest(f"Missing required parameter: 'input[{number}].summary'.")
        sealed = item.get("encrypted_content")
        if sealed is not None and not str(sealed).startswith(_SEAL):
            raise BadRequest(f"The encrypted content of input[{number}] could not be verified.")


def _last_results(items: list[Mapping[str, Json]]) -> tuple[str, ...]:
    results: list[str] = []
    for item in reversed(items):
        if item.get("type") not in _OUTPUTS:
            break
        results.append(text_of(item.get("output"), _TEXT))
    return tuple(reversed(results))


def _read_tools(body: Mapping[str, Json]) -> tuple[tuple[Tool, ...], Tool | None]:
    tools = tuple(
        Tool(str(tool.get("name", "")), tool.get("parameters") or {})
        for tool in objects(body.get("tools"))
        if tool.get("type") == "function"
    )
    match body.get("tool_choice"):
        case "none":
            return (), None
        case "required" if tools:
            return tools, tools[0]
        case {"type": "function", "name": name}:
            return tools, find_tool(tools, name)
        case _:
            return tools, None


def _read_schema(body: Mapping[str, Json]) -> Mapping[str, Json] | None:
    match body.get("text"):
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
        case {"format": {"type": "json_object"}}:
            return {"type": "object"}
        case _:
            return None


def _usage(answer: Answer) -> dict[str, Json]:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _response(prompt: Prompt, body: Mapping[str, Json]) -> dict[str, Json]:
    """The response object before anything was generated."""
    return {
        "id": f"resp_{prompt.seed}",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": prompt.model,
        "output": [],
        "parallel_tool_calls": prompt.parallel,
        "previous_response_id": None,
        "store": False,
        "tool_choice": body.get("tool_choice") or "auto",
        "truncation": "disabled",
        "usage": None,
        **{name: body.get(name) for name in _ECHOED},
        "tools": body.get("tools") or [],
        "metadata": body.get("metadata") or {},
    }


def render(turn: Turn) -> dict[str, Json]:
    """The whole answer as one response object."""
    prompt, answer = turn.prompt, turn.answer
    cut = answer.stop is Stop.MAX_TOKENS
    return _response(prompt, turn.body) | {
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": _items(prompt, answer),
        "usage": _usage(answer),
    }


def _items(prompt: Prompt, answer: Answer) -> list[dict[str, Json]]:
    items: list[dict[str, Json]] = []
    if prompt.thinking:
        items.append(_reasoning_item(prompt, answer))
    if answer.text:
        items.append(_message_item(prompt, answer))
    items.extend(_call_item(prompt, call) for call in answer.calls)
    return items


def _reasoning_item(prompt: Prompt, answer: Answer) -> dict[str, Json]:
    summary = [{"type": "summary_text", "text": answer.reasoning}] if prompt.show_thinking else []
    return {
        "type": "reasoning",
        "id": f"rs_{prompt.seed}",
        "summary": summary,
        "encrypted_content": _SEAL + base64.b64encode(answer.reasoning.encode()).decode(),
        "status": "completed",
    }


def _message_item(prompt: Prompt, answer: Answer) -> dict[str, Json]:
    if answer.stop is Stop.REFUSAL:
        part: dict[str, Json] = {"type": "refusal", "refusal": answer.text}
    else:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": f"msg_{prompt.seed}",
        "role": "assistant",
        "status": "incomplete" if answer.stop is Stop.MAX_TOKENS else "completed",
        "content": [part],
    }


def _call_item(prompt: Prompt, call: Call) -> dict[str, Json]:
    return {
        "type": "function_call",
        "id": f"fc_{prompt.seed}{call.number}",
        "call_id": f"call_{prompt.seed}{call.number}",
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    }


def stream(turn: Turn) -> Iterator[bytes]:
    """The answer as frames, response.created to its terminal event."""
    for number, event in enumerate(_events(turn)):
        kind = event.pop("type")
        yield named_frame({"type": kind, "sequence_number": number, **event})


def _events(turn: Turn) -> Iterator[dict[str, Json]]:
    started = _response(turn.prompt, turn.body)
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    for index, item in enumerate(_items(turn.prompt, turn.answer)):
        opening = item | {"status": "in_progress"}
        match item["type"]:
            case "reasoning":
                opening = {"type": "reasoning", "id": item["id"], "summary": []}
                inside = _reasoning_events(item)
            case "message":
                opening["content"] = []
                inside = _message_events(item)
            case _:
                opening["arguments"] = ""
                inside = _call_events(item)
        yield {"type": "response.output_item.added", "output_index": index, "item": opening}
        for event in inside:
            yield event | {"item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    final = render(turn)
    yield {"type": f"response.{final['status']}", "response": final}


def _reasoning_events(item: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    for index, part in enumerate(item["summary"]):
        at = {"summary_index": index}
        empty = part | {"text": ""}
        yield {"type": "response.reasoning_summary_part.added", "part": empty, **at}
        for piece in pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **at}
        yield {"type": "response.reasoning_summary_text.done", "text": part["text"], **at}
        yield {"type": "response.reasoning_summary_part.done", "part": part, **at}


def _message_events(item: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    for index, part in enumerate(item["content"]):
        field = "refusal" if part["type"] == "refusal" else "text"
        name = "refusal" if field == "refusal" else "output_text"
        at = {"content_index": index}
        extra: dict[str, Json] = {} if field == "refusal" else {"logprobs": []}
        yield {"type": "response.content_part.added", "part": part | {field: ""}, **at}
        for piece in pieces(part[field]):
            yield {"type": f"response.{name}.delta", "delta": piece, **extra, **at}
        yield {"type": f"response.{name}.done", field: part[field], **extra, **at}
        yield {"type": "response.content_part.done", "part": part, **at}


def _call_events(item: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    kind = "response.function_call_arguments"
    for piece in pieces(item["arguments"]):
        yield {"type": f"{kind}.delta", "delta": piece}
    yield {"type": f"{kind}.done", "name": item["name"], "arguments": item["arguments"]}


def failure(turn: Turn, number: int) -> bytes:
    """The two events that end a stream which has sent ``number`` frames."""
    error = {"code": "server_is_overloaded", "message": "The server is overloaded."}
    told = {"type": "server_error", **error, "param": None}
    response = _response(turn.prompt, turn.body) | {"status": "failed", "error": error}
    numbers = ({"sequence_number": number}, {"sequence_number": number + 1})
    return named_frame({"type": "error", **numbers[0], "error": told}) + named_frame(
        {"type": "response.failed", **numbers[1], "response": response}
    )
