"""Neutral events as a Responses stream, in the one order every measured client accepts.

Rules of emission (openai-responses §7.2, §7.3): one id through all events, sequence numbers
without gaps, every ``added`` with its ``done``, ``status`` on every item, ``logprobs`` on every
text event, no event names of our own. An item is closed when the next one opens or the answer
finishes, because only then is it known whether the answer was cut off in it.
"""

from __future__ import annotations

from typing import Any, Final

from dialects.dialect import AnswerContext, ToolAlias
from dialects.envelope import TEXT_CARRIER
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
from dialects.json_text import render
from dialects.openai_responses.answer import render_annotation, render_response
from dialects.openai_responses.fault import render_failure, render_keepalive
from dialects.openai_responses.freeform import InputUnwrapper
from dialects.openai_responses.usage import render_usage
from dialects.sse import render_frame
from dialects.usage import Usage

_INCOMPLETE: Final = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTEXT_WINDOW: "max_output_tokens",
    FinishReason.PAUSE: "max_output_tokens",  # it is not whole, and there is no word to go on by
    FinishReason.CONTENT_FILTER: "content_filter",
}
_REFUSED: Final = "The model refused to answer."
_PARTS: Final = {
    BlockKind.TEXT: ("output_text", "text"),
    BlockKind.REFUSAL: ("refusal", "refusal"),
}


class StreamWriter:
    """Neutral events → the client's bytes."""

    __slots__ = (
        "_block",
        "_citations",
        "_context",
        "_grammar",
        "_head",
        "_id",
        "_incomplete_reason",
        "_item",
        "_output",
        "_part",
        "_sequence",
        "_signature",
        "_tail",
        "_text",
        "_unwrapper",
        "_usage",
    )

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._grammar = Grammar()
        self._id = f"resp_{context.new_id()}"
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._item: dict[str, Any] | None = None  # the open one
        self._part: dict[str, Any] | None = None  # its open content part
        self._block: BlockOpen | None = None
        self._text: list[str] = []
        self._citations: list[Annotation] = []
        self._signature: BlockSignature | None = None
        self._unwrapper: InputUnwrapper | None = None
        self._incomplete_reason: str | None = None
        self._usage = Usage()
        self._head = self._tail = b""  # the delta frame around its text

    def send(self, event: Event) -> bytes:
        """The bytes for one event (b"" where it has none). LocalDialectError out of order."""
        self._grammar.check_next(event)
        match event:
            case BlockDelta():
                return self._write_delta(event.text)
            case BlockOpen():
                return self._open_block(event)
            case BlockClose():
                return self._close_block()
            case BlockSignature():
                self._signature = event
                return b""
            case Annotation():
                return self._write_annotation(event)
            case UsageReport():
                self._usage = self._usage.merge(event.usage)
                return b""
            case Start():
                return self._write_start(event)
            case Finish():
                return self._write_finish(event)
            case End():
                return self._write_end()
            case Failure():
                return render_failure(event.fault, self.response("failed"), self._sequence)
            case Tick():
                return self._write_tick()

    @property
    def final_status(self) -> str:
        """How the answer ended, once Finish has been sent."""
        return "incomplete" if self._incomplete_reason else "completed"

    def response(self, status: str) -> dict[str, Any]:
        """The response object as far as it has come."""
        is_running = status == "in_progress"
        return render_response(
            self._context,
            response_id=self._id,
            status=status,
            output=self._output,
            incomplete_reason=self._incomplete_reason if status == "incomplete" else None,
            usage=None if is_running else render_usage(self._usage, self._context.input_estimate),
        )

    def _emit(self, kind: str, **fields: Any) -> bytes:
        data = render({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return render_frame(kind, data)

    # The answer

    def _write_start(self, event: Start) -> bytes:
        self._usage = self._usage.merge(event.usage)
        response = self.response("in_progress")
        return self._emit("response.created", response=response) + self._emit(
            "response.in_progress", response=response
        )

    def _write_tick(self) -> bytes:
        data = render_keepalive(self._sequence)
        self._sequence += self._sequence > 0
        return data

    def _write_finish(self, event: Finish) -> bytes:
        data = b""
        self._incomplete_reason = _INCOMPLETE.get(event.reason)
        if event.reason is FinishReason.REFUSAL:
            kinds = {part["type"] for part in self._content()}
            if not kinds:
                data += self._open_part(BlockKind.REFUSAL)
                data += self._write_delta(event.details or _REFUSED) + self._close_part()
            elif "refusal" not in kinds:
                self._incomplete_reason = "content_filter"  # the text was cut off
        return data + self._close_item(self.final_status)

    def _write_end(self) -> bytes:
        status = self.final_status
        return self._emit(f"response.{status}", response=self.response(status))

    def _content(self) -> list[dict[str, Any]]:
        """The content parts of all messages so far."""
        items = [*self._output, self._item] if self._item is not None else self._output
        return [part for item in items for part in item.get("content", ())]

    # Items

    def _open_item(self, item: dict[str, Any]) -> bytes:
        data = self._close_item("completed")
        self._item = item
        return data + self._emit(
            "response.output_item.added", output_index=len(self._output), item=item
        )

    def _close_item(self, status: str) -> bytes:
        item = self._item
        if item is None:
            return b""
        self._item = None
        item["status"] = status
        self._output.append(item)
        return self._emit(
            "response.output_item.done", output_index=len(self._output) - 1, item=item
        )

    def _item_id(self, prefix: str) -> str:
        index = len(self._output) + (self._item is not None)
        return f"{prefix}_{self._id.removeprefix('resp_')}_{index}"

    def _frame_deltas(self, kind: str, place: dict[str, Any], tail: bytes = b"") -> None:
        """Render once what all deltas of a block have in common."""
        self._head = b'event: %b\ndata: {"type":"%b",%b,"delta":' % (
            kind.encode(),
            kind.encode(),
            render(place)[1:-1],
        )
        self._tail = tail

    def _emit_delta(self, text: str) -> bytes:
        data = b'%b%b%b,"sequence_number":%d}\n\n' % (
            self._head,
            render(text),
            self._tail,
            self._sequence,
        )
        self._sequence += 1
        return data

    # Blocks

    def _open_block(self, event: BlockOpen) -> bytes:
        self._block = event
        self._text = []
        self._signature = None
        self._unwrapper = None
        if event.kind in _PARTS:
            return self._open_part(event.kind)
        if event.kind is BlockKind.REASONING:
            return b""  # opens with its first delta: an empty one without a carrier is nothing
        return self._open_tool(event)

    def _write_delta(self, text: str) -> bytes:
        if not text:
            return b""
        if self._unwrapper is not None:
            text = self._unwrapper.feed(text)
            if not text:
                return b""
        data = b""
        if self._block is not None and self._block.kind is BlockKind.REASONING and not self._text:
            data = self._open_summary()
        self._text.append(text)
        return data + self._emit_delta(text)

    def _close_block(self) -> bytes:
        block, self._block = self._block, None
        if block is None or block.kind in _PARTS:
            return self._close_part()
        if block.kind is BlockKind.REASONING:
            return self._close_reasoning(block)
        return self._close_tool(block)

    # Text and refusal

    def _open_part(self, kind: BlockKind) -> bytes:
        data = b""
        if self._item is None or self._item["type"] != "message":
            message = {"id": "", "type": "message", "status": "in_progress", "role": "assistant"}
            data += self._close_item("completed")
            message["id"] = self._item_id("msg")
            data += self._open_item({**message, "content": []})
        assert self._item is not None
        kind_name, field = _PARTS[kind]
        self._part = {"type": kind_name, field: ""}
        if kind is BlockKind.TEXT:
            self._part |= {"annotations": [], "logprobs": []}
        self._text = []
        self._citations = []
        place = self._place()
        if kind is BlockKind.TEXT:
            self._frame_deltas("response.output_text.delta", place, b',"logprobs":[]')
        else:
            self._frame_deltas("response.refusal.delta", place)
        data += self._emit("response.content_part.added", **place, part=self._part)
        return data

    def _place(self) -> dict[str, Any]:
        assert self._item is not None
        return {
            "item_id": self._item["id"],
            "output_index": len(self._output),
            "content_index": len(self._item["content"]),
        }

    def _write_annotation(self, event: Annotation) -> bytes:
        if self._part is None or self._part["type"] != "output_text":
            return b""
        if event.dialect == "anthropic_messages":
            self._citations.append(event)  # of the whole text, which is not whole yet
            return b""
        return self._emit_annotation(event)

    def _emit_annotation(self, event: Annotation) -> bytes:
        assert self._part is not None
        data = render_annotation(event, sum(map(len, self._text)))
        if data is None:
            return b""
        index = len(self._part["annotations"])
        self._part["annotations"].append(data)
        return self._emit(
            "response.output_text.annotation.added",
            **self._place(),
            annotation_index=index,
            annotation=data,
        )

    def _close_part(self) -> bytes:
        cited = b"".join(map(self._emit_annotation, self._citations))
        part, self._part = self._part, None
        assert part is not None
        assert self._item is not None
        text = "".join(self._text)
        place = self._place()
        if part["type"] == "output_text":
            part["text"] = text
            data = cited + self._emit("response.output_text.done", **place, text=text, logprobs=[])
        else:
            part["refusal"] = text
            data = self._emit("response.refusal.done", **place, refusal=text)
        data += self._emit("response.content_part.done", **place, part=part)
        self._item["content"].append(part)
        return data

    # Reasoning

    def _open_reasoning(self) -> bytes:
        assert self._block is not None
        item_id = self._block.id or ""
        data = self._close_item("completed")
        if not item_id.startswith("rs_") or any(item["id"] == item_id for item in self._output):
            item_id = self._item_id("rs")
        return data + self._open_item({"id": item_id, "type": "reasoning", "summary": []})

    def _open_summary(self) -> bytes:
        data = self._open_reasoning()
        place = self._summary_place()
        self._frame_deltas("response.reasoning_summary_text.delta", place)
        part = {"type": "summary_text", "text": ""}
        return data + self._emit("response.reasoning_summary_part.added", **place, part=part)

    def _summary_place(self) -> dict[str, Any]:
        assert self._item is not None
        return {
            "item_id": self._item["id"],
            "output_index": len(self._output),
            "summary_index": 0,
        }

    def _close_reasoning(self, block: BlockOpen) -> bytes:
        text = "".join(self._text)
        carried = self._carrier(text, block.id)
        data = b""
        if text:
            assert self._item is not None
            place = self._summary_place()
            part = {"type": "summary_text", "text": text}
            data += self._emit("response.reasoning_summary_text.done", **place, text=text)
            data += self._emit("response.reasoning_summary_part.done", **place, part=part)
            self._item["summary"].append(part)
        elif carried is not None:
            self._block = block
            data += self._open_reasoning()
            self._block = None
        else:
            return b""
        assert self._item is not None
        if carried is not None:
            self._item["encrypted_content"] = carried
        return data + self._close_item("completed")

    def _carrier(self, text: str, item_id: str | None) -> str | None:
        """What the client must send back with this reasoning: OpenAI's own, or an envelope."""
        signature, seal = self._signature, self._context.seal
        if not self._context.include_encrypted:
            return None
        if signature is not None and signature.carrier == "openai":
            return signature.data
        if seal is None or (signature is None and not text):
            return None
        if signature is None:
            return seal(TEXT_CARRIER, "", text, item_id)
        return seal(signature.carrier, signature.data, text, item_id)

    # Tools

    def _open_tool(self, event: BlockOpen) -> bytes:
        name = event.name or ""
        alias = self._context.tools.get(name) or ToolAlias(name, event.namespace)
        is_custom = alias.is_custom or event.kind is BlockKind.CUSTOM_TOOL
        if alias.is_custom and event.kind is BlockKind.TOOL:
            self._unwrapper = InputUnwrapper()
        data = self._close_item("completed")
        kind, prefix, field, delta = _TOOLS[is_custom]
        item: dict[str, Any] = {
            "id": self._item_id(prefix),
            "type": kind,
            "status": "in_progress",
            "call_id": event.id or f"call_{self._context.new_id()}",
            "name": alias.name,
            field: "",
        }
        if alias.namespace is not None:
            item["namespace"] = alias.namespace
        self._frame_deltas(delta, {"item_id": item["id"], "output_index": len(self._output)})
        return data + self._open_item(item)

    def _close_tool(self, block: BlockOpen) -> bytes:
        assert self._item is not None
        rest = self._unwrapper.close() if self._unwrapper is not None else ""
        self._unwrapper = None
        is_custom = self._item["type"] == "custom_tool_call"
        if not rest and not self._text and not is_custom:
            rest = "{}"
        data = b""
        if rest:
            self._text.append(rest)
            data = self._emit_delta(rest)
        text = "".join(self._text)
        place = {"item_id": self._item["id"], "output_index": len(self._output)}
        if is_custom:
            self._item["input"] = text
            return data + self._emit("response.custom_tool_call_input.done", **place, input=text)
        self._item["arguments"] = text
        return data + self._emit(
            "response.function_call_arguments.done",
            **place,
            name=self._item["name"],
            arguments=text,
        )


_TOOLS: Final = {
    False: (
        "function_call",
        "fc",
        "arguments",
        "response.function_call_arguments.delta",
    ),
    True: ("custom_tool_call", "ctc", "input", "response.custom_tool_call_input.delta"),
}
