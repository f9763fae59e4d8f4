"""What an operator offers, from one YAML: upstreams, models with their routes, plans.

::

    upstreams:
      - name: anthropic
        dialect: anthropic_messages        # or openai_chat, openai_responses
        base_url: https://api.anthropic.com
        credential: {env: ANTHROPIC_API_KEY}   # or {file: /run/secrets/anthropic}
        capabilities: {thinking: true, count_tokens: true}
        allow_private: false               # true admits http and private addresses
    models:
      - id: claude-sonnet-4-5
        display_name: Claude Sonnet 4.5
        routes: [{upstream: anthropic, model: claude-sonnet-4-5-20250929}]   # tried in order
        context_window: 200000
        max_output: 64000
        prices: {input: 3000000, output: 15000000}   # micro-dollars per million tokens
        capabilities: {prefill: false}     # overrides dialects.capabilities
    plans:
      - name: pro
        models: ["claude-*"]
        thinking: true
        limits: {requests_per_minute: 60}

A catalog is a value: reading it dials nothing. Base URLs follow the vendors' conventions: that of
an anthropic_messages upstream stands without ``/v1``, those of the OpenAI dialects with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from runtime.config import SecretText

DIALECT_NAMES: Final = ("anthropic_messages", "openai_chat", "openai_responses")
PRODUCTS: Final = ("api", "credits")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider account: where it stands, what it speaks, what it can do."""

    name: str
    dialect: str
    base_url: str
    credential: SecretText | None = None
    thinking: bool = True
    count_tokens: bool = False
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where a model lives: an upstream by name, its dialect, and the model's name there."""

    upstream: str
    dialect: str
    upstream_model: str

    @property
    def name(self) -> str:
        """``upstream/upstream_model``: unique within a model."""
        return f"{self.upstream}/{self.upstream_model}"


@dataclass(frozen=True, slots=True)
class Prices:
    """Micro-dollars per million tokens of each kind."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the public sees it; ``capabilities`` overrides what is known of its family."""

    id: str
    display_name: str
    routes: tuple[Route, ...]
    context_window: int = 200_000
    max_output: int = 32_000
    prices: Prices = Prices()
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Per minute, and at once; 0 means unlimited."""

    requests_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account on it may do. ``models``: exact ids or a trailing "*"; none = every model."""

    name: str
    product: str = "api"
    models: tuple[str, ...] = ()
    thinking: bool = True
    limits: PlanLimits = PlanLimits()


@dataclass(frozen=True, slots=True)
class Catalog:
    """The whole offer; every mapping keeps the order of the file."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def model(self, model_id: str) -> Model | None:
        """The model of that public id, if there is one."""
        return self.models.get(model_id)

    def routes(
        self, model: Model, dialect: str | None = None, upstreams: Sequence[str] = ()
    ) -> list[Route]:
        """The model's routes in the order to try.

        ``dialect`` keeps those that speak it. ``upstreams`` (an account's assignment) keeps those
        it names and takes its order; empty keeps all in the order of the file.
        """
        routes = [route for route in model.routes if dialect in (None, route.dialect)]
        if not upstreams:
            return routes
        rank = {name: place for place, name in enumerate(upstreams)}
        assigned = [route for route in routes if route.upstream in rank]
        return sorted(assigned, key=lambda route: rank[route.upstream])


def build_catalog(
    upstreams: Iterable[Upstream], models: Iterable[Model], plans: Iterable[Plan]
) -> Catalog:
    """A catalog whose mappings cannot be changed."""
    return Catalog(
        upstreams=MappingProxyType({upstream.name: upstream for upstream in upstreams}),
        models=MappingProxyType({model.id: model for model in models}),
        plans=MappingProxyType({plan.name: plan for plan in plans}),
    )


def load_catalog(text: str, environ: Mapping[str, str] | None) -> Catalog:
    """Read the YAML; ConfigError names every fault at once, each with its line.

    ``environ`` resolves the credentials named by ``env``; None leaves every credential unread,
    for the processes that must not hold an upstream's secret.
    """
    from runtime.catalog_text import CatalogText

    return CatalogText(text, environ).read()
