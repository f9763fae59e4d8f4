"""Whole answers of Chat Completions: body → events, events → body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dialects.dialect import AnswerContext
from dialects.errors import RemoteDialectError
from dialects.events import (
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    Start,
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
from dialects.openai_chat.toolcall import unwrap_input
from dialects.openai_chat.usage import render_usage
from dialects.usage import Usage


def read_answer(body: dict[str, Any]) -> list[Event]:
    """The events of a whole answer; the last one is End or Failure."""
    delta = DeltaReader()
    delta.take_chunk(body)
    delta.finish()
    return list(delta.events)


def write_answer(events: Iterable[Event], context: AnswerContext) -> dict[str, Any]:
    """Fold events into one body. RemoteDialectError where they end in a Failure."""
    fold = _Fold(context)
    for event in events:
        fold.take(event)
    return fold.render()


class _Fold:
    """Collects the message of choice 0."""

    __slots__ = (
        "_annotations",
        "_calls",
        "_citations",
        "_context",
        "_details",
        "_finish",
        "_grammar",
        "_open",
        "_pieces",
        "_reasoning",
        "_refusal",
        "_text",
        "_usage",
    )

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._grammar = Grammar()
        self._open: BlockOpen | None = None
        self._pieces: list[str] = []
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._citations = Citations(0)
        self._details: list[dict[str, Any]] = []
        self._usage = Usage()
        self._finish = Finish(FinishReason.STOP)

    def take(self, event: Event) -> None:
        self._grammar.check_next(event)
        match event:
            case Start():
                self._usage = self._usage.merge(event.usage)
            case BlockOpen():
                self._open, self._pieces = event, []
                self._citations = Citations(sum(map(len, self._text)))
            case BlockDelta():
                self._pieces.append(event.text)
            case BlockSignature():
                self._take_signature(event)
            case Annotation():
                if shown := self._citations.add(event):
                    self._annotations.append(shown)
            case BlockClose():
                self._close_block()
            case UsageReport():
                self._usage = self._usage.merge(event.usage)
            case Finish():
                self._finish = event
            case Failure():
                raise RemoteDialectError(event.fault)

    def _take_signature(self, event: BlockSignature) -> None:
        assert self._open is not None
        detail = render_signature(event, "".join(self._pieces), self._open.id, self._context)
        if detail:
            self._details.append(detail)

    def _close_block(self) -> None:
        block = self._open
        assert block is not None
        text = "".join(self._pieces)
        match block.kind:
            case BlockKind.TEXT:
                self._text.append(text)
                self._annotations += self._citations.close(sum(map(len, self._text)))
            case BlockKind.REASONING:
                self._reasoning.append(text)
            case BlockKind.REFUSAL:
                self._refusal.append(text)
            case _:
                self._calls.append(self._render_call(block, text))

    def _render_call(self, block: BlockOpen, text: str) -> dict[str, Any]:
        alias = self._context.tools.get(block.name or "")
        name = alias.name if alias else block.name or ""
        call: dict[str, Any] = {"id": block.id or f"call_{self._context.new_id()}"}
        if block.kind is BlockKind.CUSTOM_TOOL:
            return call | {"type": "custom", "custom": {"name": name, "input": text}}
        if alias and alias.is_custom:
            wrapped = unwrap_input(text) if text else ""
            return call | {"type": "custom", "custom": {"name": name, "input": wrapped}}
        function = {"name": name, "arguments": text or "{}"}
        return call | {"type": "function", "function": function}

    def render(self) -> dict[str, Any]:
        context = self._context
        refusal, word = judge_finish(
            self._finish, context, has_text=any(self._text), has_refusal=any(self._refusal)
        )
        return {
            "id": f"chatcmpl-{context.new_id()}",
            "object": "chat.completion",
            "created": context.now,
            "model": context.model,
            "choices": [
                {
                    "index": 0,
                    "message": self._render_message(refusal),
                    "logprobs": None,
                    "finish_reason": word,
                }
            ],
            "usage": render_usage(known_usage(self._usage, context)),
        }

    def _render_message(self, refusal: str | None) -> dict[str, Any]:
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text or None,
            "refusal": refusal or "".join(self._refusal) or None,
            "annotations": self._annotations,
        }
        if not text and message["refusal"] is None and not self._calls:
            message["content"] = ""
        if any(self._reasoning):
            message["reasoning_content"] = "".join(self._reasoning)
        if self._details:
            message["reasoning_details"] = self._details
        if self._calls and is_legacy(self._context):
            message["function_call"] = self._calls[0]["function"]
        elif self._calls:
            message["tool_calls"] = self._calls
        return message
