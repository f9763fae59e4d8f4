"""Upstreams of one pool share its accounts: each account keeps to one of them while it can. Pure.

Which one follows from the account's and the upstream's names alone (rendezvous hashing), so every
process finds the same without being told, and an upstream that joins or leaves moves only the
accounts that go to it or were on it. The others follow in an order of the account's own: where its
upstream fails before the first byte, accounts of a failed upstream spread over all that are left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

R = TypeVar("R")


def spread(
    routes: Sequence[R], account_id: str, place_of: Callable[[R], tuple[str, str]]
) -> list[R]:
    """The routes with neighbours of one pool in the account's order; the rest stay where they are.

    ``place_of`` gives a route's pool ("" for none) and its upstream.
    """
    if len(routes) < 2:
        return list(routes)
    found: list[R] = []
    for pool, neighbours in groupby(routes, key=lambda route: place_of(route)[0]):
        group = list(neighbours)
        if pool and len(group) > 1:
            group.sort(key=lambda route: _weight(account_id, place_of(route)[1]), reverse=True)
        found += group
    return found


def _weight(account_id: str, upstream: str) -> bytes:
    return hashlib.blake2b(f"{account_id}\0{upstream}".encode(), digest_size=8).digest()
