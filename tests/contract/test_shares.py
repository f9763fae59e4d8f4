"""Shares of a limit against the real store: what is handed out never exceeds it."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.account import Limits
from services.auth.share import Draw, first_share
from services.auth.store import Store

LIFE_S = 30.0
LIMITS = Limits(20, 2_000, 300, 5)


@dataclass
class Holder:
    """One lease as its holder knows it: what it holds by kind."""

    store: Store
    account: str
    lease: str
    held: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    async def take(self, draw: Draw, *, phase: str = "draw", limits: Limits = LIMITS) -> list[int]:
        answer = await self.store.take_shares(
            self.account, self.lease, limits, draw, life_s=LIFE_S, phase=phase
        )
        if answer[0] == 0:
            taken, kept = answer[1:5], answer[5:9]
            self.held = [a + b for a, b in zip(taken, kept, strict=True)]
        return answer

    async def open(self, limits: Limits = LIMITS) -> None:
        await self.take(Draw(hoped=first_share(limits)), phase="open", limits=limits)

    def as_limits(self) -> Limits:
        return Limits(*self.held)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # who
        st.sampled_from(["draw", "greedy", "spend", "return", "release", "lie", "overspend"]),
        st.integers(0, 3),  # kind
        st.integers(1, 400),  # how much
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_what_is_held_and_spent_never_exceeds_a_limit(
    shared_url: str, steps: list[tuple[int, str, int, int]]
) -> None:
    async def run() -> None:
        store = Store(shared_url)
        account = f"acc_{secrets.token_hex(6)}"
        holders = [Holder(store, account, f"{account}/{n}") for n in range(4)]
        spent, beyond = [0, 0, 0, 0], [0, 0, 0, 0]
        try:
            for holder in holders:
                await holder.open()
                check(holders, spent)
            for who, what, kind, amount in steps:
                await step(holders[who], what, kind, amount, spent, beyond)
                check(holders, spent)
        finally:
            await store.close()

    asyncio.run(run())


async def step(
    holder: Holder, what: str, kind: int, amount: int, spent: list[int], beyond: list[int]
) -> None:
    one = [amount if place == kind else 0 for place in range(4)]
    if what in ("draw", "greedy"):
        least = one if what == "draw" else [0, 0, 0, 0]
        draw = Draw(wanted=Limits(*least), hoped=Limits(*one), held=holder.as_limits())
        answer = await holder.take(draw)
        if answer[0] == 0 and what == "draw":
            assert answer[1 + kind] >= amount
    elif what == "spend":
        used = min(amount, holder.held[kind])
        holder.held[kind] -= used
        spent[kind] += used if kind < 3 else 0
        await holder.take(Draw(held=holder.as_limits()))
    elif what == "return":
        given = min(amount, holder.held[kind])
        holder.held[kind] -= given
        back = Limits(*(given if place == kind else 0 for place in range(4)))
        await holder.take(Draw(held=holder.as_limits(), returned=back))
    elif what == "release":
        await holder.take(Draw(held=holder.as_limits()), phase="end")
        # What a lease that ends says it holds is free: it never was spent.
        await holder.open()
    elif what == "lie":
        # Who says it holds more than it was given keeps what it was given.
        before = list(holder.held)
        await holder.take(Draw(held=Limits(10**6, 10**6, 10**6, 10**6)))
        assert holder.held == before
    elif kind < 3:
        beyond[kind] += amount
        await holder.take(
            Draw(
                held=holder.as_limits(),
                overspent=Limits(*(amount if place == kind else 0 for place in range(4))),
            )
        )


def check(holders: list[Holder], spent: list[int]) -> None:
    for kind, limit in enumerate(LIMITS.as_tuple()):
        held = sum(holder.held[kind] for holder in holders)
        assert held + spent[kind] <= limit, f"kind {kind}: {held} held and {spent[kind]} spent"


@pytest.fixture
async def store(redis_url: str) -> Store:
    return Store(redis_url)


def holders_of(store: Store, count: int) -> list[Holder]:
    return [Holder(store, "acc_1", f"acc_1/{n}") for n in range(count)]


async def test_the_whole_limit_can_be_used_by_whoever_needs_it(store: Store) -> None:
    busy, quiet = holders_of(store, 2)
    await busy.open()
    await quiet.open()
    await quiet.take(Draw(held=Limits()), phase="end")
    drawn = busy.held[0]
    for _ in itertools.count():
        answer = await busy.take(Draw(wanted=Limits(1), held=busy.as_limits()))
        if answer[0] != 0:
            break
        drawn += answer[1]
    # A lease that ended without saying it holds anything has spent what it had.
    assert drawn + first_share(LIMITS).requests_per_minute == LIMITS.requests_per_minute
    await store.close()


async def test_shares_shrink_near_the_limit(store: Store) -> None:
    (holder,) = holders_of(store, 1)
    await holder.open(Limits(100))
    sizes = []
    for _ in range(6):
        draw = Draw(hoped=Limits(50), held=holder.as_limits())
        sizes.append((await holder.take(draw, limits=Limits(100)))[1])
    assert sizes[0] > 20
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2
    await store.close()


async def test_a_refusal_tells_when_enough_has_left_the_window(store: Store) -> None:
    (holder,) = holders_of(store, 1)
    await holder.open(Limits(10))
    await holder.take(Draw(wanted=Limits(8), held=holder.as_limits()), limits=Limits(10))
    await holder.take(Draw(held=Limits()), limits=Limits(10))  # all of it is spent
    kind, wait_ms = (await holder.take(Draw(wanted=Limits(5)), limits=Limits(10)))[:2]
    assert kind == 1
    assert 58_000 < wait_ms <= 62_000
    await store.close()


async def test_slots_of_a_holder_that_died_come_back_when_its_lease_ends(store: Store) -> None:
    dead, alive = holders_of(store, 2)
    limits = Limits(concurrency=2)
    draw = Draw(wanted=limits)
    await store.take_shares("acc_1", dead.lease, limits, draw, life_s=0.3, phase="open")
    await alive.open(limits)
    assert (await alive.take(Draw(wanted=limits), limits=limits))[0] == 4
    await asyncio.sleep(0.35)
    answer = await alive.take(Draw(wanted=limits), limits=limits)
    assert (answer[0], answer[4]) == (0, 2)
    await store.close()


async def test_what_was_used_beyond_a_share_counts_whatever_the_limit(store: Store) -> None:
    (holder,) = holders_of(store, 1)
    limits = Limits(output_tokens_per_minute=100)
    await holder.open(limits)
    await holder.take(Draw(overspent=Limits(output_tokens_per_minute=5_000)), limits=limits)
    answer = await holder.take(Draw(wanted=Limits(output_tokens_per_minute=1)), limits=limits)
    assert answer[0] == 3
    await store.close()


async def test_a_lease_nobody_opened_draws_nothing(store: Store) -> None:
    (holder,) = holders_of(store, 1)
    assert await holder.take(Draw(wanted=Limits(1))) == [-1]
    await store.close()
