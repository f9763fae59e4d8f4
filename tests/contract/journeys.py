"""What tests of the matrix share: streams, the way through a cell, and what a stream says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dialects.bridge import StreamBridge
from dialects.dialect import AnswerContext, Dialect, ToolAlias
from dialects.envelope import Sealer
from dialects.events import (
    BlockDelta,
    BlockKind,
    BlockOpen,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    NeedData,
    Start,
    State,
    UsageReport,
)
from dialects.registry import DIALECTS
from dialects.sse import FrameSplitter
from dialects.usage import Usage

TOOLS = (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)
CELLS = [(x, y) for x in DIALECTS for y in DIALECTS]
SEALER = Sealer(keys={"k1": b"k" * 32}, current="k1", family="test", account="a")


def context_of(customs: Iterable[str] = (), **changes: Any) -> AnswerContext:
    """``customs`` are free-form tools that travelled as functions, as the encoder would note."""
    numbers = itertools.count()
    fields: dict[str, Any] = {
        "model": "client-model",
        "request_id": "req_test",
        "now": 1_700_000_000,
        "new_id": lambda: f"{next(numbers):024}",
        "include_usage": True,
        "include_encrypted": True,
        "seal": SEALER.seal,
        "tools": {name: ToolAlias(name, is_custom=True) for name in customs},
    }
    return AnswerContext(**{**fields, **changes})


@dataclass(slots=True)
class Answer:
    """What a stream says, without how its dialect orders it."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    finish: FinishReason | None = None
    usage: Usage = field(default_factory=Usage)
    is_failed: bool = False


def answer_of(events: list[Event]) -> Answer:
    answer, kind = Answer(), BlockKind.TEXT
    for event in events:
        match event:
            case Start() | UsageReport():
                answer.usage = answer.usage.merge(event.usage)
            case BlockOpen():
                kind = event.kind
                if kind in TOOLS:
                    answer.calls.append([event.id or "", event.name or "", ""])
            case BlockDelta() if kind in TOOLS:
                answer.calls[-1][2] += event.text
            case BlockDelta() if kind is BlockKind.REASONING:
                answer.reasoning += event.text
            case BlockDelta():
                answer.text += event.text
            case Finish():
                answer.finish = event.reason
            case Failure():
                answer.is_failed = True
    return answer


def read(dialect: Dialect, data: bytes) -> list[Event]:
    reader = dialect.reader()
    grammar = Grammar()
    events: list[Event] = []
    for act in (lambda: reader.receive_data(data), reader.close):
        act()
        while not isinstance(event := reader.next_event(), NeedData):
            grammar.check_next(event)
            events.append(event)
    assert grammar.state is State.DONE
    return events


def bridge(
    source: Dialect, target: Dialect, data: bytes, customs: Iterable[str] = (), **changes: Any
) -> bytes:
    """``data`` through a bridge, a few kilobytes at a time; ``changes`` are of the context."""
    context, size = context_of(customs, **changes), 4_096
    carried = StreamBridge(source.reader(), target.writer(context), context.stops)
    out = [carried.receive_data(data[place : place + size]) for place in range(0, len(data), size)]
    return b"".join(out) + carried.close()


def carry(source: str, target: str, data: bytes, **changes: Any) -> bytes:
    """A stream through the bridge of a cell."""
    return bridge(DIALECTS[source], DIALECTS[target], data, **changes)


def frames_of(data: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's frames; ``[DONE]`` and comments left out."""
    splitter = FrameSplitter()
    frames = splitter.receive_data(data) + splitter.close()
    return [json.loads(frame.data) for frame in frames if frame.data != b"[DONE]"]


def chat(*deltas: dict[str, Any], finish: str | None = "stop", done: bool = True) -> bytes:
    """A Chat upstream's stream: the role, these deltas, the finish, ``[DONE]``."""
    head = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 7, "model": "up-1"}
    chunks = [{**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    for delta in deltas:
        whole = delta if "choices" in delta or "usage" in delta else {}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        chunks.append({**head, **(whole or {"choices": [choice]})})
    if finish:
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    data = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return data + b"data: [DONE]\n\n" if done else data


def call(index: int, arguments: str, name: str | None = None, call_id: str | None = None) -> Any:
    """A Chat delta of one tool call."""
    piece: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if name:
        piece["function"]["name"] = name
    if call_id:
        piece |= {"id": call_id, "type": "function"}
    return {"tool_calls": [piece]}


def named(*events: dict[str, Any]) -> bytes:
    """Events with their type as the event's name: Messages and Responses."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )


def messages(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], **ending: Any) -> bytes:
    """A Messages upstream's stream of these blocks: what opens each, and its deltas."""
    usage = {"input_tokens": 11, "cache_read_input_tokens": 4, "output_tokens": 1}
    message = {"id": "msg_up", "type": "message", "role": "assistant", "content": [],
               "model": "up-1", "usage": usage}  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (opening, deltas) in enumerate(blocks):
        at = {"index": index}
        events.append({"type": "content_block_start", **at, "content_block": opening})
        events += [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **at})
    delta = {"stop_reason": "end_turn", "stop_sequence": None, **ending}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}})
    return named(*events, {"type": "message_stop"})


def text_block(*pieces: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]


def thinking_block(
    *pieces: str, signature: str = "sig"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    deltas.append({"type": "signature_delta", "signature": signature})
    return {"type": "thinking", "thinking": "", "signature": ""}, deltas


def tool_block(
    name: str, *pieces: str, call_id: str = "toolu_1"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    opening = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return opening, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
