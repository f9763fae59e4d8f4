"""Which routes are tried together: those that one translation of the request serves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from dialects.capabilities import Capabilities
from runtime.catalog import Catalog, Model, Route


@dataclass(frozen=True, slots=True)
class Leg:
    """Routes of one dialect to one upstream model, taken as one by the relay."""

    routes: tuple[Route, ...]
    capabilities: Capabilities

    @property
    def dialect(self) -> str:
        return self.routes[0].dialect

    @property
    def upstream_model(self) -> str:
        return self.routes[0].upstream_model


def plan_legs(
    catalog: Catalog, model: Model, routes: Sequence[Route], *, is_apart: bool = False
) -> list[Leg]:
    """The legs in the order of the routes; ``is_apart`` gives each upstream one of its own."""
    legs = []
    for (*_, capabilities), group in itertools.groupby(
        routes,
        key=lambda route: (
            route.dialect,
            route.upstream_model,
            route.upstream if is_apart else "",
            catalog.capabilities(model, route),
        ),
    ):
        legs.append(Leg(tuple(group), capabilities))
    return legs
