"""Holds that are asked for together, over a ledger that answers when it is told to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import grpc
import grpc.aio
import pytest

from gatebeyz.ledger.v1 import ledger_pb2
from runtime.faults import Reason, ServiceFault
from services.relay.hold_batch import BATCH, COMPANY_S, HoldBatcher


class Ledger:
    """Keeps each call until ``answer`` or ``lose``; refuses the holds named ``poor``."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], asyncio.Future[ledger_pb2.HoldBatchResponse]]] = []
        self.came = asyncio.Condition()

    async def hold_batch(
        self,
        request: ledger_pb2.HoldBatchRequest,
        timeout: float,  # noqa: ASYNC109
    ) -> ledger_pb2.HoldBatchResponse:
        answer: asyncio.Future[ledger_pb2.HoldBatchResponse] = asyncio.Future()
        self.calls.append(([hold.request_id for hold in request.holds], answer))
        async with self.came:
            self.came.notify_all()
        return await answer

    async def wait(self, count: int) -> list[list[str]]:
        """Which holds each call asked for, once there are so many calls."""
        async with asyncio.timeout(2), self.came:
            await self.came.wait_for(lambda: len(self.calls) >= count)
        return [names for names, _ in self.calls]

    def answer(self, place: int) -> None:
        names, future = self.calls[place]
        refusal = ServiceFault(Reason.CREDIT_EXHAUSTED, "None left.").status().SerializeToString()
        answers = [
            ledger_pb2.HoldAnswer(refusal=refusal)
            if name == "poor"
            else ledger_pb2.HoldAnswer(held=ledger_pb2.HoldResponse(held_micros=int(name)))
            for name in names
        ]
        future.set_result(ledger_pb2.HoldBatchResponse(answers=answers))

    def lose(self, place: int) -> None:
        gone = grpc.aio.AioRpcError(
            grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata()
        )
        self.calls[place][1].set_exception(gone)


@pytest.fixture
async def ledger() -> Ledger:
    return Ledger()


def asking(
    ledger: Ledger, *names: str, batcher: HoldBatcher | None = None
) -> list[asyncio.Task[ledger_pb2.HoldResponse]]:
    batcher = batcher or batcher_of(ledger)
    return [
        asyncio.create_task(batcher.hold(ledger_pb2.HoldRequest(request_id=name))) for name in names
    ]


def batcher_of(ledger: Ledger) -> HoldBatcher:
    return HoldBatcher(SimpleNamespace(HoldBatch=ledger.hold_batch))  # type: ignore[arg-type]


async def test_holds_of_one_moment_share_a_call_and_each_gets_its_own_answer(
    ledger: Ledger,
) -> None:
    first, poor, last = asking(ledger, "1", "poor", "3")
    assert await ledger.wait(1) == [["1", "poor", "3"]]
    ledger.answer(0)
    assert [(await one).held_micros for one in (first, last)] == [1, 3]
    with pytest.raises(ServiceFault, match="None left") as refused:
        await poor
    assert refused.value.reason is Reason.CREDIT_EXHAUSTED


async def test_who_asks_while_a_call_is_on_its_way_goes_when_it_is_answered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.relay.hold_batch.COMPANY_S", 60.0)
    batcher = batcher_of(ledger)
    tasks = asking(ledger, "1", batcher=batcher)
    await ledger.wait(1)
    tasks += asking(ledger, "2", "3", batcher=batcher)
    await asyncio.sleep(0)
    ledger.answer(0)
    assert await ledger.wait(2) == [["1"], ["2", "3"]]
    ledger.answer(1)
    assert [(await task).held_micros for task in tasks] == [1, 2, 3]


async def test_a_call_that_hangs_keeps_nobody_else(ledger: Ledger) -> None:
    batcher = batcher_of(ledger)
    [hanging] = asking(ledger, "1", batcher=batcher)
    await ledger.wait(1)
    [second] = asking(ledger, "2", batcher=batcher)
    assert await ledger.wait(2) == [["1"], ["2"]]
    ledger.answer(1)
    assert (await second).held_micros == 2
    assert not hanging.done()
    ledger.lose(0)
    with pytest.raises(ServiceFault) as lost:
        await hanging
    assert lost.value.reason is Reason.OVERLOADED


async def test_nothing_is_held_for_who_gave_up_before_the_call(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.relay.hold_batch.COMPANY_S", 60.0)
    batcher = batcher_of(ledger)
    [first] = asking(ledger, "1", batcher=batcher)
    await ledger.wait(1)
    gone, stays = asking(ledger, "2", "3", batcher=batcher)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    ledger.answer(0)
    assert await ledger.wait(2) == [["1"], ["3"]]
    ledger.answer(1)
    assert [(await task).held_micros for task in (first, stays)] == [1, 3]


async def test_who_gives_up_during_the_call_leaves_the_others_their_answers(
    ledger: Ledger,
) -> None:
    gone, stays = asking(ledger, "1", "2")
    await ledger.wait(1)
    gone.cancel()
    await asyncio.wait([gone])
    ledger.answer(0)
    assert (await stays).held_micros == 2


async def test_a_crowd_goes_in_calls_of_a_bounded_size(ledger: Ledger) -> None:
    assert COMPANY_S <= 0.02
    tasks = asking(ledger, *(str(number) for number in range(BATCH + 5)))
    calls = await ledger.wait(2)
    assert [len(names) for names in calls] == [BATCH, 5]
    ledger.answer(0)
    ledger.answer(1)
    assert len(await asyncio.gather(*tasks)) == BATCH + 5
