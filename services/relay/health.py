"""Upstreams of a pool that fail again and again are left for last in it, for a while. Pure.

::

    three failures in a row ─▶ rests 5 s ─▶ one request tries ─▶ answered: well again
                                  ▲                └──▶ failed: rests twice as long, up to 60 s
                                  └──────────────────────────┘

A resting upstream stays in the order, behind the others of its pool. Routes of no pool keep the
order that the operator gave them. A limit of rate says nothing of health, nor does a count of
tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from runtime.catalog import Route
from services.relay.route import Attempt, Result

FAILURES: Final = 3
FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 60.0
_FAILED: Final = frozenset(
    {
        Result.CONNECT_FAILED,
        Result.DISCONNECTED,
        Result.TIMED_OUT,
        Result.CREDENTIAL_REFUSED,
        Result.SERVER_ERROR,
        Result.REDIRECTED,
    }
)
_WELL: Final = frozenset({Result.ANSWERED, Result.REFUSED})


@dataclass(slots=True)
class UpstreamState:
    """What this relay saw of one upstream; a moment is None where it never came."""

    failures: int = 0
    rest_s: float = FIRST_REST_S
    rests_until: float = 0.0
    answered_at: float | None = None
    failed_at: float | None = None
    last_failure: Result | None = None

    def is_out(self) -> bool:
        """Whether it failed so often that it rests, or is being tried."""
        return self.failures >= FAILURES


class Health:
    """What this relay knows of its upstreams. Moments are of a monotonic clock."""

    def __init__(self) -> None:
        self._states: dict[str, UpstreamState] = {}

    @property
    def states(self) -> Mapping[str, UpstreamState]:
        """Every upstream that was asked, by name."""
        return self._states

    def order(
        self, routes: Sequence[Route], pool_of: Callable[[Route], str], now: float
    ) -> list[Route]:
        """The routes with resting upstreams behind their neighbours of the same pool."""
        if len(routes) < 2:
            return list(routes)
        found: list[Route] = []
        for pool, neighbours in groupby(routes, key=pool_of):
            group = list(neighbours)
            found += self._order_pool(group, now) if pool else group
        return found

    def _order_pool(self, routes: list[Route], now: float) -> list[Route]:
        resting = [route for route in routes if self._rests(route.upstream, now)]
        if len(resting) == len(routes):
            return routes
        found = [*(route for route in routes if route not in resting), *resting]
        state = self._states.get(found[0].upstream)
        if state is not None and state.is_out():
            # This request tries it; others wait for what becomes of it.
            state.rests_until = now + state.rest_s
        return found

    def note(self, attempts: Iterable[Attempt], now: float) -> None:
        """What became of a request's attempts."""
        for attempt in attempts:
            upstream = attempt.route.upstream
            if attempt.result in _WELL:
                state = self._states.setdefault(upstream, UpstreamState())
                state.failures, state.rest_s, state.answered_at = 0, FIRST_REST_S, now
            elif attempt.result in _FAILED:
                state = self._states.setdefault(upstream, UpstreamState())
                state.failed_at, state.last_failure = now, attempt.result
                _fail(state, now)

    def _rests(self, upstream: str, now: float) -> bool:
        state = self._states.get(upstream)
        return state is not None and state.is_out() and now < state.rests_until


def _fail(state: UpstreamState, now: float) -> None:
    state.failures += 1
    if not state.is_out():
        return
    if state.failures > FAILURES:
        state.rest_s = min(LONGEST_REST_S, state.rest_s * 2)
    state.rests_until = now + state.rest_s
