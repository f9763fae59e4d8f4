"""The outbox: batches, patience, and settling again when the store may have forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import grpc.aio
import pytest

from gatebeyz.ledger.v1 import ledger_pb2
from services.relay import settlement as module
from services.relay.outbox_file import OutboxFile
from services.relay.settlement import Outbox


class Ledger:
    """Takes batches; ``fails`` of them with a status first."""

    def __init__(self, *fails: grpc.StatusCode) -> None:
        self.batches: list[list[str]] = []
        self.fails = list(fails)
        self.store_id = "one"

    async def send(self, batch: Sequence[ledger_pb2.Settlement]) -> str:
        if self.fails:
            code = self.fails.pop(0)
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())
        self.batches.append([one.request_id for one in batch])
        return self.store_id

    @property
    def names(self) -> list[str]:
        return [name for batch in self.batches for name in batch]


def settlement(request_id: str) -> ledger_pb2.Settlement:
    return ledger_pb2.Settlement(request_id=request_id, account_id="acc")


@contextlib.asynccontextmanager
async def sending(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    try:
        yield
        assert await outbox.drain(2)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_S", (0.0,))


async def test_what_comes_together_goes_together() -> None:
    ledger = Ledger()
    outbox = Outbox(ledger.send)
    async with sending(outbox):
        for number in range(130):
            outbox.put(settlement(f"r{number}"))
    assert [len(batch) for batch in ledger.batches] == [64, 64, 2]
    assert ledger.names == [f"r{number}" for number in range(130)]


async def test_a_ledger_that_is_away_is_asked_again() -> None:
    ledger = Ledger(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    outbox = Outbox(ledger.send)
    async with sending(outbox):
        outbox.put(settlement("r1"))
    assert ledger.names == ["r1"]


async def test_one_that_is_refused_holds_no_other_back() -> None:
    ledger = Ledger()
    poison = "r2"

    async def send(batch: Sequence[ledger_pb2.Settlement]) -> str:
        if any(one.request_id == poison for one in batch):
            code = grpc.StatusCode.INVALID_ARGUMENT
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())
        return await ledger.send(batch)

    outbox = Outbox(send)
    async with sending(outbox):
        for number in range(5):
            outbox.put(settlement(f"r{number}"))
    assert sorted(ledger.names) == ["r0", "r1", "r3", "r4"]


async def test_another_store_is_told_everything_again_once() -> None:
    ledger = Ledger()
    outbox = Outbox(ledger.send)
    async with sending(outbox):
        outbox.put(settlement("r1"))
        assert await outbox.drain(2)
        outbox.notice_store("one")
        assert ledger.names == ["r1"]
        ledger.store_id = "two"
        outbox.notice_store("two")
        assert await outbox.drain(2)
        outbox.notice_store("two")
    assert ledger.names == ["r1", "r1"]


async def test_a_restart_sends_what_the_file_kept(tmp_path: Path) -> None:
    ledger = Ledger()
    file = OutboxFile(tmp_path)
    outbox = Outbox(ledger.send, file)
    outbox.recover()
    outbox.begin(settlement("cut off"))
    outbox.put(settlement("unsent"))
    file.close()

    file = OutboxFile(tmp_path)
    outbox = Outbox(ledger.send, file)
    outbox.recover()
    async with sending(outbox):
        pass
    assert sorted(ledger.names) == ["cut off", "unsent"]
    file.close()


async def test_what_was_settled_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBER_S", 0.2)
    monkeypatch.setattr(module, "REPLAY_INTERVAL_S", 0.0)
    ledger = Ledger()
    outbox = Outbox(ledger.send)
    async with sending(outbox):
        outbox.put(settlement("old"))
        assert await outbox.drain(2)
        await asyncio.sleep(0.3)
        outbox.put(settlement("new"))
        assert await outbox.drain(2)
        ledger.store_id = "two"
        outbox.notice_store("two")
        assert await outbox.drain(2)

    assert ledger.names == ["old", "new", "new"]
