"""One request, one answer and one stream carried from dialect to dialect through the hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dialects.conversation import Conversation
from dialects.dialect import AnswerContext, Dialect, EncodeContext, Reader, Writer
from dialects.errors import Fault, RemoteDialectError, refuse_feature
from dialects.events import (
    NEED_DATA,
    BlockDelta,
    BlockOpen,
    End,
    Event,
    Failure,
    Start,
    UsageReport,
)
from dialects.stop import StopCutter
from dialects.usage import Usage

MAX_WARNING_CHARS: Final = 1_000
MAX_FIELD_CHARS: Final = 80

_ILLEGIBLE: Final = re.compile(r"[^A-Za-z0-9_.=\[\]-]")


@dataclass(frozen=True, slots=True)
class CarriedRequest:
    """A request in the upstream's dialect.

    ``warnings`` are "field=what" words for ``x-gatebeyz-warnings``. ``answer_context_fields`` are
    the fields of :class:`AnswerContext` that the request decides; the caller adds its own
    (model, request_id, now, new_id, input_estimate, seal).
    """

    body: dict[str, Any]
    warnings: list[str]
    answer_context_fields: dict[str, Any]


def carry_request(
    source: Dialect,
    target: Dialect,
    body: dict[str, Any],
    context: EncodeContext,
    *,
    headers: Mapping[str, str] | None = None,
    strict: bool = False,
) -> CarriedRequest:
    """Translate one request body; ``context`` is filled on the way.

    ``headers`` are the client's, by lower-case name. RemoteDialectError where the request is wrong
    or cannot be carried; with ``strict`` also where anything would be changed or left out.
    """
    source.check_headers(body, headers or {})
    conversation = source.decode_request(body)
    try:
        encoded = target.encode_request(conversation, context)
    except RemoteDialectError as error:
        param = error.fault.param
        known = _client_name(source, param) if param else None
        raise RemoteDialectError(replace(error.fault, param=known)) from None
    warnings = [_client_name(source, warning) for warning in conversation.warnings]
    if strict and warnings:
        field, _, what = warnings[0].partition("=")
        raise refuse_feature(f"would be {what} on the way to this model", field)
    return CarriedRequest(
        body=encoded,
        warnings=legible_warnings(warnings),
        answer_context_fields=_answer_fields(conversation, context, body),
    )


def _client_name(source: Dialect, path: str) -> str:
    """A field's path as the client knows it: its longest known beginning is renamed."""
    end = len(path)
    while end > 0:
        name = path[:end]
        if name in source.field_names:
            return source.field_names[name] + path[end:]
        end = max(name.rfind("."), name.rfind("["), name.rfind("="))
    return path


def legible_warnings(warnings: Iterable[str]) -> list[str]:
    """Warnings fit for a header: some name a field the client made up. 1 KB in all."""
    legible: dict[str, None] = {}
    left = MAX_WARNING_CHARS
    for warning in warnings:
        text = _ILLEGIBLE.sub("_", warning[:MAX_FIELD_CHARS])
        if text not in legible and len(text) < left:
            legible[text] = None
            left -= len(text) + 1
    return list(legible)


def _answer_fields(
    conversation: Conversation, context: EncodeContext, body: dict[str, Any]
) -> dict[str, Any]:
    return {
        "include_usage": conversation.include_usage,
        "include_encrypted": conversation.reasoning.keep_encrypted,
        "stops": list(context.stops),
        "tools": dict(context.tools),
        "request": body,
    }


class _Flow:
    """Events of one answer on their way, with what was seen of them.

    Where the upstream never says what it wrote, or is cut before it can, its deltas are counted:
    a token each, at least.
    """

    def __init__(self, reader: Reader, stops: Sequence[str]) -> None:
        self._reader = reader
        self._cutter = StopCutter(stops) if stops else None
        self._deltas = 0
        self.usage = Usage()
        self.failure: Fault | None = None
        self.is_finished = False
        self.has_content = False

    def receive_data(self, data: bytes) -> list[Event]:
        self._reader.receive_data(data)
        return self._drain()

    def close(self) -> list[Event]:
        self._reader.close()
        return self._drain()

    @property
    def is_cut(self) -> bool:
        return self._cutter is not None and self._cutter.is_cut

    def _drain(self) -> list[Event]:
        events: list[Event] = []
        next_event, cutter = self._reader.next_event, self._cutter
        while (event := next_event()) is not NEED_DATA:
            if type(event) is BlockDelta:
                self._deltas += 1
                if cutter is None:
                    events.append(event)
                    continue
            elif isinstance(event, (Start, UsageReport)):
                self.usage = self.usage.merge(event.usage)
            for shown in (event,) if cutter is None else cutter.pass_event(event):
                self._pass(shown, events)
        return events

    def _pass(self, event: Event, events: list[Event]) -> None:
        match event:
            case BlockOpen():
                self.has_content = True
            case End():
                self.is_finished = True
                self._guess_output(events)
            case Failure():
                self.failure = event.fault
        events.append(event)

    def _guess_output(self, events: list[Event]) -> None:
        if self.usage.output is None or self.is_cut:
            output = max(self.usage.output or 0, self._deltas)
            guess = Usage(output=output, estimated=True)
            self.usage = self.usage.merge(guess)
            events.append(UsageReport(guess))


class StreamBridge:
    """An upstream's stream in, the client's stream out.

    ``usage`` is what the upstream reported so far, for the ledger: never the translated numbers.
    ``finished`` and ``failed`` tell how the stream ended; ``is_cut`` that an emulated stop
    sequence ended it and the upstream is to be closed.
    """

    def __init__(self, reader: Reader, writer: Writer, stops: Sequence[str] = ()) -> None:
        self._flow = _Flow(reader, stops)
        self._writer = writer

    def receive_data(self, data: bytes) -> bytes:
        """The client's bytes for the upstream's; b"" while there are none."""
        return b"".join(map(self._writer.send, self._flow.receive_data(data)))

    def close(self) -> bytes:
        """The upstream closed; a stream without its end becomes a failure in the client's terms."""
        return b"".join(map(self._writer.send, self._flow.close()))

    @property
    def usage(self) -> Usage:
        return self._flow.usage

    @property
    def finished(self) -> bool:
        return self._flow.is_finished

    @property
    def failed(self) -> Fault | None:
        return self._flow.failure

    @property
    def is_cut(self) -> bool:
        return self._flow.is_cut

    @property
    def has_content(self) -> bool:
        """Whether the answer itself began: failing over is safe only before."""
        return self._flow.has_content


class AnswerFold:
    """An upstream's stream in, the client's whole answer out: for clients that do not stream."""

    def __init__(self, source: Dialect, target: Dialect, context: AnswerContext) -> None:
        self._flow = _Flow(source.reader(), context.stops)
        self._target = target
        self._context = context
        self._events: list[Event] = []

    def receive_data(self, data: bytes) -> None:
        self._events += self._flow.receive_data(data)

    def close(self) -> dict[str, Any]:
        """The body; RemoteDialectError with the upstream's fault where the stream failed."""
        self._events += self._flow.close()
        if self._flow.failure is not None:
            raise RemoteDialectError(self._flow.failure)
        return self._target.write_answer(self._events, self._context)

    @property
    def usage(self) -> Usage:
        return self._flow.usage

    @property
    def finished(self) -> bool:
        return self._flow.is_finished

    @property
    def failed(self) -> Fault | None:
        return self._flow.failure

    @property
    def is_cut(self) -> bool:
        return self._flow.is_cut


def fold(
    source: Dialect, target: Dialect, chunks: Iterable[bytes], context: AnswerContext
) -> dict[str, Any]:
    """A recorded or collected stream as one body of the client's dialect."""
    folding = AnswerFold(source, target, context)
    for chunk in chunks:
        folding.receive_data(chunk)
    return folding.close()


def carry_answer(
    source: Dialect, target: Dialect, body: dict[str, Any], context: AnswerContext
) -> dict[str, Any]:
    """Translate one whole answer; RemoteDialectError where it tells an error."""
    events: Iterable[Event] = source.read_answer(body)
    if context.stops:
        cutter = StopCutter(context.stops)
        events = [shown for event in events for shown in cutter.pass_event(event)]
    events = list(events)
    for event in events:
        if isinstance(event, Failure):
            raise RemoteDialectError(event.fault)
    return target.write_answer(events, context)
