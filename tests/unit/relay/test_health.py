"""Upstreams that fail again and again are left for last, for a while."""

from __future__ import annotations

from runtime.catalog import Route
from services.relay.health import Health
from services.relay.route import Attempt, Result

ROUTES = [Route(name, "anthropic_messages", "m") for name in ("one", "two", "three")]


def note(health: Health, name: str, result: Result, now: float = 0.0, times: int = 1) -> None:
    route = next(route for route in ROUTES if route.upstream == name)
    for _ in range(times):
        health.note([Attempt(route, 0, result)], now)


def order(health: Health, now: float, pool: str = "all") -> list[str]:
    return [route.upstream for route in health.order(ROUTES, lambda _route: pool, now)]


def test_three_failures_in_a_row_send_an_upstream_to_the_end() -> None:
    health = Health()
    note(health, "one", Result.CONNECT_FAILED, times=2)
    assert order(health, 0.0) == ["one", "two", "three"]
    note(health, "one", Result.SERVER_ERROR)
    assert order(health, 4.9) == ["two", "three", "one"]


def test_routes_of_no_pool_keep_their_order() -> None:
    health = Health()
    note(health, "one", Result.CONNECT_FAILED, times=9)
    assert order(health, 0.0, pool="") == ["one", "two", "three"]


def test_an_answer_in_between_forgets_the_failures() -> None:
    health = Health()
    note(health, "one", Result.TIMED_OUT, times=2)
    note(health, "one", Result.REFUSED)
    note(health, "one", Result.TIMED_OUT, times=2)
    assert order(health, 0.0) == ["one", "two", "three"]


def test_after_a_rest_one_request_tries_and_others_wait_for_it() -> None:
    health = Health()
    note(health, "one", Result.CREDENTIAL_REFUSED, times=3)
    assert order(health, 5.0)[0] == "one"
    assert order(health, 5.1)[0] == "two"
    note(health, "one", Result.ANSWERED, 5.2)
    assert order(health, 5.3)[0] == "one"


def test_rests_double_up_to_a_minute() -> None:
    health = Health()
    note(health, "one", Result.DISCONNECTED, times=3)
    rests, now = [], 0.0
    for _ in range(6):
        began = now
        while order(health, now)[0] != "one":
            now += 1.0
        rests.append(now - began)
        note(health, "one", Result.DISCONNECTED, now)
    assert rests == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_limit_of_rate_says_nothing_of_health() -> None:
    health = Health()
    note(health, "one", Result.RATE_LIMITED, times=9)
    assert order(health, 0.0)[0] == "one"


def test_where_all_rest_the_order_stays() -> None:
    health = Health()
    for route in ROUTES:
        note(health, route.upstream, Result.CONNECT_FAILED, times=3)
    assert order(health, 0.0) == ["one", "two", "three"]


def test_what_was_seen_is_told_and_an_answer_mends_it() -> None:
    health = Health()
    note(health, "one", Result.TIMED_OUT, 1.0, times=3)
    note(health, "two", Result.RATE_LIMITED, 1.0)
    state = health.states["one"]
    assert (state.is_out(), state.failures, state.last_failure) == (True, 3, Result.TIMED_OUT)
    assert (state.answered_at, state.failed_at) == (None, 1.0)
    assert "two" not in health.states

    note(health, "one", Result.REFUSED, 7.0)
    assert (state.is_out(), state.failures, state.answered_at) == (False, 0, 7.0)
