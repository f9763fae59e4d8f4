"""An upstream's answer on its way back: read in its dialect, written in the caller's.

The upstream was asked for a stream; what it sent instead under 200 (a whole body, an error, a page
of HTML) is read all the same. Until the first bytes go out an error still becomes a status.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import grpc.aio

from dialects import json_text
from dialects.bridge import AnswerFold, StreamBridge
from dialects.dialect import AnswerContext, Dialect
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.usage import Usage
from gatebeyz.inference.v1 import inference_pb2

# Beyond this an answer that is folded in memory is an attack or a fault.
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
MAX_ERROR_BYTES: Final = 1024 * 1024

# Faults another route may not have; they are worth a try while nothing went out yet.
_MOVES_ON: Final = frozenset(
    {
        FaultClass.OVERLOADED,
        FaultClass.UPSTREAM_RATE_LIMITED,
        FaultClass.UPSTREAM_ERROR,
        FaultClass.TIMEOUT,
    }
)
_TOO_LARGE: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream's answer is too large.")

Generated = inference_pb2.GenerateResponse


class AnswerCarrier:
    """Carries one answer.

    ``make_context`` is awaited when the answer is certain, so that nothing waits for it before.
    Unless ``is_last``, an upstream that fails before its first byte gives no messages and sets
    ``is_refused``: another one should be tried.
    """

    def __init__(
        self,
        source: Dialect,
        target: Dialect,
        request_id: str,
        make_context: Callable[[], Awaitable[AnswerContext]],
        *,
        is_last: bool,
    ) -> None:
        self._source = source  # the caller's
        self._target = target  # the upstream's
        self._request_id = request_id
        self._make_context = make_context
        self._is_last = is_last
        self.is_refused = False

    def carry(self, first: Generated, call: Any, *, is_stream: bool) -> AsyncIterator[Generated]:
        """The messages for the caller. The call is cancelled where a stop sequence cuts it."""
        if first.head.status >= 400:
            return self._error(first, call)
        return self._stream(first, call) if is_stream else self._folded(first, call)

    async def _error(self, first: Generated, call: Any) -> AsyncIterator[Generated]:
        body, outcome = bytearray(), inference_pb2.Outcome()
        answer: Any = first
        while answer is not grpc.aio.EOF:
            body += answer.chunk[: MAX_ERROR_BYTES - len(body)]
            if answer.HasField("outcome"):
                outcome = answer.outcome
            answer = await call.read()
        fault = self._target.parse_fault(first.head.status, bytes(body))
        for answer in self._fault(first.head, fault, outcome):
            yield answer

    async def _folded(self, first: Generated, call: Any) -> AsyncIterator[Generated]:
        folding = AnswerFold(self._target, self._source, await self._make_context())
        outcome, size = inference_pb2.Outcome(), 0
        answer: Any = first
        while answer is not grpc.aio.EOF:
            size += len(answer.chunk)
            folding.receive_data(answer.chunk)
            if answer.HasField("outcome"):
                outcome = answer.outcome
            if folding.is_cut:
                outcome = _cut_outcome(folding.usage)
            if folding.is_cut or size > MAX_ANSWER_BYTES:
                call.cancel()
                break
            answer = await call.read()
        try:
            body = folding.close()
        except RemoteDialectError as error:
            fault = _TOO_LARGE if size > MAX_ANSWER_BYTES else error.fault
            for message in self._fault(first.head, fault, outcome):
                yield message
            return
        yield _message(first.head, 200, json_text.render(body), outcome)

    async def _stream(self, first: Generated, call: Any) -> AsyncIterator[Generated]:
        context = await self._make_context()
        bridge = StreamBridge(self._target.reader(), self._source.writer(context), context.stops)
        head: inference_pb2.Head | None = first.head
        outcome = inference_pb2.Outcome()
        answer: Any = first
        while True:
            data = bridge.receive_data(answer.chunk)
            is_over = answer.HasField("outcome")
            if is_over:
                outcome = answer.outcome
            if bridge.is_cut:
                call.cancel()
                outcome = _cut_outcome(bridge.usage)
            if is_over or bridge.is_cut or bridge.failed is not None:
                break
            if data:
                yield Generated(head=_stream_head(head), chunk=data)
                head, data = None, b""
            answer = await call.read()
            if answer is grpc.aio.EOF:
                break
        data += bridge.close()
        if head is not None and bridge.failed is not None:
            for message in self._fault(head, bridge.failed, outcome):
                yield message
            return
        # Whatever befell the upstream, the bridge has ended the stream in the caller's dialect.
        done = bridge.finished and bridge.failed is None
        outcome.end = inference_pb2.END_COMPLETE if done else inference_pb2.END_UPSTREAM_ERROR
        yield Generated(head=_stream_head(head), chunk=data, outcome=outcome, complete=True)

    def _fault(self, head: inference_pb2.Head, fault: Fault, outcome: Any) -> Iterator[Generated]:
        """An error in the caller's dialect, with what its SDK should know of trying again."""
        if fault.kind in _MOVES_ON and not self._is_last:
            self.is_refused = True
            return
        status, rendered = self._source.render_fault(fault, self._request_id)
        if fault.retry_after_s is not None and "retry-after" not in head.headers:
            head.headers["retry-after"] = str(fault.retry_after_s)
        if fault.retryable is not None:
            head.headers["x-should-retry"] = "true" if fault.retryable else "false"
        outcome.end = inference_pb2.END_UPSTREAM_ERROR
        yield _message(head, status, json_text.render(rendered), outcome)


def _stream_head(head: inference_pb2.Head | None) -> inference_pb2.Head | None:
    if head is not None:
        head.headers["content-type"] = "text/event-stream; charset=utf-8"
    return head


def _message(head: inference_pb2.Head, status: int, body: bytes, outcome: Any) -> Generated:
    head.status = status
    head.headers["content-type"] = "application/json"
    return Generated(head=head, chunk=body, outcome=outcome, complete=True)


def _cut_outcome(usage: Usage) -> inference_pb2.Outcome:
    """What an answer cut by us used: the upstream was closed before it could say."""
    return inference_pb2.Outcome(
        end=inference_pb2.END_COMPLETE,
        usage=inference_pb2.Usage(
            input_tokens=usage.input or 0,
            cache_read_tokens=usage.cache_read or 0,
            cache_write_5m_tokens=usage.cache_write_5m or 0,
            cache_write_1h_tokens=usage.cache_write_1h or 0,
            output_tokens=usage.output or 0,
            reasoning_tokens=usage.reasoning or 0,
            estimated=True,
        ),
    )
