"""The arithmetic of shares, without auth and without a clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from admission.allowance import CONCURRENCY, INPUT, OUTPUT, REQUESTS, Allowance, Amounts

LIMITS: Amounts = (640, 64_000, 6_400, 64)


def allowance(*left: int, limits: Amounts = LIMITS) -> Allowance:
    return Allowance(limits=limits, left=list(left))


def test_nothing_is_short_where_nothing_is_limited() -> None:
    free = Allowance()
    assert not free.is_short_of((10**9, 10**9, 10**9, 10**9))
    free.begin(free.wanted_for(10**9), 0.0)
    assert free.state_rest(0.0) is None


def test_a_request_is_short_of_whatever_kind_runs_out_first() -> None:
    wanted: Amounts = (1, 100, 1, 1)
    assert not allowance(1, 100, 1, 1).is_short_of(wanted)
    for kind in range(4):
        left = [1, 100, 1, 1]
        left[kind] -= 1
        assert allowance(*left).is_short_of(wanted)


def test_output_owed_stops_the_next_request() -> None:
    one = allowance(5, 5_000, 50, 5)
    one.begin(one.wanted_for(100), 0.0)
    one.correct(0, 60)
    one.end()
    assert one.is_short_of(one.wanted_for(100))
    statement = one.state_need(one.wanted_for(100), one.wanted_for(100), 0.0)
    assert statement.overspent == (0, 0, 10, 0)
    assert statement.wanted == (0, 0, 1, 0)
    one.apply(statement, (0, 0, 40, 0), statement.held, (0, 0, 0, 0))
    assert one.left[OUTPUT] == 40


def test_a_guess_too_high_gives_back_what_was_not_used() -> None:
    one = allowance(5, 5_000, 50, 5)
    one.begin(one.wanted_for(3_000), 0.0)
    one.correct(200 - 3_000, 0)
    assert one.left[INPUT] == 4_800


def test_a_request_larger_than_its_limit_waits_for_all_of_it() -> None:
    assert allowance().wanted_for(10**6)[INPUT] == 64_000


def test_hopes_double_while_draws_follow_each_other() -> None:
    one = allowance(0, 64_000, 6_400, 64)
    hopes = []
    for now in (0.0, 0.5, 1.0, 1.5, 60.0):
        one.left[REQUESTS] = 0
        hopes.append(one.state_need((1, 0, 0, 0), (1, 0, 0, 0), now).hoped[REQUESTS])
    assert hopes == [10, 20, 40, 80, 10]


def test_a_draw_hopes_for_all_that_wait() -> None:
    statement = allowance(0, 0, 1, 64).state_need((1, 50, 1, 1), (7, 9_000, 7, 7), 0.0)
    assert statement.wanted == (1, 50, 0, 0)
    assert statement.hoped[:2] == (10, 9_000)


def test_a_quiet_moment_keeps_what_demand_needs_and_gives_the_rest_back() -> None:
    one = allowance(160, 16_000, 1_600, 16)
    one.begin((30, 0, 0, 1), 0.0)
    statement = one.state_rest(0.0)
    assert statement is not None
    assert statement.held[REQUESTS] == 60
    assert statement.held[INPUT] == 1_000
    assert statement.held[CONCURRENCY] == 2
    one.apply(statement, statement.hoped, statement.held, LIMITS)
    one.end()
    again = one.state_rest(1.0)
    assert again is not None
    assert again.held[REQUESTS] == 10
    one.apply(again, again.hoped, again.held, LIMITS)
    assert one.state_rest(2.0) is None


def test_what_runs_takes_its_slots_to_a_lease_granted_anew() -> None:
    one = allowance(5, 5_000, 50, 5)
    for _ in range(3):
        one.begin((1, 0, 0, 1), 0.0)
    one.regrant(allowance(5, 5_000, 50, 2))
    assert one.left[CONCURRENCY] == -1
    statement = one.state_need((1, 0, 1, 1), (1, 0, 1, 1), 0.0)
    assert statement.wanted[CONCURRENCY] == 2
    assert statement.held[CONCURRENCY] == 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(-300, 500), st.booleans()), max_size=30))
def test_whatever_is_drawn_and_spent_is_accounted_for(
    steps: list[tuple[int, int, bool]],
) -> None:
    """Against a store that gives all that is hoped for: what left it was used or is held."""
    one = Allowance(limits=LIMITS)
    gauge = spent = used = 0
    for tokens, extra, rests in steps:
        wanted = one.wanted_for(tokens)
        statement = one.state_rest(0.0) if rests else one.state_need(wanted, wanted, 0.0)
        if statement is not None:
            gone = gauge - statement.held[INPUT] - statement.returned[INPUT]
            spent += gone + statement.overspent[INPUT]
            gauge = statement.held[INPUT] + statement.hoped[INPUT]
            one.apply(statement, statement.hoped, statement.held, LIMITS)
        if one.is_short_of(wanted):
            continue
        one.begin(wanted, 0.0)
        extra = max(extra, -wanted[INPUT])
        one.correct(extra, 0)
        one.end()
        used += wanted[INPUT] + extra
    assert spent + gauge - one.left[INPUT] == used
