"""Anthropic's event stream, read (protocols/anthropic-messages §10)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from dialects import json_text
from dialects.anthropic_messages.fault import fault_of, parse_fault
from dialects.anthropic_messages.usage import parse_usage
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import (
    NEED_DATA,
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
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
from dialects.sse import Frame, StreamInlet
from dialects.surrogate import Mender
from dialects.usage import Usage

NAME: Final = "anthropic_messages"

FINISH_OF: Final[dict[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
}

_TEXT_DELTAS: Final = {
    "text_delta": (BlockKind.TEXT, "text"),
    "thinking_delta": (BlockKind.REASONING, "thinking"),
    "input_json_delta": (BlockKind.TOOL, "partial_json"),
}

_TRUNCATED: Final = Fault(
    FaultClass.UPSTREAM_ERROR, "The upstream ended the stream before the answer was complete."
)
_BROKEN: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent a broken event stream.")


@dataclass(slots=True)
class _Block:
    """One content block of the upstream while it is open or waits for its turn."""

    kind: BlockKind
    id: str | None = None
    name: str | None = None
    given: str = ""  # a tool's whole input, where it came with the opening
    carrier: str = "anthropic"
    signature: str = ""
    has_text: bool = False
    is_closed: bool = False
    held: list[str | dict[str, Any]] = field(default_factory=list)  # deltas and citations
    mender: Mender = field(default_factory=Mender)


class MessagesReader:
    """Anthropic's bytes → neutral events. Blocks only its own dialect knows are left out.

    One block is live at a time; what interleaves waits until the live one closes.
    """

    def __init__(self) -> None:
        self._inlet = StreamInlet()
        self._events: deque[Event] = deque()
        self._usage = Usage()
        self._id: str | None = None
        self._is_done = False
        self._opened = 0
        self._calls = 0
        self._blocks: dict[int, _Block | None] = {}
        self._queue: deque[_Block] = deque()  # the first is live, the others wait
        self._finish = Finish(FinishReason.STOP)

    def receive_data(self, data: bytes) -> None:
        if self._is_done:
            return
        try:
            frames = self._inlet.receive_data(data)
        except RemoteDialectError as error:
            self._fail(error.fault)
            return
        self._take_frames(frames)

    def next_event(self) -> Event | NeedData:
        return self._events.popleft() if self._events else NEED_DATA

    def close(self) -> None:
        if self._is_done:
            return
        try:
            self._take_frames(self._inlet.close())
        except RemoteDialectError as error:
            self._fail(error.fault)
        if self._inlet.body is not None:
            self._take_body(bytes(self._inlet.body))
        if not self._is_done:
            self._fail(_TRUNCATED)

    def _take_frames(self, frames: list[Frame]) -> None:
        for frame in frames:
            try:
                event = json_text.parse(frame.data)
            except ValueError:
                if frame.data.strip() == b"[DONE]":
                    continue
                event = None
            self.receive_event(event)

    def _take_body(self, body: bytes) -> None:
        """A whole answer, an error or a page came where a stream was asked for."""
        try:
            answer = json_text.parse(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get("type") == "message":
            self.receive_answer(answer)
        else:
            self._fail(parse_fault(200, body))

    def receive_answer(self, answer: dict[str, Any]) -> None:
        """Take a whole answer, as if it had been streamed."""
        self.receive_event({"type": "message_start", "message": answer})
        for index, block in enumerate(_list_of(answer.get("content"))):
            start = {"type": "content_block_start", "index": index, "content_block": block}
            self.receive_event(start)
            self.receive_event({"type": "content_block_stop", "index": index})
        delta = {
            name: answer.get(name) for name in ("stop_reason", "stop_sequence", "stop_details")
        }
        self.receive_event({"type": "message_delta", "delta": delta})
        self.receive_event({"type": "message_stop"})

    def receive_event(self, event: object) -> None:
        """Take one parsed event; what is not shaped like one breaks the stream."""
        if self._is_done:
            return
        if not isinstance(event, dict):
            self._fail(_BROKEN)
            return
        kind = event.get("type")
        take = _TAKES.get(kind) if isinstance(kind, str) else None
        if take is None:
            return
        if self._id is None and take in _AFTER_START:
            self._fail(_BROKEN)
            return
        take(self, event)

    def _fail(self, fault: Fault) -> None:
        self._events.append(Failure(fault))
        self._is_done = True

    def _take_start(self, event: dict[str, Any]) -> None:
        message = _dict_of(event.get("message"))
        message_id = _text_of(message.get("id"))
        if self._id is not None:
            # Some gateways send it twice; another one after content is another answer spliced in.
            if self._opened or self._blocks:
                self._fail(_BROKEN)
            return
        self._id = message_id
        self._usage = parse_usage(message.get("usage"))
        self._events.append(Start(message_id, _text_of(message.get("model")), usage=self._usage))

    def _take_block_start(self, event: dict[str, Any]) -> None:
        index = _index_of(event)
        content = _dict_of(event.get("content_block"))
        self._close_block(self._blocks.get(index))
        block = _open_block(content)
        self._blocks[index] = block
        if block is None:
            return
        self._queue.append(block)
        if len(self._queue) == 1:
            self._announce(block)
        text = content.get("text") or content.get("thinking")
        if block.kind in (BlockKind.TEXT, BlockKind.REASONING) and isinstance(text, str):
            self._add(block, text)
        for citation in _list_of(content.get("citations")):
            self._add(block, citation)

    def _take_delta(self, event: dict[str, Any]) -> None:
        block = self._blocks.get(_index_of(event))
        delta = event.get("delta")
        if block is None or block.is_closed or not isinstance(delta, dict):
            return
        kind = delta.get("type")
        if kind in _TEXT_DELTAS:
            of, name = _TEXT_DELTAS[kind]
            if block.kind is of:
                self._add(block, delta.get(name))
            else:
                self._fail(_BROKEN)
        elif kind == "signature_delta" and block.kind is BlockKind.REASONING:
            block.signature = _text_of(delta.get("signature")) or block.signature
        elif kind == "citations_delta" and block.kind is BlockKind.TEXT:
            self._add(block, delta.get("citation"))

    def _take_block_stop(self, event: dict[str, Any]) -> None:
        self._close_block(self._blocks.get(_index_of(event)))

    def _take_message_delta(self, event: dict[str, Any]) -> None:
        usage = parse_usage(event.get("usage"), self._usage)
        if usage != Usage():
            self._usage = self._usage.merge(usage)
            self._events.append(UsageReport(usage))
        delta = _dict_of(event.get("delta"))
        reason = delta.get("stop_reason")
        if isinstance(reason, str):
            details = _dict_of(delta.get("stop_details")).get("explanation")
            matched = delta.get("stop_sequence")
            self._finish = Finish(
                FINISH_OF.get(reason, FinishReason.STOP),
                stop_text=matched if isinstance(matched, str) else None,
                details=details if isinstance(details, str) else None,
            )

    def _take_stop(self, event: dict[str, Any]) -> None:
        while self._queue:
            self._close_block(self._queue[0])
        self._events.append(self._settle_finish())
        self._events.append(End())
        self._is_done = True

    def _settle_finish(self) -> Finish:
        """Calls win over a plain stop, and there is no tool_use without a call."""
        reason = self._finish.reason
        if self._calls and reason in (FinishReason.STOP, FinishReason.STOP_SEQUENCE):
            return Finish(FinishReason.TOOL_CALLS)
        if not self._calls and reason is FinishReason.TOOL_CALLS:
            return Finish(FinishReason.STOP)
        return self._finish

    def _take_ping(self, event: dict[str, Any]) -> None:
        self._events.append(Tick())

    def _take_error(self, event: dict[str, Any]) -> None:
        self._fail(fault_of(event))

    def _announce(self, block: _Block) -> None:
        self._events.append(BlockOpen(self._opened, block.kind, block.id, block.name))
        self._opened += 1
        self._calls += block.kind is BlockKind.TOOL

    def _add(self, block: _Block, piece: object) -> None:
        if not isinstance(piece, (str, dict)) or not piece:
            return
        if self._queue[0] is not block:
            block.held.append(piece)
        elif isinstance(piece, str):
            block.has_text = True
            if text := block.mender.add(piece):
                self._events.append(BlockDelta(self._opened - 1, text))
        else:
            self._events.append(Annotation(self._opened - 1, NAME, piece))

    def _close_block(self, block: _Block | None) -> None:
        if block is None or block.is_closed:
            return
        block.is_closed = True
        while self._queue and self._queue[0].is_closed:
            self._finish_live(self._queue.popleft())
            if self._queue:
                self._open_waiting(self._queue[0])

    def _finish_live(self, block: _Block) -> None:
        n = self._opened - 1
        if rest := block.mender.close():
            self._events.append(BlockDelta(n, rest))
        if block.kind is BlockKind.TOOL and not block.has_text:
            self._events.append(BlockDelta(n, block.given or "{}"))
        if block.signature:
            self._events.append(BlockSignature(n, block.carrier, block.signature))
        self._events.append(BlockClose(n))

    def _open_waiting(self, block: _Block) -> None:
        self._announce(block)
        held, block.held = block.held, []
        for piece in held:
            self._add(block, piece)


_TAKES: Final = {
    "message_start": MessagesReader._take_start,
    "content_block_start": MessagesReader._take_block_start,
    "content_block_delta": MessagesReader._take_delta,
    "content_block_stop": MessagesReader._take_block_stop,
    "message_delta": MessagesReader._take_message_delta,
    "message_stop": MessagesReader._take_stop,
    "ping": MessagesReader._take_ping,
    "error": MessagesReader._take_error,
}
_AFTER_START: Final = frozenset(
    take for name, take in _TAKES.items() if name not in ("message_start", "ping", "error")
)


def _open_block(content: dict[str, Any]) -> _Block | None:
    match content.get("type"):
        case "text":
            return _Block(BlockKind.TEXT)
        case "thinking":
            return _Block(BlockKind.REASONING, signature=_text_of(content.get("signature")))
        case "redacted_thinking":
            data = _text_of(content.get("data"))
            return _Block(BlockKind.REASONING, carrier="anthropic_redacted", signature=data)
        case "tool_use":
            given = content.get("input")
            return _Block(
                BlockKind.TOOL,
                id=_text_of(content.get("id")),
                name=_text_of(content.get("name")),
                given=json_text.render_text(given) if given else "",
            )
        case _:
            return None


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def _dict_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _index_of(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
