"""Prices and packs in the operator's YAML."""

from __future__ import annotations

import pytest

from runtime.catalog import Catalog, load_catalog
from runtime.config import ConfigError
from runtime.prices import Rates

HEAD = """\
upstreams: [{name: u, dialect: openai_chat, base_url: "https://u.example/v1"}]
models:
  - id: priced
    routes: [{upstream: u}]
    prices:
      input: 3000000
      output: 15000000
      reasoning: 20000000
      tiers: [{above_input: 200000, input: 6000000, output: 22500000, cache_read: 600000}]
  - {id: unpriced, routes: [{upstream: u}]}
"""
PACKS = """\
packs:
  - {name: starter, credit: 5000000}
  - name: special
    credit: 9000000
    valid_days: 0
    prices: [{model: priced, input: 1, output: 2}]
"""


def load(text: str) -> Catalog:
    return load_catalog(text, {})


def test_a_long_context_has_rates_of_its_own() -> None:
    prices = load(HEAD).prices("priced")
    assert prices is not None
    assert prices.rates_for(200_000) == Rates(3_000_000, 15_000_000, reasoning=20_000_000)
    assert prices.rates_for(200_001) == Rates(6_000_000, 22_500_000, cache_read=600_000)


def test_a_pack_may_have_prices_of_its_own() -> None:
    catalog = load(HEAD + PACKS)
    special = catalog.prices("priced", "special")
    assert special is not None
    assert special.rates == Rates(1, 2)
    assert catalog.prices("priced", "starter") == catalog.prices("priced")
    assert (catalog.packs["starter"].valid_days, catalog.packs["special"].valid_days) == (365, 0)


def test_what_has_no_price_has_none() -> None:
    catalog = load(HEAD + PACKS)
    assert catalog.prices("unpriced", "special") is None
    assert catalog.prices("unknown") is None


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("input: 3000000", "cache_read: 1", "prices need input"),
        ("above_input: 200000, input", "above_input: 0, input", "at least 1"),
        ("{model: priced, input: 1", "{model: absent, input: 1", "not among the models"),
        ("credit: 5000000", "credit: 0", "at least 1"),
        ("output: 22500000", "output: 22500000, tea: 1", "unknown key 'tea'"),
    ],
)
def test_a_price_that_cannot_be_is_told(before: str, after: str, fault: str) -> None:
    text = (HEAD + PACKS).replace(before, after)
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert any(fault in one for one in caught.value.faults), caught.value.faults
