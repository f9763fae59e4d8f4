"""Routes that one translation serves go together, in the order they are to be tried."""

from __future__ import annotations

from typing import Any

from runtime.catalog import Catalog, Model, Route, Upstream, build_catalog
from services.translator.leg import plan_legs

CHAT, MESSAGES = "openai_chat", "anthropic_messages"


def catalog(*upstreams: Upstream, **fields: Any) -> tuple[Catalog, Model]:
    routes = tuple(Route(up.name, up.dialect, "m") for up in upstreams)
    model = Model("public", "Public", routes, **fields)
    return build_catalog(upstreams, [model], []), model


def upstream(name: str, dialect: str = CHAT, **capabilities: Any) -> Upstream:
    return Upstream(name, dialect, "https://e.org/v1", model_capabilities=capabilities)


def names(*arguments: Any, **options: Any) -> list[list[str]]:
    return [[route.upstream for route in leg.routes] for leg in plan_legs(*arguments, **options)]


def test_routes_of_one_dialect_model_and_ability_are_one_leg() -> None:
    found, model = catalog(upstream("a"), upstream("b"), upstream("c", MESSAGES), upstream("d"))

    assert names(found, model, model.routes) == [["a", "b"], ["c"], ["d"]]


def test_upstreams_with_other_abilities_need_a_translation_of_their_own() -> None:
    found, model = catalog(upstream("a"), upstream("b", max_stops=4), upstream("c", max_stops=4))
    legs = plan_legs(found, model, model.routes)

    assert [leg.capabilities.max_stops for leg in legs] == [None, 4]
    assert [len(leg.routes) for leg in legs] == [1, 2]


def test_reasoning_under_seal_sets_every_upstream_apart() -> None:
    found, model = catalog(upstream("a"), upstream("b"))

    assert names(found, model, model.routes, is_apart=True) == [["a"], ["b"]]


def test_the_models_word_stands_above_its_upstreams() -> None:
    found, model = catalog(upstream("a", max_stops=4, max_output=9), capabilities={"max_output": 5})
    (leg,) = plan_legs(found, model, model.routes)

    assert (leg.capabilities.max_stops, leg.capabilities.max_output) == (4, 5)
    assert (leg.dialect, leg.upstream_model) == (CHAT, "m")
