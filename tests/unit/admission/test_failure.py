"""Guessing is slowed down before auth is asked; good keys are not."""

from __future__ import annotations

import pytest

from admission.failure import Failures, network_of
from runtime.faults import Reason, ServiceFault

HOME = "192.0.2.1"


def fail(failures: Failures, count: int, address: str = HOME, *, now: float = 0.0) -> None:
    for number in range(count):
        failures.note(address, b"key %d" % number, now)


def is_refused(failures: Failures, address: str, digest: bytes, now: float = 0.0) -> bool:
    try:
        failures.check(address, digest, now)
    except ServiceFault as fault:
        wait_s = fault.retry_after_s or 0.0
        return fault.reason is Reason.RATE_LIMITED and 0 < wait_s <= 60
    return False


def test_one_wrong_key_is_asked_for_ten_times_a_minute() -> None:
    failures = Failures()
    for _ in range(10):
        assert not is_refused(failures, HOME, b"wrong")
        failures.note(HOME, b"wrong", 0.0)
    assert is_refused(failures, HOME, b"wrong")
    assert not is_refused(failures, HOME, b"another")
    assert not is_refused(failures, HOME, b"wrong", now=7.0)


def test_an_address_may_be_wrong_a_hundred_times_a_minute() -> None:
    failures = Failures()
    fail(failures, 99)
    assert not is_refused(failures, HOME, b"new")
    fail(failures, 1)
    assert is_refused(failures, HOME, b"new")
    assert not is_refused(failures, "192.0.2.2", b"new")


def test_a_key_that_was_good_is_not_held_up_by_others_at_its_address() -> None:
    failures = Failures()
    failures.forget(b"good")
    fail(failures, 200)
    assert not is_refused(failures, HOME, b"good")
    failures.note(HOME, b"good", 0.0)
    assert is_refused(failures, HOME, b"good")


def test_wrong_keys_elsewhere_say_nothing_of_the_same_key_here() -> None:
    failures = Failures()
    for _ in range(50):
        failures.note("198.51.100.7", b"stolen", 0.0)
    assert not is_refused(failures, HOME, b"stolen")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_a_network_of_ipv6_is_one_caller(address: str, network: str) -> None:
    assert network_of(address) == network


def test_memory_is_bounded() -> None:
    failures = Failures()
    for number in range(30_000):
        failures.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", b"x", 0.0)
        failures.forget(b"%d" % number)
    assert len(failures._by_address._levels) == len(failures._good) == 20_000
