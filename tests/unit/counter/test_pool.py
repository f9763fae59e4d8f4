"""The pool against real counting processes, and against ones that crash, hang or never start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from runtime.faults import Reason, ServiceFault
from services.counter.job import Advanced, Counted, Failed, Item, Job, Report
from services.counter.pool import Pool, WorkerLost, available_cores

# A counting process that crashes on "crash", hangs on "hang", is spent after "spend".
FAKE = """
import os, sys, time
from services.counter.job import Counted, Finished, encode_report, read_job
def send(report):
    sys.stdout.buffer.write(encode_report(report)); sys.stdout.buffer.flush()
send(Finished())
while job := read_job(sys.stdin.buffer):
    for item in job.items:
        if item.content == b"crash": os._exit(1)
        if item.content == b"hang": time.sleep(60)
        send(Counted(item.index, os.getpid(), False, 0.0, 0.0))
    send(Finished(is_spent=job.items[-1].content == b"spend"))
"""


def make_pool(size: int = 1, **options: object) -> Pool:
    settings: dict[str, object] = {"queue_items": 4, "queue_bytes": 1000, "job_limit_s": 30.0}
    return Pool(size, **(settings | options))  # type: ignore[arg-type]


@pytest.fixture
async def fake() -> AsyncIterator[Pool]:
    pool = make_pool(command=(sys.executable, "-c", FAKE), job_limit_s=0.3)
    await pool.start()
    yield pool
    await pool.close()


async def reports(pool: Pool, *contents: bytes) -> list[Report]:
    job = Job([Item(index, "gpt-4o", "", content) for index, content in enumerate(contents)])
    return [report async for report in pool.count(job)]


def process_of(report: Report) -> int:
    assert isinstance(report, Counted)
    return report.tokens


async def test_real_processes_count_and_report_progress() -> None:
    pool = make_pool()
    assert not pool.is_ready
    await pool.start()
    assert pool.is_ready
    try:
        short, long = b"Hello, world!", b"word " * 250_000
        answers = await reports(pool, short, long)
    finally:
        await pool.close()
    counted = {report.index: report.tokens for report in answers if isinstance(report, Counted)}
    assert counted[0] == 4
    assert 249_000 < counted[1] < 251_000
    progress = [report for report in answers if isinstance(report, Advanced)]
    assert progress
    assert 0 < progress[0].done_bytes < progress[0].total_bytes == len(long)


async def test_a_crash_fails_the_item_that_crashes_and_nothing_else(fake: Pool) -> None:
    answers = await reports(fake, b"a", b"crash", b"b", b"crash", b"c")
    assert sorted(report.index for report in answers) == [0, 1, 2, 3, 4]
    failed = {report.index: report.reason for report in answers if isinstance(report, Failed)}
    assert failed == {1: "INTERNAL", 3: "INTERNAL"}
    (next_one,) = await reports(fake, b"a")
    assert process_of(next_one) != process_of(answers[0])


async def test_a_count_that_takes_too_long_is_ended_and_those_after_it_are_counted(
    fake: Pool,
) -> None:
    answers = await reports(fake, b"a", b"hang", b"b")
    failed = {report.index: report.reason for report in answers if isinstance(report, Failed)}
    assert failed == {1: "TOO_LARGE"}
    assert {report.index for report in answers if isinstance(report, Counted)} == {0, 2}


async def test_a_process_that_died_with_nothing_to_do_costs_no_item(fake: Pool) -> None:
    (before,) = await reports(fake, b"a")
    os.kill(process_of(before), signal.SIGKILL)
    (after,) = await reports(fake, b"a")
    assert process_of(after) != process_of(before)


async def test_a_spent_process_is_replaced(fake: Pool) -> None:
    (before,) = await reports(fake, b"spend")
    (after,) = await reports(fake, b"a")
    assert process_of(before) != process_of(after)


async def test_an_abandoned_process_finishes_its_job_and_is_used_again(fake: Pool) -> None:
    job = Job([Item(index, "gpt-4o", "", b"a") for index in range(3)])
    counting = fake.count(job)
    first = await anext(counting)
    await counting.aclose()
    (after,) = await reports(fake, b"a")
    assert process_of(first) == process_of(after)


async def test_a_process_that_cannot_count_stops_the_start() -> None:
    pool = make_pool(command=(sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(WorkerLost):
        await pool.start()


async def test_admission_is_bounded_by_items_and_bytes() -> None:
    pool = make_pool()
    with pool.admit(3, 10):
        assert pool.in_flight == 3
        with pytest.raises(ServiceFault) as refused, pool.admit(2, 10):
            pass
        assert refused.value.reason is Reason.OVERLOADED
        assert refused.value.retry_after_s is not None
        assert 0.1 <= refused.value.retry_after_s <= 60
        with pytest.raises(ServiceFault), pool.admit(1, 991):
            pass
        with pool.admit(1, 990):
            assert pool.in_flight == 4
    assert pool.in_flight == 0


async def test_an_empty_pool_admits_a_request_beyond_its_bounds() -> None:
    pool = make_pool()
    with pool.admit(100, 100_000):
        assert pool.in_flight == 100


async def test_waiting_for_a_worker_can_be_cancelled() -> None:
    pool = make_pool()
    waiting = asyncio.ensure_future(reports(pool, b"a"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_there_is_a_core() -> None:
    assert available_cores() >= 1
