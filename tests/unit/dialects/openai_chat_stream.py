"""What the Chat tests share: streams built from deltas, engines run to their end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dialects import json_text
from dialects.dialect import AnswerContext
from dialects.events import (
    Annotation,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
    Failure,
    Finish,
    Grammar,
    NeedData,
    Start,
    State,
    UsageReport,
)
from dialects.openai_chat import DIALECT
from dialects.usage import Usage

DONE = b"data: [DONE]\n\n"


def frame(value: object) -> bytes:
    return b"data: " + json_text.render(value) + b"\n\n"


def chunk(delta: object, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return frame({"id": "chatcmpl-1", "model": "m", "created": 7, "choices": [choice]} | more)


def call(index: int | None, call_id: str | None, name: str | None, arguments: object) -> bytes:
    piece: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    if index is not None:
        piece["index"] = index
    if call_id is not None:
        piece["id"] = call_id
    return chunk({"tool_calls": [piece]})


def read_stream(chunks: Iterable[bytes]) -> list[Event]:
    """All events of a stream; the grammar is checked on the way."""
    reader = DIALECT.reader()
    events: list[Event] = []
    for data in chunks:
        reader.receive_data(data)
        while not isinstance(event := reader.next_event(), NeedData):
            events.append(event)
    reader.close()
    while not isinstance(event := reader.next_event(), NeedData):
        events.append(event)
    check_grammar(events)
    return events


def check_grammar(events: Iterable[Event]) -> None:
    grammar = Grammar()
    for event in events:
        grammar.check_next(event)
    assert grammar.state is State.DONE


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


@dataclass(slots=True)
class Answer:
    """What must survive any journey. ``blocks``: kind, id, name, text, what was attached."""

    blocks: list[tuple[BlockKind, str | None, str | None, str, list[Any]]] = field(
        default_factory=list
    )
    usage: Usage = field(default_factory=Usage)
    finish: Finish | None = None
    failure: Failure | None = None


def answer_of(events: Iterable[Event]) -> Answer:
    answer = Answer()
    for event in events:
        match event:
            case Start() | UsageReport():
                answer.usage = answer.usage.merge(event.usage)
            case BlockOpen():
                answer.blocks.append((event.kind, event.id, event.name, "", []))
            case BlockDelta():
                kind, call_id, name, text, attached = answer.blocks[-1]
                answer.blocks[-1] = (kind, call_id, name, text + event.text, attached)
            case BlockSignature() | Annotation():
                answer.blocks[-1][4].append(event.data)
            case Finish():
                answer.finish = event
            case Failure():
                answer.failure = event
    return answer


def read(*chunks: bytes) -> Answer:
    return answer_of(read_stream(chunks))


def texts(answer: Answer) -> list[tuple[str, str]]:
    return [(kind.value, text) for kind, _, _, text, _ in answer.blocks]


def calls(answer: Answer) -> list[tuple[str | None, str | None, str]]:
    return [
        (call_id, name, text)
        for kind, call_id, name, text, _ in answer.blocks
        if kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)
    ]


def new_ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):024d}"


def context_of(**more: Any) -> AnswerContext:
    known = {"model": "gpt-x", "request_id": "req_1", "now": 1_700_000_000, "new_id": new_ids()}
    return AnswerContext(**(known | more))


def write_stream(events: Iterable[Event], context: AnswerContext | None = None) -> bytes:
    writer = DIALECT.writer(context or context_of())
    return b"".join(map(writer.send, events))


def frames_of(data: bytes) -> list[Any]:
    """The parsed frames of what a Writer sent; [DONE] as the string, comments left out."""
    frames = []
    for line in data.decode().split("\n\n"):
        if line.startswith("data: "):
            payload = line.removeprefix("data: ")
            frames.append(payload if payload == "[DONE]" else json_text.parse(payload))
    return frames


def deltas_of(data: bytes) -> list[Any]:
    return [
        shown["choices"][0]["delta"]
        for shown in frames_of(data)
        if isinstance(shown, dict) and shown.get("choices")
    ]
