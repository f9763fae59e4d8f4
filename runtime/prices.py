"""What tokens cost, as the operator's YAML says it: whole micro-dollars per million tokens.

::

    prices:
      input: 3000000
      output: 15000000
      cache_read: 300000          # as input where it is left out
      cache_write_5m: 3750000     # as input
      cache_write_1h: 6000000     # as input
      reasoning: 15000000         # as output
      tiers:                      # long contexts: the last tier reached prices the whole request
        - {above_input: 200000, input: 6000000, output: 22500000}

A kind that is left out of a tier keeps what its own tier says of input or output, as above.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.yaml_text import Block


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars per million tokens of each kind; None is priced as input, or as output."""

    input: int = 0
    output: int = 0
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates of requests whose whole input is more than ``above_input`` tokens."""

    above_input: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class Prices:
    """The rates of a model, and of its long contexts in rising order."""

    rates: Rates = Rates()
    tiers: tuple[Tier, ...] = ()

    def rates_for(self, total_input: int) -> Rates:
        """What holds for a request with so many tokens of input, cached ones included."""
        found = self.rates
        for tier in self.tiers:
            if total_input > tier.above_input:
                found = tier.rates
        return found

    def reachable(self, total_input: int) -> tuple[Rates, ...]:
        """Every set of rates a request with at most so many tokens of input can meet."""
        return (self.rates, *(t.rates for t in self.tiers if total_input > t.above_input))


_RATES: Final = frozenset(Rates.__dataclass_fields__)
PRICE_KEYS: Final = _RATES | {"tiers"}

COUNTING: Final = "count_tokens"
"""What a count of tokens goes by in the ledger, where it has a price: a model of one token."""


def price_of_count(micros: int) -> Prices:
    """Prices by which one token costs ``micros``."""
    return Prices(Rates(input=micros * 1_000_000))


def read_prices(block: Block) -> Prices | None:
    """What stands under ``prices``, if anything does."""
    if "prices" not in block:
        return None
    return read_price_entry(block.block("prices", set(PRICE_KEYS)))


def read_price_entry(block: Block) -> Prices:
    """Prices whose keys stand in the block itself."""
    tiers: list[Tier] = []
    for entry in block.blocks("tiers", "a tier", {*_RATES, "above_input"}, {"above_input"}):
        above = entry.count("above_input", 1, least=1)
        if tiers and above <= tiers[-1].above_input:
            entry.fault("above_input", "tiers stand in rising order of above_input")
        tiers.append(Tier(above, _read_rates(entry)))
    return Prices(_read_rates(block), tuple(tiers))


def _read_rates(block: Block) -> Rates:
    for name in ("input", "output"):
        if name not in block:
            block.fault(name, f"prices need {name}")
    return Rates(**{name: block.count(name) for name in block if name in _RATES})
