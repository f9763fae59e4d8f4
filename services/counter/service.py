"""gatebeyz.counter.v1.CounterService over the pool: wire in, wire out, no decisions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault
from services.counter.job import Advanced, Counted, Failed, Item, Job, Report
from services.counter.pool import Pool

MAX_ITEMS: Final = 10_000
JOB_BYTES: Final = 65_536
"""Small items share a job up to this size: the pipe costs more than they do."""

MAX_JOB_BYTES: Final = 1_048_576
_JOBS_PER_WORKER: Final = 4

_DIALECTS: Final[dict[int, str]] = {
    inference_pb2.DIALECT_ANTHROPIC_MESSAGES: "anthropic_messages",
    inference_pb2.DIALECT_OPENAI_CHAT: "openai_chat",
    inference_pb2.DIALECT_OPENAI_RESPONSES: "openai_responses",
}


class CounterService(counter_pb2_grpc.CounterServiceServicer):
    """Counts what it is sent and keeps nothing. Requests are ``wire.UntextedRequest``."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CountTokens(  # noqa: N802 - the name of the RPC
        self, request: Any, context: Any
    ) -> AsyncIterator[counter_pb2.CountTokensResponse]:
        if len(request.items) > MAX_ITEMS:
            raise ServiceFault(Reason.TOO_LARGE, f"A request may hold {MAX_ITEMS} items at most.")
        items = [_read_item(index, item) for index, item in enumerate(request.items)]
        tokens = failed = 0
        with self._pool.admit(len(items), sum(len(item.content) for item in items)):
            async with aclosing(
                self._reports(list(gather_jobs(items, self._pool.size)))
            ) as reports:
                async for report in reports:
                    if isinstance(report, Counted):
                        tokens += report.tokens
                    elif isinstance(report, Failed):
                        failed += 1
                    yield render_report(report)
        total = counter_pb2.Total(tokens=tokens, items=len(items), failed=failed)
        yield counter_pb2.CountTokensResponse(total=total)

    def _reports(self, jobs: list[Job]) -> AsyncGenerator[Report, None]:
        return self._pool.count(jobs[0]) if len(jobs) == 1 else self._merge(jobs)

    async def _merge(self, jobs: list[Job]) -> AsyncGenerator[Report, None]:
        """Reports of all jobs as they come; as many run at once as there are workers."""
        # Bounded, so that a slow reader holds the workers back rather than filling memory.
        reports: asyncio.Queue[Report | Exception | None] = asyncio.Queue(maxsize=64)
        waiting = iter(jobs)

        async def drive() -> None:
            try:
                for job in waiting:
                    async with aclosing(self._pool.count(job)) as counting:
                        async for report in counting:
                            await reports.put(report)
            except Exception as error:
                await reports.put(error)
            else:
                await reports.put(None)

        drivers = [asyncio.ensure_future(drive()) for _ in range(min(self._pool.size, len(jobs)))]
        running = len(drivers)
        try:
            while running:
                report = await reports.get()
                if isinstance(report, Exception):
                    raise report
                if report is None:
                    running -= 1
                else:
                    yield report
        finally:
            for driver in drivers:
                driver.cancel()
            await asyncio.gather(*drivers, return_exceptions=True)


def _read_item(index: int, item: Any) -> Item:
    if not item.model:
        raise ServiceFault(Reason.INVALID_REQUEST, f"Item {index} names no model.")
    if item.WhichOneof("content") == "text":
        return Item(index, item.model, "", item.text)
    dialect = _DIALECTS.get(item.dialect)
    if dialect is None:
        raise ServiceFault(Reason.INVALID_REQUEST, f"Item {index} names no dialect for its body.")
    return Item(index, item.model, dialect, item.body)


def gather_jobs(items: Sequence[Item], workers: int) -> Iterator[Job]:
    """Neighbouring items in jobs of some size; a longer item is a job of its own.

    Between two jobs a worker waits for the pipe, so jobs are as large as leaves every worker some.
    """
    whole = sum(len(item.content) for item in items)
    room = min(MAX_JOB_BYTES, max(JOB_BYTES, whole // (workers * _JOBS_PER_WORKER)))
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and size + len(item.content) > room:
            yield Job(batch)
            batch, size = [], 0
        batch.append(item)
        size += len(item.content)
    if batch:
        yield Job(batch)


def render_report(report: Report) -> counter_pb2.CountTokensResponse:
    """A report on the wire."""
    match report:
        case Counted():
            return counter_pb2.CountTokensResponse(count=_render_count(report))
        case Failed():
            count = counter_pb2.Count(
                index=report.index, error_reason=report.reason, error_message=report.message
            )
            return counter_pb2.CountTokensResponse(count=count)
        case Advanced():
            progress = counter_pb2.Progress(
                index=report.index,
                done_bytes=report.done_bytes,
                total_bytes=report.total_bytes,
                tokens=report.tokens,
            )
            return counter_pb2.CountTokensResponse(progress=progress)
    raise TypeError(f"{type(report).__name__} does not cross the wire")


def _render_count(report: Counted) -> counter_pb2.Count:
    method = (
        counter_pb2.METHOD_CALIBRATED if report.is_calibrated else counter_pb2.METHOD_VOCABULARY
    )
    return counter_pb2.Count(
        index=report.index,
        tokens=report.tokens,
        method=method,
        error_median=report.error_median,
        error_p90=report.error_p90,
    )
