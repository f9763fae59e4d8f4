"""The bounded pool of counting processes, and who is let into it.

::

    admit(bytes) → Ticket      refused with OVERLOADED once the queue is full
    count(job)   → reports     waits for a free worker, then streams what it reports
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing
from enum import Enum, auto
from typing import Final, TypeVar

from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger
from services.counter.fair_line import FairLine
from services.counter.feed import Feed
from services.counter.job import (
    Counted,
    Failed,
    Finished,
    Item,
    Job,
    Report,
    encode_job,
    split_reports,
)

T = TypeVar("T")

WORKER: Final = (sys.executable, "-m", "services.counter.worker")
_START_LIMIT_S: Final = 60.0
_DRAIN_LIMIT_S: Final = 1.0
_RESTART_PAUSE_S: Final = 1.0
_RETRY_MIN_S: Final = 0.1
_RETRY_MAX_S: Final = 60.0
_SMOOTHING: Final = 0.1
_LIMIT_BYTES: Final = 16 * 1024 * 1024
_READ_BYTES: Final = 65_536


class WorkerLost(Exception):
    """The counting process died or fell silent."""


class Worker:
    """One counting process; it takes one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process, feed: Feed) -> None:
        self._process = process
        self._feed = feed
        self._reports: deque[Report] = deque()
        self._partial = b""

    @classmethod
    async def start(cls, command: Sequence[str]) -> Worker:
        """Spawn and wait until its golden counts are right. Raises WorkerLost."""
        feed, stdin = Feed.open()
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=stdin, stdout=asyncio.subprocess.PIPE
            )
        except BaseException:
            feed.close()
            raise
        finally:
            os.close(stdin)
        worker = cls(process, feed)
        is_counting = False
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await worker.read()
            is_counting = True
        except TimeoutError:
            raise WorkerLost from None
        finally:
            if not is_counting:
                worker.kill()
                await worker.close()
        return worker

    @property
    def is_alive(self) -> bool:
        """False once the process is known to have ended."""
        return self._process.returncode is None

    async def send(self, job: Job) -> None:
        """Raises WorkerLost."""
        try:
            await self._feed.write(encode_job(job))
        except OSError as error:
            raise WorkerLost from error

    def take(self) -> Report | None:
        """The next report, where one has come already."""
        return self._reports.popleft() if self._reports else None

    async def read(self) -> Report:
        """The next report. Raises WorkerLost."""
        assert self._process.stdout is not None
        while not self._reports:
            try:
                data = await self._process.stdout.read(_READ_BYTES)
            except ConnectionError as error:
                raise WorkerLost from error
            if not data:
                raise WorkerLost
            reports, self._partial = split_reports(self._partial + data)
            self._reports.extend(reports)
        return self._reports.popleft()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it and reap it; a job still running is cut short."""
        self._feed.close()
        try:
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()


class Pool:
    """``size`` workers behind a queue bounded by items and by bytes."""

    def __init__(
        self,
        size: int,
        *,
        queue_items: int,
        queue_bytes: int,
        job_limit_s: float,
        command: Sequence[str] = WORKER,
    ) -> None:
        self.size = size
        self._queue_items = queue_items
        self._queue_bytes = queue_bytes
        self._job_limit_s = job_limit_s
        self._command = command
        self._idle: FairLine[Worker] = FairLine()
        self._workers: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._items = 0
        self._bytes = 0
        self._bytes_per_s = 1_000_000.0
        self._is_closed = False

    @property
    def in_flight(self) -> int:
        """Items admitted and not yet answered: the signal to scale on."""
        return self._items

    @property
    def queued_bytes(self) -> int:
        """Bytes of the items in flight."""
        return self._bytes

    @property
    def ready_workers(self) -> int:
        """Workers that have passed their golden counts."""
        return len(self._workers)

    @property
    def is_ready(self) -> bool:
        """Whether any worker has passed its golden counts."""
        return bool(self._workers)

    async def start(self) -> None:
        """Start every worker. Raises WorkerLost where one cannot count."""
        await asyncio.gather(*(self._add_worker() for _ in range(self.size)))

    async def close(self) -> None:
        """End every worker."""
        self._is_closed = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in self._workers))
        self._workers.clear()

    @contextlib.contextmanager
    def admit(self, items: int, size_bytes: int) -> Iterator[None]:
        """Room for a request until the context ends. Raises ServiceFault OVERLOADED.

        An empty pool admits any request, so that a large one is not refused for ever.
        """
        is_full = (
            self._items + items > self._queue_items or self._bytes + size_bytes > self._queue_bytes
        )
        if self._items and is_full:
            raise ServiceFault(
                Reason.OVERLOADED,
                "The token counter is busy. Try again shortly.",
                retry_after_s=self._retry_after_s(),
            )
        self._items += items
        self._bytes += size_bytes
        try:
            yield
        finally:
            self._items -= items
            self._bytes -= size_bytes

    def _retry_after_s(self) -> float:
        wait_s = self._bytes / self._bytes_per_s / self.size
        return round(min(_RETRY_MAX_S, max(_RETRY_MIN_S, wait_s)), 1)

    async def count(self, job: Job) -> AsyncGenerator[Report, None]:
        """Reports on every item of ``job``; each ends in one Counted or Failed, come what may.

        Items that lost their worker are counted again, each by itself: whichever was to blame is
        lost a second time, and the others never learn of it.
        """
        lost: list[Item] = []
        async with aclosing(self._attempt(job, lost)) as reports:
            async for report in reports:
                yield report
        for item in lost:
            lost_again: list[Item] = []
            async with aclosing(self._attempt(Job([item]), lost_again)) as reports:
                async for report in reports:
                    yield report
            if lost_again:
                yield Failed(item.index, Reason.INTERNAL, "The tokenizer failed on this item.")

    async def _attempt(self, job: Job, lost: list[Item]) -> AsyncGenerator[Report, None]:
        """Reports of one worker; ``lost`` takes the items it ended on or never came to."""
        worker = await self._pick_worker()
        outcome = _Outcome.ABANDONED
        waiting = {item.index: item for item in job.items}
        stopwatch = _Stopwatch(self._limit_s(job))
        try:
            await stopwatch.wait(worker.send(job))
            while not isinstance(report := await stopwatch.next_report(worker), Finished):
                if isinstance(report, Counted | Failed):
                    del waiting[report.index]
                yield report
            outcome = _Outcome.SPENT if report.is_spent else _Outcome.USABLE
            self._learn(job, stopwatch.waited_s)
        except (TimeoutError, WorkerLost) as error:
            outcome = _Outcome.SPENT
            get_logger().error("counting process lost", why=type(error).__name__)
            if isinstance(error, TimeoutError):
                late = next(iter(waiting))  # items are counted in order
                del waiting[late]
                yield Failed(late, Reason.TOO_LARGE, "The item took too long to count.")
            lost += waiting.values()
        finally:
            self._return(worker, outcome)

    async def _pick_worker(self) -> Worker:
        """A free worker; one that died while it had nothing to do is replaced on the way."""
        while not (worker := await self._idle.get()).is_alive:
            get_logger().error("counting process lost", why="idle")
            self._return(worker, _Outcome.SPENT)
        return worker

    def _return(self, worker: Worker, outcome: _Outcome) -> None:
        if outcome is _Outcome.USABLE:
            self._idle.put(worker)
            return
        repair = self._recover if outcome is _Outcome.ABANDONED else self._replace
        task = asyncio.ensure_future(repair(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recover(self, worker: Worker) -> None:
        """Give an abandoned worker a moment to finish its job, else put a new one in its place."""
        try:
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                while not isinstance(report := await worker.read(), Finished):
                    pass
        except (TimeoutError, WorkerLost):
            await self._replace(worker)
        else:
            self._return(worker, _Outcome.SPENT if report.is_spent else _Outcome.USABLE)

    async def _replace(self, worker: Worker) -> None:
        self._workers.discard(worker)
        worker.kill()
        await worker.close()
        while not self._is_closed:
            try:
                await self._add_worker()
            except (WorkerLost, OSError):
                get_logger().error("counting process does not start")
                await asyncio.sleep(_RESTART_PAUSE_S)
            else:
                return

    async def _add_worker(self) -> None:
        worker = await Worker.start(self._command)
        self._workers.add(worker)
        self._idle.put(worker)

    def _limit_s(self, job: Job) -> float:
        """The limit is for _LIMIT_BYTES; larger jobs get more in proportion."""
        size = sum(len(item.content) for item in job.items)
        return self._job_limit_s * max(1.0, size / _LIMIT_BYTES)

    def _learn(self, job: Job, elapsed_s: float) -> None:
        rate = sum(len(item.content) for item in job.items) / max(elapsed_s, 1e-6)
        self._bytes_per_s += _SMOOTHING * (rate - self._bytes_per_s)


class _Outcome(Enum):
    USABLE = auto()
    SPENT = auto()
    ABANDONED = auto()


class _Stopwatch:
    """Limits the time waited for a worker; a slow reader of the reports does not use it up."""

    def __init__(self, limit_s: float) -> None:
        self.waited_s = 0.0
        self._limit_s = limit_s

    async def wait(self, work: Awaitable[T]) -> T:
        """Raises TimeoutError."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(max(0.0, self._limit_s - self.waited_s)):
                return await work
        finally:
            self.waited_s += time.perf_counter() - begun

    async def next_report(self, worker: Worker) -> Report:
        """Raises TimeoutError, WorkerLost."""
        report = worker.take()
        return await self.wait(worker.read()) if report is None else report


def available_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return cores or 1
    if quota == "max":
        return cores or 1
    return max(1, min(cores or 1, round(int(quota) / int(period))))
