"""Neutral events → Anthropic's event stream, in the order its clients insist on.

Both official SDKs lose frames without an ``event:`` line and fail on gaps in the indexes, on a
``message_start`` without usage and on deltas before their block (measured: §10.1).
"""

from __future__ import annotations

import json
from typing import Any, Final

from dialects import json_text
from dialects.anthropic_messages.fault import render_stream_fault
from dialects.anthropic_messages.stream import FINISH_OF, NAME
from dialects.anthropic_messages.usage import render_usage
from dialects.dialect import AnswerContext, Sent
from dialects.errors import LocalDialectError
from dialects.events import (
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
    Grammar,
    Start,
    Tick,
    UsageReport,
)
from dialects.sse import render_frame
from dialects.usage import Usage

PING: Final = render_frame("ping", b'{"type":"ping"}')

STOP_REASON: Final[dict[FinishReason, str]] = {
    **{reason: word for word, reason in FINISH_OF.items()},
    FinishReason.CONTENT_FILTER: "refusal",
}


def keepalive(sent: Sent) -> bytes:
    """A sign of life; legal even before ``message_start``."""
    return PING


def message_id(upstream_id: str, context: AnswerContext) -> str:
    """The upstream's id where it is one of Anthropic's, else a new one."""
    return upstream_id if upstream_id.startswith("msg_") else f"msg_{context.new_id()}"


def starting_usage(usage: Usage, context: AnswerContext) -> Usage:
    """What ``message_start`` says: Claude Code takes its context meter from it, so never 0."""
    if usage.total_input or context.input_estimate is None:
        return usage
    return usage.merge(Usage(input=context.input_estimate))


def finish_fields(finish: Finish) -> dict[str, Any]:
    """``stop_reason`` and what belongs to it."""
    word = STOP_REASON[finish.reason]
    fields: dict[str, Any] = {
        "stop_reason": word,
        "stop_sequence": finish.stop_text if finish.reason is FinishReason.STOP_SEQUENCE else None,
    }
    if word == "refusal":
        fields["stop_details"] = {
            "type": "refusal",
            "category": None,
            "explanation": finish.details,
        }
    return fields


def citation_of(annotation: Annotation) -> dict[str, Any] | None:
    """A citation as Anthropic's clients know it; None where it has no counterpart."""
    data = annotation.data
    if annotation.dialect == NAME:
        return data
    told = data.get("url_citation")
    source = told if isinstance(told, dict) else data
    url = source.get("url")
    if not isinstance(url, str):
        return None
    title = source.get("title")
    return {
        "type": "web_search_result_location",
        "cited_text": "",
        "url": url,
        "title": title if isinstance(title, str) else None,
        "encrypted_index": "",
    }


def seal_signature(
    context: AnswerContext, carrier: str, data: str, text: str, item_id: str | None
) -> str | None:
    """The signature a thinking block is shown with; None leaves it unsigned."""
    if carrier == "anthropic":
        return data
    if context.seal is None:
        return None
    return context.seal(carrier, data, text, item_id)


class MessagesWriter:
    """Neutral events → bytes. Blocks without content are never shown: they could not come back."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._grammar = Grammar()
        self._usage = Usage()
        self._finish: Finish | None = None
        self._index = -1
        self._block: BlockOpen | None = None
        self._is_shown = False
        self._is_signed = False
        self._has_input = False  # a call's arguments began
        self._text: list[str] = []  # of a reasoning block, for its envelope

    def send(self, event: Event) -> bytes:
        self._grammar.check_next(event)
        match event:
            case BlockDelta():
                return self._send_delta(event)
            case BlockOpen():
                return self._open(event)
            case BlockClose():
                return self._close()
            case BlockSignature():
                return self._send_signature(event)
            case Annotation():
                return self._send_citation(event)
            case UsageReport():
                self._usage = self._usage.merge(event.usage)
                return b""
            case Start():
                return self._start(event)
            case Finish():
                self._finish = event
                return b""
            case End():
                return self._end()
            case Failure():
                return render_stream_fault(event.fault, self._context.request_id, Sent())
            case Tick():
                return PING

    def _start(self, event: Start) -> bytes:
        self._usage = starting_usage(event.usage, self._context)
        message: dict[str, Any] = {
            "id": message_id(event.id, self._context),
            "type": "message",
            "role": "assistant",
            "model": self._context.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": render_usage(self._usage),
        }
        return _frame({"type": "message_start", "message": message})

    def _open(self, event: BlockOpen) -> bytes:
        self._block, self._is_shown, self._is_signed = event, False, False
        self._text, self._has_input = [], False
        if event.kind not in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL):
            return b""
        alias = self._context.tools.get(event.name or "")
        tool: dict[str, Any] = {
            "type": "tool_use",
            "id": event.id or f"toolu_{self._context.new_id()}",
            "name": alias.name if alias else event.name,
            "input": {},
        }
        shown = self._show(tool)
        if event.kind is BlockKind.CUSTOM_TOOL:
            shown += self._delta(b"input_json_delta", b"partial_json", '{"input":"')
        return shown

    def _show(self, content: dict[str, Any]) -> bytes:
        self._index += 1
        self._is_shown = True
        return _frame(
            {"type": "content_block_start", "index": self._index, "content_block": content}
        )

    def _show_late(self) -> bytes:
        """Open a text or thinking block on its first content."""
        if self._is_shown:
            return b""
        if self._kind is BlockKind.REASONING:
            return self._show({"type": "thinking", "thinking": "", "signature": ""})
        return self._show({"type": "text", "text": ""})

    @property
    def _kind(self) -> BlockKind:
        if self._block is None:
            raise LocalDialectError("no block is open")
        return self._block.kind

    def _send_delta(self, event: BlockDelta) -> bytes:
        if not event.text:
            return b""
        match self._kind:
            case BlockKind.TOOL:
                self._has_input = True
                return self._delta(b"input_json_delta", b"partial_json", event.text)
            case BlockKind.CUSTOM_TOOL:
                escaped = json.dumps(event.text, ensure_ascii=False)[1:-1]
                return self._delta(b"input_json_delta", b"partial_json", escaped)
            case BlockKind.REASONING:
                self._text.append(event.text)
                return self._show_late() + self._delta(b"thinking_delta", b"thinking", event.text)
            case _:
                return self._show_late() + self._delta(b"text_delta", b"text", event.text)

    def _delta(self, type_name: bytes, field: bytes, text: str) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
            b'"delta":{"type":"%b","%b":%b}}\n\n'
            % (self._index, type_name, field, json_text.render(text))
        )

    def _send_signature(self, event: BlockSignature) -> bytes:
        self._is_signed = True
        if event.carrier == "anthropic_redacted":
            return self._show({"type": "redacted_thinking", "data": event.data})
        item_id = self._block.id if self._block else None
        text = "".join(self._text)
        signature = seal_signature(self._context, event.carrier, event.data, text, item_id)
        return self._sign(signature)

    def _sign(self, signature: str | None) -> bytes:
        if not signature:
            return b""
        return self._show_late() + self._delta(b"signature_delta", b"signature", signature)

    def _send_citation(self, event: Annotation) -> bytes:
        citation = citation_of(event)
        if citation is None or self._kind is not BlockKind.TEXT:
            return b""
        shown = self._show_late()
        delta = {"type": "citations_delta", "citation": citation}
        frame = {"type": "content_block_delta", "index": self._index, "delta": delta}
        return shown + _frame(frame)

    def _close(self) -> bytes:
        out = b""
        kind = self._kind
        if kind is BlockKind.TOOL and not self._has_input:
            out = self._delta(b"input_json_delta", b"partial_json", "{}")
        elif kind is BlockKind.CUSTOM_TOOL:
            out = self._delta(b"input_json_delta", b"partial_json", '"}')
        elif kind is BlockKind.REASONING and self._text and not self._is_signed:
            text = "".join(self._text)
            out = self._sign(seal_signature(self._context, "text", "", text, None))
        self._block = None
        if not self._is_shown:
            return b""
        return out + _frame({"type": "content_block_stop", "index": self._index})

    def _end(self) -> bytes:
        if self._finish is None:
            raise LocalDialectError("End without Finish")
        delta = {
            "type": "message_delta",
            "delta": finish_fields(self._finish),
            "usage": render_usage(self._usage),
        }
        return _frame(delta) + _frame({"type": "message_stop"})


def _frame(event: dict[str, Any]) -> bytes:
    return render_frame(event["type"], json_text.render(event))
