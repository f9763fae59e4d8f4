"""The stream of Chat Completions: bytes → events (Reader), events → bytes (Writer)."""

from __future__ import annotations

from typing import Any, Final

from dialects import json_text
from dialects.dialect import AnswerContext, Sent
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
    Grammar,
    NeedData,
    Start,
    Tick,
    UsageReport,
)
from dialects.openai_chat.annotation import Citations
from dialects.openai_chat.closing import (
    is_legacy,
    judge_finish,
    known_usage,
    render_signature,
)
from dialects.openai_chat.delta import DeltaReader
from dialects.openai_chat.fault import keepalive, parse_fault, render_stream_fault
from dialects.openai_chat.toolcall import CallFrame
from dialects.openai_chat.usage import render_usage
from dialects.sse import Frame, StreamInlet, render_data
from dialects.usage import Usage

_BROKEN_OFF: Final = Fault(
    FaultClass.UPSTREAM_ERROR, "The upstream's stream broke off.", retryable=True
)
_NOT_JSON: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent an event that is not JSON.")


class ChatReader:
    """One upstream stream. Also takes what servers send instead of one: JSON or HTML under 200."""

    __slots__ = ("_delta", "_inlet", "_is_closed")

    def __init__(self) -> None:
        self._inlet = StreamInlet()
        self._delta = DeltaReader()
        self._is_closed = False

    def receive_data(self, data: bytes) -> None:
        """Store bytes; any split of the stream gives the same events."""
        if self._delta.is_over or self._is_closed:
            return
        try:
            frames = self._inlet.receive_data(data)
        except RemoteDialectError as error:
            self._delta.fail(error.fault)
            return
        for frame in frames:
            self._take_frame(frame)

    def next_event(self) -> Event | NeedData:
        """The next event. After End or Failure: NEED_DATA for ever."""
        return self._delta.events.popleft() if self._delta.events else NEED_DATA

    def close(self) -> None:
        """The upstream closed: whole if it said why it stopped, else truncated."""
        if self._delta.is_over or self._is_closed:
            return
        self._is_closed = True
        if self._inlet.body is not None:
            self._take_body(bytes(self._inlet.body))
            return
        try:
            for frame in self._inlet.close():
                self._take_frame(frame, is_last=True)
        except RemoteDialectError as error:
            self._delta.fail(error.fault)
        if self._delta.has_finish:
            self._delta.finish()
        self._delta.fail(_BROKEN_OFF)

    def _take_frame(self, frame: Frame, *, is_last: bool = False) -> None:
        data = frame.data
        if data.startswith(b"{"):
            try:
                chunk = json_text.parse(data)
            except ValueError:
                chunk = None
        else:
            data, chunk = data.strip(), None
        if isinstance(chunk, dict):
            if frame.event == b"error" and "error" not in chunk:
                chunk = {"error": chunk}
            self._delta.take_chunk(chunk)
        elif data == b"[DONE]":
            self._delta.finish()
        elif frame.event == b"ping" or not data:
            self._delta.tick()
        elif not is_last:  # the last frame may be cut short; close() judges that
            self._delta.fail(_NOT_JSON)

    def _take_body(self, body: bytes) -> None:
        try:
            answer = json_text.parse(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get("choices"):
            self._delta.take_chunk(answer)
            self._delta.finish()
        else:
            self._delta.fail(parse_fault(200, body))


class ChatWriter:
    """One client stream, by the emission rules of openai-chat §7.1."""

    __slots__ = (
        "_block",
        "_call",
        "_calls",
        "_citations",
        "_context",
        "_grammar",
        "_is_legacy",
        "_prefix",
        "_reasoning",
        "_refused",
        "_suffix",
        "_text_chars",
        "_usage",
    )

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._grammar = Grammar()
        self._usage = Usage()
        self._block: BlockOpen | None = None
        self._reasoning: list[str] = []  # the open block's, for the envelope
        self._call: CallFrame | None = None
        self._calls = 0
        self._text_chars = 0  # of the content so far
        self._citations = Citations(0)
        self._refused = False
        self._is_legacy = is_legacy(context)
        self._prefix = b""
        self._suffix = b',"usage":null}' if context.include_usage else b"}"

    def send(self, event: Event) -> bytes:
        """The bytes for one event (b"" where it has none). LocalDialectError out of order."""
        self._grammar.check_next(event)
        match event:
            case BlockDelta():
                return self._send_delta(event.text)
            case BlockOpen():
                return self._open_block(event)
            case BlockClose():
                return self._close_block()
            case BlockSignature():
                return self._send_signature(event)
            case Annotation():
                shown = self._citations.add(event)
                return self._chunk({"annotations": [shown]}) if shown else b""
            case Start():
                return self._start(event)
            case UsageReport():
                self._usage = self._usage.merge(event.usage)
                return b""
            case Finish():
                return self._finish(event)
            case End():
                return self._end()
            case Failure():
                return render_stream_fault(event.fault, self._context.request_id, Sent())
            case Tick():
                return keepalive(Sent())

    def _start(self, event: Start) -> bytes:
        self._usage = self._usage.merge(event.usage)
        head = json_text.render(
            {
                "id": f"chatcmpl-{self._context.new_id()}",
                "object": "chat.completion.chunk",
                "created": self._context.now,
                "model": self._context.model,
            }
        )
        self._prefix = head[:-1] + b',"choices":'
        return self._chunk({"role": "assistant", "content": ""})

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return b'data: %b[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]%b\n\n' % (
            self._prefix,
            json_text.render(delta),
            b"null" if finish is None else b'"%b"' % finish.encode(),
            self._suffix,
        )

    def _piece(self, name: bytes, text: str) -> bytes:
        """A chunk of text: what almost every chunk is."""
        return (
            b'data: %b[{"index":0,"delta":{"%b":%b},"logprobs":null,"finish_reason":null}]%b\n\n'
            % (self._prefix, name, json_text.render(text), self._suffix)
        )

    def _open_block(self, event: BlockOpen) -> bytes:
        self._block, self._reasoning = event, []
        self._citations = Citations(self._text_chars)
        if event.kind not in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL):
            return b""
        self._call = CallFrame(event, self._calls, self._context, is_legacy=self._is_legacy)
        self._calls += 1
        delta = self._call.open()
        return self._chunk(delta) if delta else b""

    def _send_delta(self, text: str) -> bytes:
        if self._call is not None:
            delta = self._call.write(text)
            return self._chunk(delta) if delta else b""
        if not text or self._block is None:
            return b""
        if self._block.kind is BlockKind.TEXT:
            self._text_chars += len(text)
            return self._piece(b"content", text)
        if self._block.kind is BlockKind.REFUSAL:
            self._refused = True
            return self._piece(b"refusal", text)
        if self._context.seal is not None:
            self._reasoning.append(text)
        return self._piece(b"reasoning_content", text)

    def _close_block(self) -> bytes:
        if self._call is None:
            shown = self._citations.close(self._text_chars)
            return self._chunk({"annotations": shown}) if shown else b""
        delta, self._call = self._call.close(), None
        return self._chunk(delta) if delta else b""

    def _send_signature(self, event: BlockSignature) -> bytes:
        assert self._block is not None
        text = "".join(self._reasoning)
        detail = render_signature(event, text, self._block.id, self._context)
        return self._chunk({"reasoning_details": [detail]}) if detail else b""

    def _finish(self, event: Finish) -> bytes:
        refusal, word = judge_finish(
            event, self._context, has_text=self._text_chars > 0, has_refusal=self._refused
        )
        said = self._chunk({"refusal": refusal}) if refusal else b""
        return said + self._chunk({}, word)

    def _end(self) -> bytes:
        done = render_data(b"[DONE]")
        if not self._context.include_usage:
            return done
        usage = json_text.render(render_usage(known_usage(self._usage, self._context)))
        return b'data: %b[],"usage":%b}\n\n%b' % (self._prefix, usage, done)
