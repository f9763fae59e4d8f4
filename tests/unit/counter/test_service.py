"""The wire side of the counter: one answer per item, a total, refusals with a reason."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gatebeyz.counter.v1 import counter_pb2
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault
from services.counter.family import load_calibration
from services.counter.job import Item, Job, Report
from services.counter.meter import Meter
from services.counter.service import (
    JOB_BYTES,
    MAX_ITEMS,
    MAX_JOB_BYTES,
    CounterService,
    gather_jobs,
)
from services.counter.wire import UntextedRequest
from services.counter.worker import count_item

METER = Meter(load_calibration(), may_reconstruct=False)


class InlinePool:
    """Counts in this process; ``jobs`` records what was asked for."""

    size = 2

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.is_full = False
        self.admitted = 0

    @contextlib.contextmanager
    def admit(self, items: int, size_bytes: int) -> Iterator[None]:
        if self.is_full:
            raise ServiceFault(Reason.OVERLOADED, "full", retry_after_s=1.0)
        self.admitted += items
        yield
        self.admitted -= items

    async def count(self, job: Job) -> AsyncIterator[Report]:
        self.jobs.append(job)
        for item in job.items:
            progress: list[Report] = []
            result = count_item(item, METER, progress.append)
            for report in progress:
                yield report
            yield result


def text(model: str, content: str) -> counter_pb2.CountItem:
    return counter_pb2.CountItem(model=model, text=content)


def chat(model: str, content: str) -> counter_pb2.CountItem:
    body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    return counter_pb2.CountItem(model=model, body=body, dialect=inference_pb2.DIALECT_OPENAI_CHAT)


def untexted(request: counter_pb2.CountTokensRequest) -> Any:
    """The request as the service reads it off the wire."""
    return UntextedRequest.FromString(request.SerializeToString())


async def ask(pool: InlinePool, *items: counter_pb2.CountItem) -> list[Any]:
    service = CounterService(pool)  # type: ignore[arg-type]
    request = untexted(counter_pb2.CountTokensRequest(items=items))
    return [
        getattr(response, str(response.WhichOneof("event")))
        async for response in service.CountTokens(request, None)
    ]


async def test_an_answer_per_item_and_a_total() -> None:
    answers = await ask(InlinePool(), text("gpt-4o", "Hello, world!"), chat("gpt-4o", "Hello"))
    assert [answer.tokens for answer in answers] == [4, 8, 12]
    assert [answer.index for answer in answers[:2]] == [0, 1]
    assert {answer.method for answer in answers[:2]} == {counter_pb2.METHOD_VOCABULARY}
    assert (answers[2].items, answers[2].failed) == (2, 0)


async def test_an_estimate_says_so_and_how_wrong_it_may_be() -> None:
    count, _total = await ask(InlinePool(), text("some-unheard-of-model", "Hello"))
    assert count.method == counter_pb2.METHOD_CALIBRATED
    assert 0 < count.error_median <= count.error_p90


async def test_a_bad_item_fails_alone() -> None:
    bad = counter_pb2.CountItem(
        model="gpt-4o", body=b"{", dialect=inference_pb2.DIALECT_OPENAI_CHAT
    )
    failed, good, total = await ask(InlinePool(), bad, text("gpt-4o", "Hello"))
    assert failed.error_reason == "INVALID_REQUEST"
    assert failed.tokens == 0
    assert good.tokens == 1
    assert (total.tokens, total.items, total.failed) == (1, 2, 1)


async def test_many_large_items_run_side_by_side() -> None:
    pool = InlinePool()
    answers = await ask(pool, *(text("gpt-4o", "a " * JOB_BYTES) for _ in range(5)))
    counts = [answer for answer in answers if isinstance(answer, counter_pb2.Count)]
    assert sorted(count.index for count in counts) == [0, 1, 2, 3, 4]
    assert len(pool.jobs) == 5
    assert pool.admitted == 0


async def test_progress_is_sent_on_long_items() -> None:
    answers = await ask(InlinePool(), text("gpt-4o", "word " * 300_000))
    assert isinstance(answers[0], counter_pb2.Progress)
    assert 0 < answers[0].done_bytes <= answers[0].total_bytes == 1_500_000


async def test_an_empty_request_is_a_total_of_nothing() -> None:
    (total,) = await ask(InlinePool())
    assert (total.tokens, total.items, total.failed) == (0, 0, 0)


@pytest.mark.parametrize(
    "item",
    [
        counter_pb2.CountItem(text="no model"),
        counter_pb2.CountItem(model="gpt-4o", body=b"{}"),
        counter_pb2.CountItem(model="gpt-4o"),
    ],
)
async def test_an_item_that_says_too_little_refuses_the_request(item: Any) -> None:
    with pytest.raises(ServiceFault) as refused:
        await ask(InlinePool(), item)
    assert refused.value.reason is Reason.INVALID_REQUEST


async def test_a_request_of_too_many_items_is_refused() -> None:
    item = text("gpt-4o", "Hello")
    with pytest.raises(ServiceFault) as refused:
        await ask(InlinePool(), *[item] * (MAX_ITEMS + 1))
    assert refused.value.reason is Reason.TOO_LARGE


async def test_a_full_pool_refuses() -> None:
    pool = InlinePool()
    pool.is_full = True
    with pytest.raises(ServiceFault) as refused:
        await ask(pool, text("gpt-4o", "Hello"))
    assert refused.value.retry_after_s == 1.0


async def test_a_failure_while_many_jobs_run_ends_the_answer() -> None:
    class BrokenPool(InlinePool):
        async def count(self, job: Job) -> AsyncIterator[Report]:
            raise RuntimeError("broken")
            yield

    with pytest.raises(RuntimeError, match="broken"):
        await ask(BrokenPool(), *(text("gpt-4o", "a" * JOB_BYTES) for _ in range(3)))


def sizes(workers: int, *lengths: int) -> list[list[int]]:
    items = [Item(at, "m", "", b"x" * length) for at, length in enumerate(lengths)]
    return [[len(item.content) for item in job.items] for job in gather_jobs(items, workers)]


def test_small_items_share_a_job() -> None:
    assert sizes(2, 1, 2, JOB_BYTES, 3, 4) == [[1, 2], [JOB_BYTES], [3, 4]]


def test_large_requests_are_cut_into_large_jobs_with_some_for_every_worker() -> None:
    jobs = sizes(2, *[JOB_BYTES] * 160)
    assert len(jobs) == 10
    assert all(sum(job) <= MAX_JOB_BYTES for job in jobs)
    assert len(sizes(8, *[JOB_BYTES] * 160)) == 32
