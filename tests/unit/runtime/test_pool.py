"""Upstreams of one pool share its accounts, and every process finds the same."""

from __future__ import annotations

from collections import Counter

from runtime.catalog import Model, Route, Upstream, build_catalog

NAMES = ("a1", "a2", "a3")
ACCOUNTS = [f"acc_{number}" for number in range(3_000)]


def routes(account_id: str, *names: str, pinned: tuple[str, ...] = ()) -> list[str]:
    """The order of the upstreams of a model: a pool between two upstreams of no pool."""
    upstreams = [
        Upstream(name, "anthropic_messages", "https://x.example", pool="a" if name in NAMES else "")
        for name in ("first", *NAMES, "last")
    ]
    listed = ("first", *names, "last")
    model = Model("m", "M", tuple(Route(name, "anthropic_messages", "m") for name in listed))
    catalog = build_catalog(upstreams, [model], [])
    return [route.upstream for route in catalog.routes(model, None, pinned, account_id)]


def test_a_pool_is_shared_evenly_and_keeps_its_place_in_the_order() -> None:
    found = [routes(account, *NAMES) for account in ACCOUNTS]
    assert {(order[0], order[-1]) for order in found} == {("first", "last")}
    assert all(sorted(order[1:-1]) == list(NAMES) for order in found)
    shares = Counter(order[1] for order in found)
    assert all(850 < shares[name] < 1_150 for name in NAMES)


def test_an_upstream_that_leaves_moves_its_own_accounts_alone_and_spreads_them() -> None:
    moved: Counter[str] = Counter()
    for account in ACCOUNTS:
        before, after = routes(account, *NAMES)[1], routes(account, "a1", "a3")[1]
        if before != "a2":
            assert after == before
        else:
            assert after == routes(account, *NAMES)[2]
            moved[after] += 1
    assert min(moved.values()) > 400


def test_a_pin_goes_before_the_pool() -> None:
    assert routes("acc_1", *NAMES, pinned=("a3", "a1")) == ["a3", "a1"]
