"""Holds asked for at the same moment go to the ledger as one call: its price is mostly its own.

::

    nothing on its way   ──▶ a call at the end of this turn of the loop, with all that asked in it
    a call on its way    ──▶ when it is answered; after ``COMPANY_S`` in any case, so that an auth
                             that hangs keeps nobody but those who asked it
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc.aio

from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.faults import Reason, ServiceFault, fault_of, read_fault

HOLD_TIMEOUT_S: Final = 1.0
COMPANY_S: Final = 0.01
BATCH: Final = 64


@dataclass(slots=True)
class _Asked:
    request: ledger_pb2.HoldRequest
    answer: asyncio.Future[ledger_pb2.HoldResponse]


class HoldBatcher:
    """Every hold of the process passes here."""

    def __init__(self, ledger: ledger_pb2_grpc.LedgerServiceStub) -> None:
        self._ledger = ledger
        self._waiting: deque[_Asked] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._next: asyncio.Handle | None = None

    async def hold(self, request: ledger_pb2.HoldRequest) -> ledger_pb2.HoldResponse:
        """Make a hold. ServiceFault with what the ledger says, or what keeps it from answering."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ledger_pb2.HoldResponse] = loop.create_future()
        self._waiting.append(_Asked(request, answer))
        if self._next is None:
            self._plan(loop)
        return await answer

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        # In a context of its own: a call of many is no part of one request's trace.
        if self._calls:
            context = contextvars.Context()
            self._next = loop.call_later(COMPANY_S, self._send, context=context)
        else:
            self._next = loop.call_soon(self._send, context=contextvars.Context())

    def _send(self) -> None:
        """Call with those who wait; who gave up before is not held for."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        batch: list[_Asked] = []
        while self._waiting and len(batch) < BATCH:
            if not (asked := self._waiting.popleft()).answer.done():
                batch.append(asked)
        if batch:
            call = asyncio.create_task(self._call(batch))
            self._calls.add(call)
            call.add_done_callback(self._end)
        if self._waiting:
            self._plan(asyncio.get_running_loop())

    def _end(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._waiting:
            self._send()

    async def _call(self, batch: Sequence[_Asked]) -> None:
        request = ledger_pb2.HoldBatchRequest(holds=[asked.request for asked in batch])
        try:
            response = await self._ledger.HoldBatch(request, timeout=HOLD_TIMEOUT_S)
            for asked, answer in zip(batch, response.answers, strict=True):
                _tell(asked, answer)
        except grpc.aio.AioRpcError as error:
            for asked in batch:
                if not asked.answer.done():
                    asked.answer.set_exception(fault_of(error))
        finally:
            for asked in batch:
                asked.answer.cancel()  # no effect on one that is answered


def _tell(asked: _Asked, answer: ledger_pb2.HoldAnswer) -> None:
    if asked.answer.done():
        return  # the request was cancelled; who cancels voids
    if answer.HasField("held"):
        asked.answer.set_result(answer.held)
    else:
        fault = read_fault(answer.refusal)
        asked.answer.set_exception(fault or ServiceFault(Reason.INTERNAL, "The hold failed."))
