"""What requests used, on its way to the ledger: batched, kept until acknowledged, never awaited.

An RPC puts its settlement down and is gone; one task of the process sends. Recording is
idempotent by request id, so everything unsure is sent again: a batch that failed, and, after the
auth service was lost, what it acknowledged of late (an acknowledged write can die in a fail-over).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import grpc
import grpc.aio

from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.logs import get_logger

BATCH_SIZE: Final = 64
BATCH_S: Final = 0.02
SEND_S: Final = 5.0
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_WAITING: Final = 200_000
REMEMBERED: Final = 10_000

Send = Callable[[Sequence[ledger_pb2.Settlement]], Awaitable[None]]

# Sending such a batch again would fail again: its items are tried one by one.
_REFUSED: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.NOT_FOUND}
)


def sender(stub: ledger_pb2_grpc.LedgerServiceStub) -> Send:
    """Settlements by LedgerService.Settle."""

    async def send(batch: Sequence[ledger_pb2.Settlement]) -> None:
        await stub.Settle(ledger_pb2.SettleRequest(settlements=batch), timeout=SEND_S)

    return send


class Outbox:
    """Settlements not yet acknowledged, and the last ones that were."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[ledger_pb2.Settlement] = deque()
        self._sent: deque[ledger_pb2.Settlement] = deque(maxlen=REMEMBERED)
        self._in_flight = 0
        self._taken_at: float | None = None  # monotonic; when the batch in flight was taken
        self._filled = asyncio.Event()
        self._full_batch = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._waiting) + self._in_flight

    def lag_s(self) -> float:
        """How long the batch at the head of the line has waited to be acknowledged."""
        taken_at = self._taken_at
        return 0.0 if taken_at is None else time.monotonic() - taken_at

    def put(self, settlement: ledger_pb2.Settlement) -> None:
        """Take a settlement; never waits."""
        if len(self._waiting) >= MAX_WAITING:
            lost = self._waiting.popleft()
            get_logger().error("settlement dropped: outbox full", request_id=lost.request_id)
        self._waiting.append(settlement)
        self._wake()

    def replay(self) -> None:
        """Send again what was acknowledged lately."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        if self._waiting:
            self._wake()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._filled.wait()
            if not self._full_batch.is_set():
                try:
                    async with asyncio.timeout(BATCH_S):
                        await self._full_batch.wait()
                except TimeoutError:
                    pass
            await self._deliver(self._take())
            self._settle_flags()

    async def drain(self, within_s: float) -> bool:
        """Wait until everything is acknowledged; False (and a log line) where it did not happen."""
        try:
            async with asyncio.timeout(within_s):
                await self._emptied.wait()
        except TimeoutError:
            get_logger().error("settlements left unsent", count=len(self))
            return False
        return True

    def _wake(self) -> None:
        self._emptied.clear()
        self._filled.set()
        if len(self._waiting) >= BATCH_SIZE:
            self._full_batch.set()

    def _take(self) -> list[ledger_pb2.Settlement]:
        size = min(BATCH_SIZE, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(size)]
        self._in_flight = size
        self._taken_at = time.monotonic()
        return batch

    def _settle_flags(self) -> None:
        if len(self._waiting) < BATCH_SIZE:
            self._full_batch.clear()
        if not self._waiting:
            self._filled.clear()
            self._emptied.set()

    async def _deliver(self, batch: list[ledger_pb2.Settlement]) -> None:
        """Send a batch until it is acknowledged."""
        failures = 0
        while batch:
            try:
                await self._send(batch)
                break
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSED:
                    batch = self._split(batch)
                    if not batch:
                        break
                    continue
                if failures == 0:
                    get_logger().warning(
                        "settlements wait", code=error.code().name, count=len(self)
                    )
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1
        self._sent.extend(batch)
        self._in_flight = 0
        self._taken_at = None

    def _split(self, batch: list[ledger_pb2.Settlement]) -> list[ledger_pb2.Settlement]:
        """Half of a refused batch, the rest put back; a single one that is refused is given up."""
        if len(batch) == 1:
            get_logger().error("settlement refused", request_id=batch[0].request_id)
            return []
        half = len(batch) // 2
        self._waiting.extendleft(reversed(batch[half:]))
        self._in_flight = half
        return batch[:half]
