"""What usage costs, in micro-dollars. Pure, whole numbers throughout.

::

    cost = round_half_up( sum of tokens x rate / 1,000,000 )        rounded once, at the end

Rates are chosen by the whole input, cached parts included: a long context is dearer as a whole.
Reasoning is a part of the output that may have a rate of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from runtime.prices import Prices, Rates

TOKENS_PER_RATE: Final = 1_000_000


class Tokens(NamedTuple):
    """What a request used, in the order the journal keeps it; ``output`` includes reasoning."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def total_input(self) -> int:
        """The whole prompt, cached or not."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


class Bound(NamedTuple):
    """The most a request can use."""

    input: int
    output: int
    writes_cache_5m: bool = False
    writes_cache_1h: bool = False


def cost_of(prices: Prices, tokens: Tokens) -> int:
    """What the usage costs."""
    rates = prices.rates_for(tokens.total_input)
    reasoning = min(tokens.reasoning, tokens.output)
    total = tokens.input * rates.input
    total += tokens.cache_read * _or(rates.cache_read, rates.input)
    total += tokens.cache_write_5m * _or(rates.cache_write_5m, rates.input)
    total += tokens.cache_write_1h * _or(rates.cache_write_1h, rates.input)
    total += (tokens.output - reasoning) * rates.output
    total += reasoning * _or(rates.reasoning, rates.output)
    return (2 * total + TOKENS_PER_RATE) // (2 * TOKENS_PER_RATE)


def worst_cost(prices: Prices, bound: Bound) -> int:
    """No usage within the bound costs more: each token at the dearest rate it can meet."""
    return max(_worst(rates, bound) for rates in prices.reachable(bound.input))


def affordable_output(prices: Prices, bound: Bound, micros: int) -> int:
    """The most output tokens, within the bound, whose worst case ``micros`` pay; 0 if none."""
    if worst_cost(prices, bound) <= micros:
        return bound.output
    found = bound.output
    for rates in prices.reachable(bound.input):
        left = micros * TOKENS_PER_RATE - bound.input * _dearest_input(rates, bound)
        rate = _dearest_output(rates)
        if left < 0:
            return 0
        found = min(found, left // rate if rate else found)
    return found


def _worst(rates: Rates, bound: Bound) -> int:
    total = bound.input * _dearest_input(rates, bound) + bound.output * _dearest_output(rates)
    return -(-total // TOKENS_PER_RATE)


def _dearest_input(rates: Rates, bound: Bound) -> int:
    found = max(rates.input, _or(rates.cache_read, rates.input))
    if bound.writes_cache_5m:
        found = max(found, _or(rates.cache_write_5m, rates.input))
    if bound.writes_cache_1h:
        found = max(found, _or(rates.cache_write_1h, rates.input))
    return found


def _dearest_output(rates: Rates) -> int:
    return max(rates.output, _or(rates.reasoning, rates.output))


def _or(rate: int | None, otherwise: int) -> int:
    return otherwise if rate is None else rate
