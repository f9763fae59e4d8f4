"""What requests used, on its way to the ledger: batched, kept until acknowledged, never awaited.

An RPC puts its settlement down and is gone; one task of the process sends. Recording is
idempotent by request id, so everything unsure is sent again: a batch that failed; what was
acknowledged of late, when auth tells of another store than before (an acknowledged write can die
in a fail-over); and, after a restart, what the outbox file kept.
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
from services.relay.outbox_file import OutboxFile

BATCH_SIZE: Final = 64
BATCH_S: Final = 0.05
SEND_S: Final = 5.0
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_WAITING: Final = 200_000
REMEMBER_S: Final = 600.0
REMEMBERED: Final = 100_000
REPLAY_INTERVAL_S: Final = 3.0

# Sends a batch and gives the identity of the store that has it.
Send = Callable[[Sequence[ledger_pb2.Settlement]], Awaitable[str]]

# Sending such a batch again would fail again: its items are tried one by one.
_REFUSED: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.NOT_FOUND}
)


def sender(stub: ledger_pb2_grpc.LedgerServiceStub) -> Send:
    """Settlements by LedgerService.Settle."""

    async def send(batch: Sequence[ledger_pb2.Settlement]) -> str:
        request = ledger_pb2.SettleRequest(settlements=batch)
        answer: ledger_pb2.SettleResponse = await stub.Settle(request, timeout=SEND_S)
        return answer.store_id

    return send


class Outbox:
    """Settlements not yet acknowledged, and those that were within ``REMEMBER_S``."""

    def __init__(self, send: Send, file: OutboxFile | None = None) -> None:
        self._send = send
        self._file = file
        self._waiting: deque[ledger_pb2.Settlement] = deque()
        # In bytes: a message object takes ten times as much.
        self._sent: deque[tuple[float, bytes]] = deque(maxlen=REMEMBERED)
        self._store_id = ""
        self._is_doubted = False
        self._replayed_at = -REPLAY_INTERVAL_S
        self._in_flight: list[ledger_pb2.Settlement] = []
        self._taken_at: float | None = None  # monotonic; when the batch in flight was taken
        self._filled = asyncio.Event()
        self._full_batch = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._in_flight)

    @property
    def is_healthy(self) -> bool:
        """Whether settlements are as safe as they are meant to be."""
        return self._file is None or self._file.is_healthy

    def lag_s(self) -> float:
        """How long the batch at the head of the line has waited to be acknowledged."""
        taken_at = self._taken_at
        return 0.0 if taken_at is None else time.monotonic() - taken_at

    def put(self, settlement: ledger_pb2.Settlement) -> None:
        """Take a settlement; never waits."""
        if self._file is not None:
            self._file.settle(settlement)
        if len(self._waiting) >= MAX_WAITING:
            lost = self._waiting.popleft()
            get_logger().error("settlement dropped: outbox full", request_id=lost.request_id)
        self._waiting.append(settlement)
        if self._file is not None:
            self._turn(self._file)
        self._wake()

    def begin(self, estimate: ledger_pb2.Settlement) -> None:
        """A request goes to an upstream; ``estimate`` is recorded should this process die."""
        if self._file is not None:
            self._file.begin(estimate)

    def recover(self) -> None:
        """Send what an earlier process left in the file."""
        if self._file is not None:
            self._waiting.extend(self._file.replay())
            self._file.rotate(self._waiting)
        if self._waiting:
            get_logger().info("settlements recovered", count=len(self._waiting))
            self._wake()

    def notice_store(self, store_id: str) -> None:
        """Hear which store answered; another one than before may have forgotten something.

        Each answer names the store it was begun with, so whatever an old store took is followed
        by a change to the new one. While auth processes disagree it changes to and fro: telling
        again once in a while is enough.
        """
        if store_id and self._store_id not in ("", store_id):
            self._is_doubted = True
        self._store_id = store_id or self._store_id
        now = time.monotonic()
        if self._is_doubted and now - self._replayed_at >= REPLAY_INTERVAL_S:
            self._is_doubted, self._replayed_at = False, now
            get_logger().warning("store replaced: settling again", count=len(self._sent))
            self.replay()

    def replay(self) -> None:
        """Send again what was acknowledged lately."""
        self._forget(time.monotonic())
        again = [ledger_pb2.Settlement.FromString(sent) for _, sent in self._sent]
        self._waiting.extendleft(reversed(again))
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

    def _turn(self, file: OutboxFile) -> None:
        """Leave a full file for a new one that begins with what is unsent."""
        if file.is_full():
            file.rotate([*self._in_flight, *self._waiting])

    def _wake(self) -> None:
        self._emptied.clear()
        self._filled.set()
        if len(self._waiting) >= BATCH_SIZE:
            self._full_batch.set()

    def _take(self) -> list[ledger_pb2.Settlement]:
        size = min(BATCH_SIZE, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(size)]
        self._in_flight = batch
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
        failures, store_id = 0, ""
        while batch:
            try:
                store_id = await self._send(batch)
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
        now = time.monotonic()
        self._sent.extend((now, settlement.SerializeToString()) for settlement in batch)
        self._forget(now)
        self._in_flight = []
        self._taken_at = None
        self.notice_store(store_id)

    def _forget(self, now: float) -> None:
        """Drop what was sent too long ago to be sent again."""
        while self._sent and self._sent[0][0] < now - REMEMBER_S:
            self._sent.popleft()

    def _split(self, batch: list[ledger_pb2.Settlement]) -> list[ledger_pb2.Settlement]:
        """Half of a refused batch, the rest put back; a single one that is refused is given up."""
        if len(batch) == 1:
            get_logger().error("settlement refused", request_id=batch[0].request_id)
            return []
        half = len(batch) // 2
        self._waiting.extendleft(reversed(batch[half:]))
        self._in_flight = batch[:half]
        return batch[:half]
