"""Prices in whole numbers, against exact decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from runtime.prices import Prices, Rates, Tier
from services.auth.ledger.pricing import Bound, Tokens, affordable_output, cost_of, worst_cost

RATE = st.integers(0, 10**9)
MAYBE_RATE = st.none() | RATE
COUNT = st.integers(0, 2 * 10**6)
RATES = st.builds(
    Rates,
    input=RATE,
    output=RATE,
    cache_read=MAYBE_RATE,
    cache_write_5m=MAYBE_RATE,
    cache_write_1h=MAYBE_RATE,
    reasoning=MAYBE_RATE,
)


@st.composite
def prices(draw: st.DrawFn) -> Prices:
    edges = sorted(draw(st.sets(st.integers(1, 10**6), max_size=3)))
    return Prices(draw(RATES), tuple(Tier(edge, draw(RATES)) for edge in edges))


@st.composite
def usage(draw: st.DrawFn) -> Tokens:
    output = draw(COUNT)
    parts = [draw(COUNT) for _ in range(4)]
    return Tokens(*parts, output, draw(st.integers(0, output)))


def exact_cost(prices: Prices, tokens: Tokens) -> int:
    """The same in decimals: dollars first, rounded half up to a micro at the end."""
    rates = prices.rates
    for tier in prices.tiers:
        if tokens.total_input > tier.above_input:
            rates = tier.rates
    per_million = [
        (tokens.input, rates.input),
        (tokens.cache_read, rates.input if rates.cache_read is None else rates.cache_read),
        (tokens.cache_write_5m, _or(rates.cache_write_5m, rates.input)),
        (tokens.cache_write_1h, _or(rates.cache_write_1h, rates.input)),
        (tokens.output - tokens.reasoning, rates.output),
        (tokens.reasoning, _or(rates.reasoning, rates.output)),
    ]
    dollars = sum(
        (Decimal(count) * Decimal(rate) / Decimal(10**12) for count, rate in per_million),
        Decimal(0),
    )
    return int((dollars * 10**6).quantize(Decimal(1), ROUND_HALF_UP))


def _or(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate


@given(prices(), usage())
def test_a_cost_is_the_exact_one_rounded_once(prices: Prices, tokens: Tokens) -> None:
    assert cost_of(prices, tokens) == exact_cost(prices, tokens)


@given(prices(), usage(), st.booleans(), st.booleans())
def test_no_usage_within_a_bound_costs_more_than_its_worst(
    prices: Prices, tokens: Tokens, writes_5m: bool, writes_1h: bool
) -> None:
    tokens = tokens._replace(
        cache_write_5m=tokens.cache_write_5m if writes_5m else 0,
        cache_write_1h=tokens.cache_write_1h if writes_1h else 0,
    )
    bound = Bound(tokens.total_input, tokens.output, writes_5m, writes_1h)
    assert cost_of(prices, tokens) <= worst_cost(prices, bound)


@given(prices(), COUNT, COUNT, st.integers(0, 10**13))
def test_what_can_be_afforded_is_the_most_that_fits(
    prices: Prices, input_tokens: int, output_tokens: int, micros: int
) -> None:
    bound = Bound(input_tokens, output_tokens)
    output = affordable_output(prices, bound, micros)
    assert 0 <= output <= output_tokens
    if output:
        assert worst_cost(prices, bound._replace(output=output)) <= micros
    if output < output_tokens:
        assert worst_cost(prices, bound._replace(output=output + 1)) > micros


def test_half_a_micro_rounds_up() -> None:
    prices = Prices(Rates(input=500_000, output=0))
    assert [cost_of(prices, Tokens(input=count)) for count in (1, 2, 3)] == [1, 1, 2]


def test_a_long_context_is_dearer_as_a_whole() -> None:
    prices = Prices(Rates(3_000_000, 15_000_000), (Tier(200_000, Rates(6_000_000, 22_500_000)),))
    at_edge = Tokens(input=50_000, cache_read=150_000, output=1_000)
    assert cost_of(prices, at_edge) == 600_000 + 15_000
    above = at_edge._replace(input=50_001)
    assert cost_of(prices, above) == 1_200_006 + 22_500


def test_reasoning_may_have_a_rate_of_its_own() -> None:
    prices = Prices(Rates(0, 10_000_000, reasoning=30_000_000))
    assert cost_of(prices, Tokens(output=5, reasoning=2)) == 90
