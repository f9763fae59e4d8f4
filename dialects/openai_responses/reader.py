"""A Responses stream as neutral events.

What the deltas left out (servers that send none, or cut the last one) is taken from the ``done``
events and the final object, which hold the whole text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import (
    NEED_DATA,
    BlockKind,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    NeedData,
    Start,
    Tick,
    UsageReport,
)
from dialects.openai_responses.block_queue import Block, BlockQueue
from dialects.openai_responses.fault import fault_of
from dialects.openai_responses.payload import (
    object_of,
    objects_of,
    optional_text,
    parse_object,
    text_of,
)
from dialects.openai_responses.usage import parse_usage
from dialects.sse import StreamInlet
from dialects.usage import count_of

_TRUNCATED: Final = Fault(
    FaultClass.UPSTREAM_ERROR, "The upstream ended its stream before the answer was complete."
)
_CANCELLED: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream cancelled the response.")
_TOOL_KINDS: Final = {
    "function_call": (BlockKind.TOOL, "arguments"),
    "custom_tool_call": (BlockKind.CUSTOM_TOOL, "input"),
}
_PART_KINDS: Final = {
    "output_text": (BlockKind.TEXT, "text"),
    "refusal": (BlockKind.REFUSAL, "refusal"),
}
_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_AT_WORK: Final = (".in_progress", ".searching", ".interpreting", ".generating")  # hosted tools


@dataclass(slots=True)
class _Item:
    """An output item and its blocks by content index (reasoning and tools have one, at 0)."""

    kind: str
    id: str | None
    blocks: dict[int, Block] = field(default_factory=dict)
    reasoning_source: str | None = None  # "summary" or "content": the first seen is the text
    part_index: int | None = None
    is_done: bool = False


class StreamReader:
    """Upstream bytes → neutral events; never raises on what the bytes say."""

    __slots__ = (
        "_blocks",
        "_has_tools",
        "_inlet",
        "_is_over",
        "_is_started",
        "_items",
        "_out",
    )

    def __init__(self) -> None:
        self._inlet = StreamInlet()
        self._out: deque[Event] = deque()
        self._blocks = BlockQueue(self._out)
        self._items: dict[int, _Item] = {}
        self._is_started = False
        self._is_over = False
        self._has_tools = False

    def receive_data(self, data: bytes) -> None:
        """Store bytes; any split of the stream gives the same events."""
        if self._is_over:
            return
        try:
            frames = self._inlet.receive_data(data)
        except RemoteDialectError as error:
            self._fail(error.fault)
            return
        for frame in frames:
            self._take_frame(frame.data)

    def next_event(self) -> Event | NeedData:
        """The next event. After End or Failure: NEED_DATA for ever."""
        return self._out.popleft() if self._out else NEED_DATA

    def close(self) -> None:
        """The upstream closed. Without its terminal event the stream ends in a Failure."""
        if self._is_over:
            return
        if self._inlet.body is not None:
            self._take_body(bytes(self._inlet.body))
        else:
            self._take_rest()
        if not self._is_over:
            self._fail(_TRUNCATED)

    def _take_rest(self) -> None:
        try:
            frames = self._inlet.close()
        except RemoteDialectError as error:
            self._fail(error.fault)
            return
        for frame in frames:
            self._take_frame(frame.data)

    def take(self, event: dict[str, Any]) -> None:
        """One decoded stream event."""
        if self._is_over:
            return
        kind = text_of(event.get("type"))
        take = _TAKERS.get(kind)
        if take is not None:
            if not self._is_started:
                self._start(object_of(event.get("response")))
            take(self, event)
        elif kind in _TERMINAL:
            self._end(kind, object_of(event.get("response")))
        elif kind == "error" or (not kind and "error" in event):
            self._fail(fault_of(200, event))
        elif kind in ("response.created", "response.in_progress", "response.queued"):
            self._start(object_of(event.get("response")))
        elif kind == "keepalive" or kind.endswith(_AT_WORK):
            self._out.append(Tick())

    def _take_frame(self, data: bytes) -> None:
        event = parse_object(data)
        if event is not None:
            self.take(event)
        elif data.strip() != b"[DONE]" and not self._is_over:
            self._fail(Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent an unreadable event."))

    def _take_body(self, data: bytes) -> None:
        """A whole body came where a stream was asked for."""
        body = parse_object(data)
        if body is None:
            self._fail(Fault(FaultClass.UPSTREAM_ERROR, "The upstream answered with no stream."))
        elif body.get("object") == "response" or "output" in body:
            self.take_answer(body)
        else:
            self._fail(fault_of(200, body))

    def take_answer(self, body: dict[str, Any]) -> None:
        """A whole answer, as if its terminal event had come alone."""
        status = body.get("status")
        if status in (None, "completed", "incomplete", "failed", "cancelled"):
            self._end(f"response.{status or 'completed'}", body)
        else:
            self._fail(_TRUNCATED)

    # Openings

    def _start(self, response: dict[str, Any]) -> None:
        if self._is_started:
            return
        self._is_started = True
        self._out.append(
            Start(
                id=text_of(response.get("id")),
                model=text_of(response.get("model")),
                created=count_of(response.get("created_at")),
            )
        )

    def _item(self, event: dict[str, Any], item: dict[str, Any]) -> _Item:
        key = _index_of(event, "output_index")
        known = self._items.get(key)
        if known is None:
            known = _Item(text_of(item.get("type")), optional_text(item.get("id")))
            self._items[key] = known
        return known

    def _open(self, item: _Item, index: int, block: Block) -> Block:
        item.blocks[index] = block
        return self._blocks.open(block)

    def _open_tool(self, item: _Item, data: dict[str, Any]) -> Block | None:
        kind, _ = _TOOL_KINDS[item.kind]
        name = optional_text(data.get("name"))
        if name is None:
            return None
        self._has_tools = True
        call_id = optional_text(data.get("call_id")) or optional_text(data.get("id"))
        namespace = optional_text(data.get("namespace"))
        return self._open(item, 0, Block(kind, id=call_id, name=name, namespace=namespace))

    # Events of the stream

    def take_item_added(self, event: dict[str, Any]) -> None:
        data = object_of(event.get("item"))
        item = self._item(event, data)
        if item.kind in _TOOL_KINDS and not item.blocks:
            self._open_tool(item, data)

    def _part(self, event: dict[str, Any], kind: BlockKind) -> Block:
        item = self._items.get(_index_of(event, "output_index"))
        if item is None:
            item = self._item(event, {"type": "message", "id": event.get("item_id")})
        key = _index_of(event, "content_index")
        block = item.blocks.get(key)
        return block if block is not None else self._open(item, key, Block(kind))

    def _add_text(self, event: dict[str, Any], kind: BlockKind) -> None:
        """A block opens with its first character: an empty one could not be sent back."""
        text = text_of(event.get("delta"))
        if text:
            self._blocks.add(self._part(event, kind), text)

    def take_text(self, event: dict[str, Any]) -> None:
        self._add_text(event, BlockKind.TEXT)

    def take_refusal(self, event: dict[str, Any]) -> None:
        self._add_text(event, BlockKind.REFUSAL)

    def take_annotation(self, event: dict[str, Any]) -> None:
        data = object_of(event.get("annotation"))
        if data:
            self._blocks.tell(self._part(event, BlockKind.TEXT), "annotation", data)

    def take_part_done(self, event: dict[str, Any]) -> None:
        part = object_of(event.get("part"))
        kind, field = _PART_KINDS.get(text_of(part.get("type")), (None, ""))
        if kind is None:
            return
        item = self._items.get(_index_of(event, "output_index"))
        is_open = item is not None and _index_of(event, "content_index") in item.blocks
        if is_open or text_of(part.get(field)):
            block = self._part(event, kind)
            self._blocks.complete(block, part.get(field))
            self._blocks.close(block)

    def take_tool_delta(self, event: dict[str, Any]) -> None:
        item = self._items.get(_index_of(event, "output_index"))
        block = item.blocks.get(0) if item is not None and item.kind in _TOOL_KINDS else None
        if block is not None:
            self._blocks.add(block, text_of(event.get("delta")))

    def take_summary_delta(self, event: dict[str, Any]) -> None:
        self._add_reasoning(event, "summary")

    def take_reasoning_delta(self, event: dict[str, Any]) -> None:
        self._add_reasoning(event, "content")

    def _add_reasoning(self, event: dict[str, Any], source: str) -> None:
        item = self._items.get(_index_of(event, "output_index"))
        if item is None:
            item = self._item(event, {"type": "reasoning", "id": event.get("item_id")})
        item.reasoning_source = item.reasoning_source or source
        text = text_of(event.get("delta"))
        if item.reasoning_source != source or not text:
            return
        block = item.blocks.get(0) or self._open(item, 0, Block(BlockKind.REASONING, id=item.id))
        part = _index_of(event, f"{source}_index")
        if item.part_index is not None and part != item.part_index:
            self._blocks.add(block, "\n\n")
        item.part_index = part
        self._blocks.add(block, text)

    def take_item_done(self, event: dict[str, Any]) -> None:
        data = object_of(event.get("item"))
        self._finish_item(self._item(event, data), data)

    def _finish_item(self, item: _Item, data: dict[str, Any]) -> None:
        if item.is_done:
            return
        item.is_done = True
        if item.kind in _TOOL_KINDS:
            block = item.blocks.get(0) or self._open_tool(item, data)
            if block is not None:
                self._blocks.complete(block, data.get(_TOOL_KINDS[item.kind][1]))
        elif item.kind == "reasoning":
            self._finish_reasoning(item, data)
        elif item.kind == "message":
            self._finish_message(item, data)
        for block in list(item.blocks.values()):
            self._blocks.close(block)

    def _finish_message(self, item: _Item, data: dict[str, Any]) -> None:
        for index, part in enumerate(objects_of(data.get("content"))):
            kind = _PART_KINDS.get(text_of(part.get("type")))
            block = item.blocks.get(index)
            if kind is None or (block is not None and block.is_closed):
                continue
            if block is None:
                if not part.get(kind[1]):
                    continue
                block = self._open(item, index, Block(kind[0]))
                self._blocks.complete(block, part.get(kind[1]))
                for annotation in objects_of(part.get("annotations")):
                    self._blocks.tell(block, "annotation", annotation)
            self._blocks.complete(block, part.get(kind[1]))
            self._blocks.close(block)

    def _finish_reasoning(self, item: _Item, data: dict[str, Any]) -> None:
        summary = [text_of(part.get("text")) for part in objects_of(data.get("summary"))]
        content = [text_of(part.get("text")) for part in objects_of(data.get("content"))]
        source = item.reasoning_source or ("summary" if any(summary) else "content")
        text = "\n\n".join(summary if source == "summary" else content)
        encrypted = optional_text(data.get("encrypted_content"))
        block = item.blocks.get(0)
        if block is None and (text or encrypted):
            item_id = optional_text(data.get("id"))
            block = self._open(item, 0, Block(BlockKind.REASONING, id=item_id))
        if block is not None:
            self._blocks.complete(block, text)
            if encrypted:
                self._blocks.tell(block, "signature", encrypted)

    # The end

    def _end(self, kind: str, response: dict[str, Any]) -> None:
        self._start(response)
        status = response.get("status")
        if status == "failed" or kind == "response.failed":
            self._fail(fault_of(200, object_of(response.get("error"))), response)
            return
        if status == "cancelled" or kind == "response.cancelled":
            self._fail(_CANCELLED, response)
            return
        self._take_output(objects_of(response.get("output")))
        self._blocks.close_all()
        self._report(response)
        self._out.append(self._finish_of(kind, status, response))
        self._out.append(End())
        self._is_over = True

    def _take_output(self, output: list[dict[str, Any]]) -> None:
        """Complete from the final list what the stream left open, or never announced."""
        if not self._items:
            for index, data in enumerate(output):
                self.take_item_done({"output_index": index, "item": data})
            return
        by_id = {text_of(data.get("id")): data for data in output}
        for index, item in self._items.items():
            found = by_id.get(item.id) if item.id else None
            if found is None and 0 <= index < len(output):
                found = output[index] if output[index].get("type") == item.kind else None
            if found is not None:
                self._finish_item(item, found)

    def _report(self, response: dict[str, Any]) -> None:
        usage = parse_usage(object_of(response.get("usage")))
        if usage.is_reported:
            self._out.append(UsageReport(usage))

    def _finish_of(self, kind: str, status: object, response: dict[str, Any]) -> Finish:
        if status == "incomplete" or kind == "response.incomplete":
            reason = object_of(response.get("incomplete_details")).get("reason")
            if reason == "content_filter":
                return Finish(FinishReason.CONTENT_FILTER)
            return Finish(FinishReason.LENGTH)
        if self._has_tools:
            return Finish(FinishReason.TOOL_CALLS)
        refusal = self._blocks.refusal
        if refusal is not None:
            return Finish(FinishReason.REFUSAL, details=refusal)
        return Finish(FinishReason.STOP)

    def _fail(self, fault: Fault, response: dict[str, Any] | None = None) -> None:
        if response is not None:
            self._report(response)
        self._out.append(Failure(fault))
        self._is_over = True


def _index_of(event: dict[str, Any], name: str) -> int:
    """An index; 0 where a server with one item leaves it out."""
    value = event.get(name)
    return value if isinstance(value, int) else 0


_TAKERS: Final[dict[str, Callable[[StreamReader, dict[str, Any]], None]]] = {
    "response.output_item.added": StreamReader.take_item_added,
    "response.output_item.done": StreamReader.take_item_done,
    "response.content_part.done": StreamReader.take_part_done,
    "response.output_text.delta": StreamReader.take_text,
    "response.output_text.annotation.added": StreamReader.take_annotation,
    "response.refusal.delta": StreamReader.take_refusal,
    "response.function_call_arguments.delta": StreamReader.take_tool_delta,
    "response.custom_tool_call_input.delta": StreamReader.take_tool_delta,
    "response.reasoning_summary_text.delta": StreamReader.take_summary_delta,
    "response.reasoning_text.delta": StreamReader.take_reasoning_delta,
}
