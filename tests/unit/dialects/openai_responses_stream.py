"""What the Responses tests share: streams written and read, and what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dialects.dialect import AnswerContext
from dialects.events import (
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
from dialects.openai_responses import DIALECT
from dialects.sse import FrameSplitter
from dialects.usage import Usage
from tests.grammar import check_stream as check_written


def parse_frames(data: bytes) -> list[dict[str, Any]]:
    """The events of a written stream; the event line must repeat the type."""
    splitter = FrameSplitter()
    events = []
    for frame in splitter.receive_data(data) + splitter.close():
        event = json.loads(frame.data)
        assert frame.event.decode() == event["type"]
        events.append(event)
    return events


def check_stream(data: bytes) -> list[dict[str, Any]]:
    """Assert the whole grammar on a written stream that ended; give its events."""
    check_written(DIALECT.name, data)
    return parse_frames(data)


def context(**changes: Any) -> AnswerContext:
    """A context whose ids are counted."""
    numbers = iter(range(10_000))
    fields: dict[str, Any] = {
        "model": "shown-model",
        "request_id": "req_1",
        "now": 1_795_305_600,
        "new_id": lambda: f"id{next(numbers):022d}",
    }
    return AnswerContext(**{**fields, **changes})


def read(data: bytes, step: int | None = None) -> list[Event]:
    """All events of a stream's bytes, given in pieces of ``step``; the neutral grammar holds."""
    reader = DIALECT.reader()
    size = step or max(1, len(data))
    events: list[Event] = []
    for at in range(0, len(data), size):
        reader.receive_data(data[at : at + size])
    reader.close()
    while not isinstance(event := reader.next_event(), NeedData):
        events.append(event)
    grammar = Grammar()
    for event in events:
        grammar.check_next(event)
    assert grammar.state is State.DONE
    return events


def write(events: Iterable[Event], **changes: Any) -> bytes:
    """The bytes of a whole stream."""
    writer = DIALECT.writer(context(**changes))
    return b"".join(map(writer.send, events))


def blocks_of(events: Iterable[Event]) -> list[tuple[BlockKind, str | None, str | None, str]]:
    """(kind, call id, name, text) of every block."""
    opened: list[BlockOpen] = []
    texts: list[list[str]] = []
    for event in events:
        if isinstance(event, BlockOpen):
            opened.append(event)
            texts.append([])
        elif isinstance(event, BlockDelta):
            texts[event.n].append(event.text)
    return [
        (
            block.kind,
            block.id if block.kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL) else None,
            block.name,
            "".join(text),
        )
        for block, text in zip(opened, texts, strict=True)
    ]


def signatures_of(events: Iterable[Event]) -> list[str]:
    return [event.data for event in events if isinstance(event, BlockSignature)]


def usage_in(events: Iterable[Event]) -> Usage:
    usage = Usage()
    for event in events:
        if isinstance(event, (Start, UsageReport)):
            usage = usage.merge(event.usage)
    return usage


def ending_of(events: Iterable[Event]) -> Finish | Failure:
    return next(event for event in events if isinstance(event, (Finish, Failure)))


def frames(*events: dict[str, Any]) -> bytes:
    """Events as an upstream would send them."""
    return b"".join(
        b"event: %b\ndata: %b\n\n"
        % (str(event.get("type", "")).encode(), json.dumps(event).encode())
        for event in events
    )
