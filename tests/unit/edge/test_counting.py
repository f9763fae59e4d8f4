"""The allowance and the memory of count_tokens, on a clock of the test's own."""

from __future__ import annotations

import pytest

from edge import counting
from edge.counting import CountAllowance, CountMemory
from runtime.faults import Reason, ServiceFault


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_allowance_is_a_minutes_worth_and_refills(clock: Clock) -> None:
    allowance = CountAllowance(60, clock)
    for _ in range(60):
        allowance.spend("acc")
    with pytest.raises(ServiceFault) as refused:
        allowance.spend("acc")
    assert refused.value.reason is Reason.RATE_LIMITED
    assert refused.value.retry_after_s == pytest.approx(1.0)
    clock.now = 1.0
    allowance.spend("acc")
    with pytest.raises(ServiceFault):
        allowance.spend("acc")


def test_accounts_do_not_share_an_allowance(clock: Clock) -> None:
    allowance = CountAllowance(1, clock)
    allowance.spend("one")
    allowance.spend("another")
    with pytest.raises(ServiceFault):
        allowance.spend("one")


def test_no_limit_is_no_limit(clock: Clock) -> None:
    allowance = CountAllowance(0, clock)
    for _ in range(10_000):
        allowance.spend("acc")


def test_accounts_remembered_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_ACCOUNTS", 3)
    allowance = CountAllowance(5, clock)
    for at in range(10):
        allowance.spend(f"acc-{at}")
    assert len(allowance._buckets) == 3


def test_a_count_is_recalled_for_its_account_alone(clock: Clock) -> None:
    memory = CountMemory(clock)
    digest = memory.digest([b"route", b"body"])
    memory.remember("acc", digest, 12)
    assert memory.recall("acc", digest) == 12
    assert memory.recall("other", digest) is None
    assert memory.recall("acc", memory.digest([b"route", b"other body"])) is None


def test_a_count_is_forgotten_in_time(clock: Clock) -> None:
    memory = CountMemory(clock)
    memory.remember("acc", b"digest", 12)
    clock.now = counting.REMEMBERED_S + 1
    assert memory.recall("acc", b"digest") is None


def test_the_count_unused_for_longest_makes_room(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_COUNTS", 2)
    monkeypatch.setattr(counting, "MAX_ACCOUNTS_REMEMBERED", 2)
    memory = CountMemory(clock)
    memory.remember("acc", b"1", 1)
    memory.remember("acc", b"2", 2)
    assert memory.recall("acc", b"1") == 1
    memory.remember("acc", b"3", 3)
    assert memory.recall("acc", b"2") is None
    assert memory.recall("acc", b"1") == 1
    memory.remember("second", b"1", 1)
    memory.remember("third", b"1", 1)
    assert memory.recall("acc", b"1") is None
    assert memory.recall("third", b"1") == 1


def test_a_digest_tells_where_one_part_ends(clock: Clock) -> None:
    memory = CountMemory(clock)
    assert memory.digest([b"ab", b"c"]) != memory.digest([b"a", b"bc"])
    assert memory.digest([b"ab"]) != CountMemory(clock).digest([b"ab"])
