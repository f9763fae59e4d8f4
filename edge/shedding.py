"""Refusing new requests while there are more than this process can serve.

Under more load than it can carry, a server that takes everything in answers everything late, and
then nothing in time. What tells is how long work waits for its turn of the event loop: a beat is
due at fixed moments, and how late it comes is the delay of everything else too. The way to the
relay and back is judged by a probe on the link that calls take: what waits in the relay, or on the
way there, waits while this loop may be idle. A moment's pause is no overload: what counts is the
lesser of two waits in a row, the delay that stays (as in CoDel, RFC 8289).

From ``limit_s / 5`` on, new requests are refused at random, the more the longer the delay, all of
them from ``limit_s`` on (random early detection, Floyd and Jacobson 1993). The law has no state to
swing with; what runs already is never touched.

A refusal is decided and written before the request is anything but a path: no task, no body, no
key. It costs a small part of what it saves, and that bounds what serving twice too much costs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson

from dialects.dialect import Dialect
from dialects.errors import Fault, FaultClass
from dialects.registry import DIALECTS
from edge import metrics
from edge.faults import fault_headers, identity_headers
from runtime.identity import new_request_id
from runtime.logs import get_logger

BEAT_S: Final = 0.05
CHECK_S: Final = 0.1
FIRST_PART: Final = 5
# A shedding that stopped for so long is over, and told of.
QUIET_S: Final = 5.0
RETRY_AFTER_S: Final = (1, 4)
_SURFACES: Final[Mapping[bytes, Dialect]] = {
    b"/v1/messages/count_tokens": DIALECTS["anthropic_messages"],
    **{dialect.path.encode(): dialect for dialect in DIALECTS.values()},
}
_MESSAGE: Final = "The gateway is busier than it can be. Try again in a moment."


class _Waits:
    """The last two waits of a kind, in seconds."""

    __slots__ = ("_before_s", "_last_s")

    def __init__(self) -> None:
        self._last_s = self._before_s = 0.0

    def note(self, waited_s: float) -> None:
        """One is over."""
        self._before_s, self._last_s = self._last_s, max(0.0, waited_s)

    def is_short(self, limit_s: float) -> bool:
        """Whether both were no longer than that."""
        return max(self._last_s, self._before_s) <= limit_s

    def standing(self, running_s: float) -> float:
        """What every one waits at least; the one that runs now has waited ``running_s``."""
        return min(self._last_s, max(self._before_s, running_s))


class Shedder:
    """The delay of this loop and the relay's, and what follows from it for new requests.

    ``limit_s`` is the delay at which all are refused, 0 for none ever; ``max_in_flight`` is how
    many a listener may have at once. ``clock`` gives seconds, ``chance`` a number below 1.
    """

    def __init__(
        self,
        limit_s: float,
        max_in_flight: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._limit_s = limit_s
        self._first_s = limit_s / FIRST_PART
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._chance = chance
        self._beats = _Waits()
        self._checks = _Waits()
        self._due_at = clock() + BEAT_S
        self._asked_at: float | None = None
        self._is_needed = True
        self._refused = 0
        self._refused_at = 0.0

    async def run(self, check: Callable[[], Awaitable[object]]) -> None:
        """Beat for ever, and time a ``check`` of the relay while requests come.

        A relay that is away is not busy.
        """
        asking = asyncio.create_task(self._ask(check))
        # Nobody is judged by a delay where there is no limit.
        if not self._limit_s:
            asking.cancel()
        try:
            while True:
                await asyncio.sleep(BEAT_S)
                self.beat()
        finally:
            asking.cancel()

    async def _ask(self, check: Callable[[], Awaitable[object]]) -> None:
        while True:
            if self._is_needed or not self._checks.is_short(self._first_s):
                self._is_needed = False
                self._asked_at = self._clock()
                await check()
                self._checks.note(self._clock() - self._asked_at)
                self._asked_at = None
            await asyncio.sleep(CHECK_S)

    def beat(self) -> None:
        """A beat came: note how late, and when the next one is due."""
        now = self._clock()
        self._beats.note(now - self._due_at)
        self._due_at = now + BEAT_S
        if self._refused and now - self._refused_at > QUIET_S:
            get_logger().warning("shed requests", refused=self._refused)
            self._refused = 0

    def delay_s(self) -> float:
        """How long work has been waiting for its turn, and still does."""
        now = self._clock()
        asked_at = now if self._asked_at is None else self._asked_at
        return max(self._beats.standing(now - self._due_at), self._checks.standing(now - asked_at))

    def refuses(self, in_flight: int) -> bool:
        """Whether a request that came just now is not to be taken in."""
        self._is_needed = True
        if in_flight >= self._max_in_flight:
            return True
        late_s = self.delay_s()
        if not self._limit_s or late_s <= self._first_s:
            return False
        return late_s - self._first_s > self._chance() * (self._limit_s - self._first_s)

    def refusal(self, path: bytes, in_flight: int) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body for a request that is not taken in; status 0 if it is.

        Probes, lists and pages are taken in always.
        """
        dialect = _SURFACES.get(path)
        if dialect is None or not self.refuses(in_flight):
            return 0, [], b""
        if not self._refused:
            get_logger().warning("shedding requests", delay_s=round(self.delay_s(), 3))
        self._refused += 1
        self._refused_at = self._clock()
        request_id = new_request_id()
        retry_after_s = random.randint(*RETRY_AFTER_S)  # noqa: S311 - spreads callers, no secret
        fault = Fault(FaultClass.OVERLOADED, _MESSAGE, retry_after_s=retry_after_s, retryable=True)
        status, told = dialect.render_fault(fault, request_id)
        metrics.REQUESTS.labels(dialect.name, status, "SHED").inc()
        return status, [*fault_headers(fault), *identity_headers(request_id)], orjson.dumps(told)
