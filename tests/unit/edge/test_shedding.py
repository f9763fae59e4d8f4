"""Who is refused while there is too much to do: by delay, by number, and nobody else."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

import orjson
import pytest

from edge.shedding import BEAT_S, CHECK_S, QUIET_S, RETRY_AFTER_S, Shedder

LIMIT_S = 0.1
MANY = 1_000
MESSAGES = b"/v1/messages"


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def shedder_of(clock: Clock, chance: float = 0.5, limit_s: float = LIMIT_S) -> Shedder:
    return Shedder(limit_s, MANY, clock, lambda: chance)


def late_by(late_s: float, chance: float = 0.5, limit_s: float = LIMIT_S) -> Shedder:
    """A shedder whose last beats came so late."""
    clock = Clock()
    shedder = shedder_of(clock, chance, limit_s)
    stay(shedder, clock, late_s)
    return shedder


def stay(shedder: Shedder, clock: Clock, late_s: float, beats: int = 2) -> None:
    """Some beats that come so late."""
    for _ in range(beats):
        clock.now += BEAT_S + late_s
        shedder.beat()


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
@pytest.mark.parametrize(
    ("late_s", "refuses"), [(0.0, False), (0.019, False), (0.101, True), (5.0, True)]
)
def test_all_or_nothing_at_the_ends(late_s: float, refuses: bool, chance: float) -> None:
    assert late_by(late_s, chance).refuses(0) is refuses


@pytest.mark.parametrize(("late_s", "share"), [(0.04, 0.25), (0.06, 0.5), (0.08, 0.75)])
def test_between_them_the_share_grows_with_the_delay(late_s: float, share: float) -> None:
    assert late_by(late_s, chance=share - 0.01).refuses(0)
    assert not late_by(late_s, chance=share + 0.01).refuses(0)


def test_a_beat_that_is_overdue_tells_before_it_comes() -> None:
    clock = Clock()
    shedder = shedder_of(clock)
    stay(shedder, clock, 1, 1)
    assert not shedder.refuses(0)
    clock.now += BEAT_S + 1

    assert shedder.refuses(0)
    assert shedder.delay_s() == pytest.approx(1)


def test_a_moments_pause_is_no_overload() -> None:
    clock = Clock()
    shedder = shedder_of(clock)
    for late_s in (0, 9, 0, 9, 0):
        stay(shedder, clock, late_s, 1)
        assert not shedder.refuses(0)


def test_it_is_over_with_the_next_beat_in_time() -> None:
    clock = Clock()
    shedder = shedder_of(clock)
    stay(shedder, clock, 1)
    stay(shedder, clock, 0, 1)

    assert not shedder.refuses(0)


async def test_a_relay_that_answers_late_counts_as_this_loop_does() -> None:
    clock, answered = Clock(), asyncio.Semaphore(0)
    shedder = shedder_of(clock)
    running = asyncio.create_task(shedder.run(answered.acquire))
    delays = []
    for _ in range(2):
        await asyncio.sleep(2 * CHECK_S)
        clock.now += BEAT_S
        shedder.beat()
        clock.now += 1
        delays.append(shedder.delay_s())
        shedder.beat()
        answered.release()
        await asyncio.sleep(0.01)
    running.cancel()

    assert delays == [0, pytest.approx(1, abs=2 * BEAT_S)]
    assert shedder.refuses(0)


@pytest.mark.parametrize(("limit_s", "asked"), [(LIMIT_S, 2), (0.0, 0)])
async def test_the_relay_is_asked_while_requests_come_and_where_it_matters(
    limit_s: float, asked: int
) -> None:
    checks = []

    async def check() -> None:
        checks.append(1)

    shedder = Shedder(limit_s, MANY)
    running = asyncio.create_task(shedder.run(check))
    await asyncio.sleep(3.5 * CHECK_S)  # nobody came: one at the beginning, and no more
    shedder.refuses(0)
    await asyncio.sleep(2 * CHECK_S)
    running.cancel()

    assert len(checks) == asked


def test_zero_never_sheds_by_delay() -> None:
    assert not late_by(60, limit_s=0).refuses(0)


def test_the_number_at_once_is_bounded() -> None:
    shedder = late_by(0)

    assert not shedder.refuses(MANY - 1)
    assert shedder.refuses(MANY)


@pytest.mark.parametrize("path", [b"/healthz", b"/livez", b"/v1/models", b"/", b"/v1/messages/x"])
def test_only_requests_for_answers_are_refused(path: bytes) -> None:
    assert late_by(60).refusal(path, MANY) == (0, [], b"")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        (MESSAGES, 529, "overloaded_error"),
        (b"/v1/messages/count_tokens", 529, "overloaded_error"),
        (b"/v1/chat/completions", 503, "service_unavailable_error"),
        (b"/v1/responses", 503, "server_error"),
    ],
)
def test_a_refusal_is_an_error_of_the_callers_dialect(path: bytes, status: int, kind: str) -> None:
    found, headers, body = late_by(60).refusal(path, 0)
    named = dict(headers)

    assert found == status
    assert orjson.loads(body)["error"]["type"] == kind
    assert named[b"x-should-retry"] == b"true"
    assert RETRY_AFTER_S[0] <= int(named[b"retry-after"]) <= RETRY_AFTER_S[1]
    assert named[b"request-id"].startswith(b"req_")


def test_the_log_tells_of_a_beginning_and_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    shedder = shedder_of(clock)
    stay(shedder, clock, 60)
    for _ in range(50):
        shedder.refusal(MESSAGES, 0)
    for _ in range(3):
        clock.now += QUIET_S + BEAT_S
        shedder.beat()

    told = capsys.readouterr().out
    assert told.count("shedding requests") == 1
    assert told.count("shed requests") == 1


@dataclass
class Loop:
    """An event loop in the small: each turn runs what is ready, then takes in what has arrived.

    A request takes ``1 / capacity`` seconds in slices of a turn each, a refusal a twentieth.
    """

    capacity: float
    load: float
    clock: Clock = field(default_factory=Clock)
    served: int = 0
    latencies_s: list[float] = field(default_factory=list)
    refusals_s: list[float] = field(default_factory=list)

    def run(self, shedder: Shedder, seconds: float, slices: int = 4) -> None:
        chance, clock = random.Random(7), self.clock
        rate = self.capacity * self.load
        ready: deque[tuple[float, int]] = deque()
        begun = beat_at = clock.now
        arrives_at = begun + chance.expovariate(rate)
        while clock.now < begun + seconds:
            if clock.now >= beat_at:
                shedder.beat()
                beat_at = clock.now + BEAT_S
            for _ in range(len(ready)):
                came_at, left = ready.popleft()
                clock.now += 1 / self.capacity / slices
                if left > 1:
                    ready.append((came_at, left - 1))
                else:
                    self.latencies_s.append(clock.now - came_at)
            if not ready:
                clock.now = max(clock.now, min(arrives_at, beat_at))
            while arrives_at <= clock.now:
                came_at, arrives_at = arrives_at, arrives_at + chance.expovariate(rate)
                if shedder.refuses(0):
                    clock.now += 0.05 / self.capacity
                    self.refusals_s.append(clock.now - came_at)
                else:
                    ready.append((came_at, slices))
        self.served = len(self.latencies_s)


@pytest.mark.parametrize("capacity", [100, 1_000])
@pytest.mark.parametrize("load", [2.0, 3.0])
def test_twice_too_much_leaves_nine_tenths_of_the_peak_and_refuses_soon(
    capacity: float, load: float
) -> None:
    loop = Loop(capacity, load)
    shedder = Shedder(LIMIT_S, MANY, loop.clock, random.Random(3).random)
    loop.run(shedder, 20)

    refused_share = 1 - 1 / load
    lost_to_refusing = load * refused_share * 0.05
    assert loop.served / 20 / capacity > 0.96 - lost_to_refusing
    assert max(loop.refusals_s) < 3 * LIMIT_S
    assert max(loop.latencies_s) < 10 * LIMIT_S


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_what_can_be_served_is_served(load: float) -> None:
    loop = Loop(1_000, load)
    loop.run(Shedder(LIMIT_S, MANY, loop.clock, random.Random(3).random), 20)

    assert loop.refusals_s == []
