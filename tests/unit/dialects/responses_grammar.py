"""The canonical order of a Responses stream (openai-responses §7.2), checked strictly.

Also the small tools the tests of this dialect share.
"""

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

_TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
_DONE_OF = {
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.reasoning_summary_text": "text",
}


def parse_frames(data: bytes) -> list[dict[str, Any]]:
    """The events of a written stream; the event line must repeat the type."""
    splitter = FrameSplitter()
    events = []
    for frame in splitter.receive_data(data) + splitter.close():
        event = json.loads(frame.data)
        assert frame.event == event["type"]
        events.append(event)
    return events


def check_stream(data: bytes) -> list[dict[str, Any]]:
    """Assert the whole grammar on a written stream that ended; give its events."""
    events = parse_frames(data)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    if events[-1]["type"] != "response.failed":
        assert [event["type"] for event in events[:2]] == [
            "response.created",
            "response.in_progress",
        ]
    ids = {event["response"]["id"] for event in events if "response" in event}
    assert len(ids) == 1
    assert events[-1]["type"] in _TERMINAL
    assert sum(event["type"] in _TERMINAL for event in events) == 1
    if events[-1]["type"] != "response.failed":
        _check_items(events[2:-1], events[-1]["response"])
    return events


def _check_items(events: list[dict[str, Any]], response: dict[str, Any]) -> None:
    done: list[dict[str, Any]] = []
    item: dict[str, Any] | None = None
    part: int | None = None
    text = ""
    for event in events:
        kind = event["type"]
        if kind == "keepalive":
            continue
        assert event["output_index"] == len(done)
        if kind == "response.output_item.added":
            assert item is None
            item = event["item"]
        elif kind == "response.output_item.done":
            assert item is not None
            assert part is None
            assert event["item"]["id"] == item["id"]
            assert event["item"]["status"] in ("completed", "incomplete")
            done.append(event["item"])
            item = None
        else:
            assert item is not None
            assert event["item_id"] == item["id"]
            part, text = _check_part(event, part, text)
    assert item is None
    assert response["output"] == done
    assert len({entry["id"] for entry in done}) == len(done)
    if response["usage"] is not None:
        assert "cached_tokens" in response["usage"]["input_tokens_details"]
        assert "reasoning_tokens" in response["usage"]["output_tokens_details"]


def _check_part(event: dict[str, Any], part: int | None, text: str) -> tuple[int | None, str]:
    kind = event["type"]
    index = event.get("content_index", event.get("summary_index", 0))
    if kind.endswith("part.added"):
        assert part is None
        return index, ""
    if kind.endswith("part.done"):
        assert part == index
        return None, ""
    if kind.endswith("annotation.added"):
        assert part == index
        return part, text
    stem, _, what = kind.rpartition(".")
    assert stem in _DONE_OF
    if what == "delta":
        assert event["delta"]
        return part, text + event["delta"]
    assert what == "done"
    assert event[_DONE_OF[stem]] == text
    return part, "" if stem.startswith(("response.function", "response.custom")) else text


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
