"""The breaker: a store that hangs costs its callers nothing but the first few."""

from __future__ import annotations

from services.auth.connection import FAILURES, PAUSE_S, Breaker


def test_calls_pass_until_enough_of_them_failed() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        assert breaker.allows()
        breaker.fail()
    assert not breaker.allows()


def test_after_a_pause_one_call_tries_and_an_answer_opens_the_way() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        breaker.fail()
    now[0] += PAUSE_S
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.fail()
    now[0] += PAUSE_S / 2
    assert not breaker.allows()
    now[0] += PAUSE_S
    assert breaker.allows()
    breaker.succeed()
    assert all(breaker.allows() for _ in range(3))


def test_misses_between_answers_do_not_add_up() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.fail()
        breaker.succeed()
    assert breaker.allows()
