"""The load: callers on kept connections, each sending its next request when its answer is whole.

uvloop protocols around httptools' parser, requests made once. Every answer is checked; the first
wrong one ends the run. Latencies are seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httptools

from tests.bench.check import Checker, checker_of
from tests.bench.wish import Wish

OK: Final = 200
CONNECT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of request: in which dialect, for which answer, through which road.

    ``upstream`` is the dialect of the provider that answers; ``body`` holds the wish.
    """

    surface: str
    upstream: str
    path: str
    body: bytes
    wish: Wish
    is_stream: bool = False

    def checker(self) -> Checker:
        """A checker of one answer."""
        return checker_of(self.surface, self.upstream, self.wish, is_stream=self.is_stream)

    def request(self, port: int, key: str) -> bytes:
        """The request as it goes out."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
            "content-type: application/json\r\naccept: */*\r\nuser-agent: bench/1\r\n"
            f"x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"
            f"content-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(slots=True)
class Tally:
    """What a run saw; only answers that were right are in the times."""

    requests: int = 0
    events: int = 0
    elapsed_s: float = 0.0
    whole_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)

    def take(self, began: float, checker: Checker, now: float) -> None:
        """Note one whole answer."""
        self.requests += 1
        self.events += checker.events
        self.whole_s.append(now - began)
        self.first_s.append(checker.first_at - began)
        self.delays_s += checker.delays_s


def quantile(values: list[float], share: float) -> float:
    """The value below which that share lies; NaN of nothing."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


class Refused(Exception):
    """An answer with another status than 200: the status, its headers and the body."""

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        super().__init__(f"answered {status}: {body[:300]!r}")
        self.status = status
        self.headers = headers
        self.body = body


class Caller(asyncio.Protocol):
    """One connection and the request that runs on it."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._answered: asyncio.Future[None] | None = None
        self._checker: Checker | None = None
        self._parser: Any = None
        self._headers: dict[bytes, bytes] = {}
        self._error_body = b""
        self.must_close = False  # nothing more can be asked on this connection
        self.begun = asyncio.Event()  # an answer's head came

    async def ask(self, request: bytes, checker: Checker) -> None:
        """Send and read one answer to its end. Refused, AssertionError, ConnectionError."""
        self._answered = asyncio.get_running_loop().create_future()
        self._checker = checker
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._error_body = {}, b""
        self._transport.write(request)
        await self._answered

    def close(self) -> None:
        """Hang up, whatever runs."""
        self.must_close = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.must_close = True
        self._fail(ConnectionError("the connection was closed before the answer was whole"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ or error)
        except httptools.HttpParserError as error:
            self._fail(error)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self.begun.set()
        if self._headers.get(b"connection", b"").lower() == b"close":
            self.must_close = True

    def on_body(self, data: bytes) -> None:
        if self._status == OK:
            assert self._checker is not None
            self._checker.receive_data(data, time.monotonic())
        else:
            self._error_body += data

    def on_message_complete(self) -> None:
        assert self._checker is not None
        if self._status != OK:
            self._fail(Refused(self._status, self._headers, self._error_body))
            return
        self._checker.finish()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)


async def connect(port: int) -> Caller:
    """A caller on a connection of its own."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_S):
        _, caller = await loop.create_connection(Caller, "127.0.0.1", port)
    return caller


async def drive(
    port: int, shape: Shape, keys: list[str], at_once: int, seconds: float, limit: int = 0
) -> Tally:
    """``at_once`` callers for so long, or until ``limit`` requests; what runs is waited for.

    Keys are used in turn. AssertionError or Refused at the first answer that is not right.
    """
    requests = itertools.cycle([shape.request(port, key) for key in keys])
    tally = Tally()
    began = time.monotonic()
    turns = _turns(began + seconds, limit)
    async with asyncio.TaskGroup() as group:
        for number in range(at_once):
            group.create_task(_call(port, shape, requests, turns, tally, number * 0.0007))
    tally.elapsed_s = time.monotonic() - began
    return tally


def _turns(end_at: float, limit: int) -> Iterator[int]:
    """A turn for each request that may still begin."""
    for number in itertools.count():
        if time.monotonic() >= end_at or (limit and number >= limit):
            return
        yield number


async def _call(
    port: int,
    shape: Shape,
    requests: Iterator[bytes],
    turns: Iterator[int],
    tally: Tally,
    wait_s: float,
) -> None:
    # Callers that begin together would stay in step, and a paced stream's events with them.
    await asyncio.sleep(wait_s)
    caller = await connect(port)
    try:
        for _ in turns:
            checker = shape.checker()
            began = time.monotonic()
            await caller.ask(next(requests), checker)
            tally.take(began, checker, time.monotonic())
            if caller.must_close:
                caller.close()
                caller = await connect(port)
    finally:
        caller.close()


@contextlib.asynccontextmanager
async def held_open(port: int, shape: Shape, key: str, count: int) -> AsyncIterator[None]:
    """That many streams which have begun, while the context lasts; then their callers hang up."""
    request = shape.request(port, key)
    callers = [await connect(port) for _ in range(count)]
    asks = [asyncio.ensure_future(caller.ask(request, shape.checker())) for caller in callers]
    try:
        async with asyncio.timeout(CONNECT_S):
            for caller in callers:
                await caller.begun.wait()
        yield
    finally:
        for caller in callers:
            caller.close()
        await asyncio.gather(*asks, return_exceptions=True)
