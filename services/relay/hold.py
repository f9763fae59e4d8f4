"""Prepaid requests: money is set aside before the upstream is called, and never runs out unseen.

::

    open ── one Hold ──▶ upstream is called ──▶ notice(tokens) per chunk, a comparison
      │                      │                     └─ at 75 % of a slice: Progress with more wanted
      └─ CREDIT_EXHAUSTED    └─ each 5 s: one Progress for every hold of the process
                             └─ the end: a settlement (services.relay.settlement), or a Void

A hold covers the whole bound where the wallet can pay it, else a slice of the output that grows
while the answer streams. An answer that comes whole cannot be stopped in its middle, so it needs
the whole bound. When the wallet has nothing left to extend a slice with, the stream runs to the
last token that is paid for and ends with CREDIT_EXHAUSTED.

While the ledger is away running requests go on: what they use is settled when it is back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger
from services.relay.bound import RequestBound, bound_of
from services.relay.hold_batch import HoldBatcher
from services.relay.order import Order
from services.relay.revocation import REVOKED

SLICE_TOKENS: Final = 4_096
EXTEND_AT: Final = 0.75
# A hold's life on the store's clock; it is kept alive six times in it.
HOLD_S: Final = 30.0
KEPT_TIMES: Final = 6
PROGRESS_TIMEOUT_S: Final = 1.0
VOID_TIMEOUT_S: Final = 5.0
COUNT_TIMEOUT_S: Final = 2.0
AGAIN_S: Final = 1.0
BATCH: Final = 256
# What a count may be wrong by: its own statement doubled, and a provider's framing.
COUNT_MARGIN: Final = 2.0
COUNT_SPARE: Final = 512

Usage = Callable[[], inference_pb2.Usage]
Count = Callable[[Order], Awaitable[int | None]]

_NEVER: Final = math.inf


@dataclass(slots=True)
class Seat:
    """What a hold needs of the request it belongs to.

    ``used`` tells the usage so far, ``known_input`` the whole input once the upstream told it,
    ``end`` ends the request with a fault.
    """

    order: Order
    started_ms: int
    used: Usage
    known_input: Callable[[], int | None]
    end: Callable[[ServiceFault], None]


class Hold:
    """One open hold. ``notice`` is called with every chunk and costs two comparisons."""

    def __init__(self, holds: Holds, seat: Seat, bound: RequestBound, covered: int) -> None:
        self._holds = holds
        self.seat = seat
        self.bound = bound
        self.is_void = False
        self._extend_at = _NEVER
        self._stop_at = _NEVER
        self._cover(covered)

    def notice(self, output_tokens: int) -> None:
        """Note how much output has gone by."""
        if output_tokens >= self._stop_at:
            self._stop_at = _NEVER
            self.seat.end(exhausted())
        elif output_tokens >= self._extend_at:
            self._extend_at = _NEVER
            self._holds.extend(self)

    def close(self, *, void: bool) -> None:
        """Let go of it: its settlement is on its way, or nothing reached an upstream."""
        self.is_void = void
        self._holds.forget(self)
        if void:
            self._holds.void(self.seat.order)

    @property
    def next_cover(self) -> int:
        """How much output to cover next."""
        return min(self.bound.output, self._covered + SLICE_TOKENS)

    def take(self, status: ledger_pb2.HoldStatus) -> None:
        """Act on what the ledger says of an extension."""
        covered = max(self._covered, status.output_tokens)
        is_last = status.state == ledger_pb2.HOLD_STATE_EXHAUSTED or covered == self._covered
        self._cover(covered)
        if is_last and covered < self.bound.output:
            self._extend_at, self._stop_at = _NEVER, covered

    def rearm(self) -> None:
        """Ask for more with the next chunk: the last attempt came to nothing."""
        self._extend_at = 0

    def _cover(self, covered: int) -> None:
        self._covered = covered
        is_whole = covered >= self.bound.output
        self._extend_at = _NEVER if is_whole else covered - SLICE_TOKENS * (1 - EXTEND_AT)


class Holds:
    """Every open hold of the process. ``on_store`` hears the store's identity with each answer."""

    def __init__(
        self,
        ledger: ledger_pb2_grpc.LedgerServiceStub,
        hold_s: float = HOLD_S,
        *,
        count: Count | None = None,
        on_store: Callable[[str], None] = lambda _store_id: None,
    ) -> None:
        self._ledger = ledger
        self._batcher = HoldBatcher(ledger)
        self._every_s = hold_s / KEPT_TIMES
        self._count = count
        self._on_store = on_store
        self._open: set[Hold] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, seat: Seat) -> Hold:
        """Make the one hold of a request. ServiceFault CREDIT_EXHAUSTED where it does not fit."""
        bound = bound_of(seat.order)
        try:
            bound, answer = await self._hold_counted(seat, bound)
        except (asyncio.CancelledError, ServiceFault) as error:
            # Whether the hold was made is not known; voiding one that was not does no harm.
            if not _is_refusal(error):
                self.void(seat.order)
            raise
        hold = Hold(self, seat, bound, answer.output_tokens)
        self._open.add(hold)
        return hold

    def extend(self, hold: Hold) -> None:
        """Ask for more output; the answer comes to the hold."""
        self._track(self._extend(hold))

    def void(self, order: Order) -> None:
        """Give a hold back, in a task of its own: its request may be cancelled already."""
        self._track(self._void(order))

    def forget(self, hold: Hold) -> None:
        """Stop keeping a hold alive."""
        self._open.discard(hold)

    async def run(self) -> None:
        """Keep every open hold alive for ever; also hears the store when there is none."""
        while True:
            await asyncio.sleep(self._every_s)
            holds = list(self._open)
            for start in range(0, max(1, len(holds)), BATCH):
                await self._keep(holds[start : start + BATCH])

    async def drain(self) -> None:
        """Wait for voids and extensions that are on their way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _hold_counted(
        self, seat: Seat, bound: RequestBound
    ) -> tuple[RequestBound, ledger_pb2.HoldResponse]:
        """Hold by the bytes; where that is too much, by the counter's word."""
        try:
            return bound, await self._hold(seat, bound)
        except ServiceFault as fault:
            is_short = fault.reason is Reason.CREDIT_EXHAUSTED
            if not is_short or not bound.is_textual or self._count is None:
                raise
            tokens = await self._count(seat.order)
            if tokens is None or tokens >= bound.input:
                raise
        bound = bound.with_input(tokens)
        return bound, await self._hold(seat, bound)

    async def _hold(self, seat: Seat, bound: RequestBound) -> ledger_pb2.HoldResponse:
        order = seat.order
        request = ledger_pb2.HoldRequest(
            request_id=order.request.request_id,
            account_id=order.grant.account_id,
            key_id=order.grant.key_id,
            model=order.model.id,
            bound=_bound_message(bound, bound.output),
            slice_tokens=SLICE_TOKENS if order.request.stream else 0,
        )
        request.started_at.FromMilliseconds(seat.started_ms)
        answer = await self._batcher.hold(request)
        self._on_store(answer.store_id)
        return answer

    async def _extend(self, hold: Hold) -> None:
        message = _progress(hold)
        bound = hold.bound
        if (known := hold.seat.known_input()) is not None:
            # What was held for input that never was pays for output.
            bound = bound.with_input(known)
        message.wanted.CopyFrom(_bound_message(bound, hold.next_cover))
        statuses = await self._progress([message])
        if statuses is None:
            await asyncio.sleep(AGAIN_S)
            hold.rearm()
        elif hold in self._open:
            await self._take(hold, statuses[0], is_extension=True)

    async def _keep(self, holds: Sequence[Hold]) -> None:
        statuses = await self._progress([_progress(hold) for hold in holds])
        for hold, status in zip(holds, statuses or (), strict=statuses is not None):
            if hold in self._open:
                await self._take(hold, status)

    async def _progress(
        self, messages: list[ledger_pb2.HoldProgress]
    ) -> Sequence[ledger_pb2.HoldStatus] | None:
        """None where the ledger is away."""
        request = ledger_pb2.ProgressRequest(holds=messages)
        try:
            answer = await self._ledger.Progress(request, timeout=PROGRESS_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            get_logger().warning("holds not kept", code=error.code().name, count=len(messages))
            return None
        self._on_store(answer.store_id)
        statuses: Sequence[ledger_pb2.HoldStatus] = answer.holds
        return statuses

    async def _take(
        self, hold: Hold, status: ledger_pb2.HoldStatus, *, is_extension: bool = False
    ) -> None:
        request_id = hold.seat.order.request.request_id
        match status.state:
            case ledger_pb2.HOLD_STATE_REVOKED:
                hold.seat.end(REVOKED)
            case ledger_pb2.HOLD_STATE_MISSING:
                get_logger().warning("hold lost by the store", request_id=request_id)
                await self._hold_again(hold)
            case ledger_pb2.HOLD_STATE_CLOSED:
                # It was silent for too long and settled as estimated; the exact record follows.
                get_logger().warning("hold settled while it ran", request_id=request_id)
                self.forget(hold)
            case _ if is_extension:
                hold.take(status)

    async def _hold_again(self, hold: Hold) -> None:
        try:
            answer = await self._hold(hold.seat, hold.bound)
        except ServiceFault as fault:
            if fault.reason is Reason.CREDIT_EXHAUSTED:
                hold.seat.end(fault)
            return
        hold.take(ledger_pb2.HoldStatus(output_tokens=answer.output_tokens))
        if hold.is_void:
            # The void that was told met no hold. A settlement, though, is still on its way (or
            # the hold were refused) and ends this one: a void before it would be the last word.
            self.void(hold.seat.order)

    async def _void(self, order: Order) -> None:
        voided = ledger_pb2.VoidedHold(
            request_id=order.request.request_id,
            account_id=order.grant.account_id,
            key_id=order.grant.key_id,
            model=order.model.id,
        )
        try:
            request = ledger_pb2.VoidRequest(holds=[voided])
            await self._ledger.Void(request, timeout=VOID_TIMEOUT_S, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            # The reaper gives it back when its time is over.
            get_logger().warning("hold not voided", code=error.code().name)

    def _track(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def counting(stub: counter_pb2_grpc.CounterServiceStub) -> Count:
    """An upper bound of a request's input by CounterService; None where it cannot tell."""

    async def count(order: Order) -> int | None:
        item = counter_pb2.CountItem(
            model=order.model.id, body=order.body, dialect=order.request.dialect
        )
        request = counter_pb2.CountTokensRequest(items=[item])
        try:
            async for answer in stub.CountTokens(request, timeout=COUNT_TIMEOUT_S):
                if answer.HasField("count") and not answer.count.error_reason:
                    share = 1 + COUNT_MARGIN * answer.count.error_p90
                    most: int = math.ceil(answer.count.tokens * share)
                    return most + COUNT_SPARE
        except grpc.aio.AioRpcError as error:
            get_logger().warning("input not counted", code=error.code().name)
        return None

    return count


def exhausted() -> ServiceFault:
    """The end of a stream whose wallet is empty."""
    message = "Your credits are used up. What came so far is complete as it stands."
    return ServiceFault(Reason.CREDIT_EXHAUSTED, message)


def _progress(hold: Hold) -> ledger_pb2.HoldProgress:
    order = hold.seat.order
    return ledger_pb2.HoldProgress(
        request_id=order.request.request_id,
        account_id=order.grant.account_id,
        key_id=order.grant.key_id,
        model=order.model.id,
        usage=hold.seat.used(),
    )


def _bound_message(bound: RequestBound, output: int) -> ledger_pb2.Bound:
    return ledger_pb2.Bound(
        input_tokens=bound.input,
        output_tokens=output,
        writes_cache_5m=bound.writes_cache_5m,
        writes_cache_1h=bound.writes_cache_1h,
    )


def _is_refusal(error: BaseException) -> bool:
    """Whether the ledger said no, in so many words: then there is no hold of ours."""
    refusals = (Reason.CREDIT_EXHAUSTED, Reason.CONFLICT, Reason.MODEL_UNKNOWN)
    return isinstance(error, ServiceFault) and error.reason in refusals
