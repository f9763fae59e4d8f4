"""What an operator offers, from one YAML: upstreams, models with their routes, plans.

::

    upstreams:
      - name: anthropic
        dialect: anthropic_messages        # or openai_chat, openai_responses
        base_url: https://api.anthropic.com
        credential: {env: ANTHROPIC_API_KEY}   # or {file: /run/secrets/anthropic}
        capabilities: {thinking: true, count_tokens: true}
        model_capabilities: {max_stops: 2} # overrides dialects.capabilities for all it serves
        allow_private: false               # true admits http and private addresses
        pool: claude                       # upstreams of one pool share its accounts
    models:
      - id: claude-sonnet-4-5
        display_name: Claude Sonnet 4.5
        routes: [{upstream: anthropic, model: claude-sonnet-4-5-20250929}]   # tried in order
        context_window: 200000
        max_output: 64000                  # else what is known of the first route's model
        prices: {input: 3000000, output: 15000000}   # see runtime.prices
        capabilities: {prefill: false}     # overrides those, and its upstreams' overrides
    plans:
      - name: pro
        models: ["claude-*"]
        thinking: true
        limits: {requests_per_minute: 60}
        monthly_tokens: 50000000           # of every kind, in and out; 0 = no quota
    packs:                                 # of the credits product, bought once
      - name: starter
        credit: 5000000                    # micro-dollars
        valid_days: 365                    # 0 = does not expire
        prices: [{model: claude-sonnet-4-5, input: 4000000, output: 20000000}]   # its own
    count_tokens: {price: 20}              # micro-dollars of credit a count; else it costs nothing

A catalog is a value: reading it dials nothing. Base URLs follow the vendors' conventions: that of
an anthropic_messages upstream stands without ``/v1``, those of the OpenAI dialects with it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from dialects.capabilities import Capabilities, capabilities_of
from runtime.base_url import check_base_url
from runtime.config import SecretText
from runtime.pool import spread
from runtime.prices import (
    COUNTING,
    PRICE_KEYS,
    Prices,
    price_of_count,
    read_price_entry,
    read_prices,
)
from runtime.yaml_text import Block, Text

DIALECT_NAMES: Final = ("anthropic_messages", "openai_chat", "openai_responses")
PRODUCTS: Final = ("api", "credits")
EVERY_MODEL: Final = ("*",)


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
    pool: str = ""
    model_capabilities: Mapping[str, Any] = field(default_factory=dict)


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
class Model:
    """A model as the public sees it; ``capabilities`` overrides what is known of its family."""

    id: str
    display_name: str
    routes: tuple[Route, ...]
    context_window: int = 200_000
    max_output: int = 32_000
    prices: Prices | None = None  # a wallet cannot pay for what has none
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
    """What an account on it may do. ``models``: exact ids or a trailing "*".

    ``monthly_tokens`` of zero means no quota.
    """

    name: str
    product: str = "api"
    models: tuple[str, ...] = EVERY_MODEL
    thinking: bool = True
    limits: PlanLimits = PlanLimits()
    monthly_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Pack:
    """A purchase of credit, in micro-dollars; ``prices`` by model replace the models' own."""

    name: str
    credit: int
    valid_days: int = 365
    prices: Mapping[str, Prices] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The whole offer; every mapping keeps the order of the file."""

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    packs: Mapping[str, Pack] = field(default_factory=dict)
    count_price: int = 0  # micro-dollars of a wallet's credit for counting tokens once

    def prices(self, model_id: str, pack_name: str = "") -> Prices | None:
        """What a model costs an account whose wallet is priced by a pack; None of no model.

        ``prices.COUNTING`` stands for a count, and costs all the same.
        """
        if model_id == COUNTING and self.count_price:
            return price_of_count(self.count_price)
        pack = self.packs.get(pack_name)
        if pack is not None and model_id in pack.prices:
            return pack.prices[model_id]
        model = self.models.get(model_id)
        return None if model is None else model.prices

    def model(self, model_id: str) -> Model | None:
        """The model of that public id, if there is one."""
        return self.models.get(model_id)

    def routes(
        self,
        model: Model,
        dialect: str | None = None,
        upstreams: Sequence[str] = (),
        account_id: str = "",
    ) -> list[Route]:
        """The model's routes in the order to try.

        ``dialect`` keeps those that speak it. ``upstreams`` (an account's assignment) keeps those
        it names and takes its order; empty keeps all in the order of the file, but that among
        neighbours of one pool each account has an order of its own (pool.py).
        """
        routes = [route for route in model.routes if dialect in (None, route.dialect)]
        if not upstreams:
            return spread(routes, account_id, self._place_of)
        rank = {name: place for place, name in enumerate(upstreams)}
        assigned = [route for route in routes if route.upstream in rank]
        return sorted(assigned, key=lambda route: rank[route.upstream])

    def _place_of(self, route: Route) -> tuple[str, str]:
        return self.upstreams[route.upstream].pool, route.upstream

    def capabilities(self, model: Model, route: Route) -> Capabilities:
        """What the model takes by that route: built-in rules, the upstream's word, the model's."""
        upstream = self.upstreams[route.upstream]
        overrides = {**upstream.model_capabilities, **model.capabilities}
        return capabilities_of(route.upstream_model, overrides)


def build_catalog(
    upstreams: Iterable[Upstream],
    models: Iterable[Model],
    plans: Iterable[Plan],
    packs: Iterable[Pack] = (),
    count_price: int = 0,
) -> Catalog:
    """A catalog whose mappings cannot be changed."""
    return Catalog(
        upstreams=MappingProxyType({upstream.name: upstream for upstream in upstreams}),
        models=MappingProxyType({model.id: model for model in models}),
        plans=MappingProxyType({plan.name: plan for plan in plans}),
        packs=MappingProxyType({pack.name: pack for pack in packs}),
        count_price=count_price,
    )


def load_catalog(text: str, environ: Mapping[str, str] | None) -> Catalog:
    """Read the YAML; ConfigError names every fault at once, each with its line.

    ``environ`` resolves the credentials named by ``env``; None leaves every credential unread,
    for the processes that must not hold an upstream's secret.
    """
    source = Text(text)
    known = {"upstreams", "models", "plans", "packs", "count_tokens"}
    root = source.root("the catalog", known, {"upstreams", "models"})
    upstreams: dict[str, Upstream] = {}
    for block in root.blocks("upstreams", "an upstream", _UPSTREAM, _UPSTREAM_REQUIRED, least=1):
        upstream = _read_upstream(block, environ)
        _take(upstreams, upstream.name, upstream, block)
    models: dict[str, Model] = {}
    for block in root.blocks("models", "a model", _MODEL, {"id", "routes"}, least=1):
        model = _read_model(block, upstreams)
        if model.id == COUNTING:
            block.fault("id", f"{COUNTING!r} is the name of counts themselves")
        _take(models, model.id, model, block)
    plans: dict[str, Plan] = {}
    for block in root.blocks("plans", "a plan", _PLAN, {"name"}):
        plan = _read_plan(block)
        _take(plans, plan.name, plan, block)
    packs: dict[str, Pack] = {}
    for block in root.blocks("packs", "a pack", _PACK, {"name", "credit"}):
        pack = _read_pack(block, models)
        _take(packs, pack.name, pack, block)
    count_price = root.block("count_tokens", {"price"}).count("price")
    source.check()
    return build_catalog(
        upstreams.values(), models.values(), plans.values(), packs.values(), count_price
    )


T = TypeVar("T")

_UPSTREAM_REQUIRED: Final = {"name", "dialect", "base_url"}
_UPSTREAM: Final = _UPSTREAM_REQUIRED | {
    "credential", "capabilities", "allow_private", "model_capabilities", "pool",
}  # fmt: skip
_MODEL: Final = {
    "id", "display_name", "routes", "context_window", "max_output", "prices", "capabilities",
}  # fmt: skip
_PLAN: Final = {"name", "product", "models", "thinking", "limits", "monthly_tokens"}
_PACK: Final = {"name", "credit", "valid_days", "prices"}

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_UPSTREAM_MODEL: Final = re.compile(r"[!-~]{1,256}")
_PATTERN: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}\*?")
_WORD: Final = re.compile(r"[a-z_]{1,40}")
_ABILITIES: Final = dataclasses.asdict(Capabilities())


def _take(found: dict[str, T], name: str, value: T, block: Block) -> None:
    """Keep the first of a name; a nameless one was a fault already."""
    if name in found:
        block.fault("id" if "id" in block else "name", f"{name!r} is there already")
    elif name:
        found[name] = value


def _read_upstream(block: Block, environ: Mapping[str, str] | None) -> Upstream:
    dialect = block.choice("dialect", DIALECT_NAMES)
    allow_private = block.flag("allow_private", default=False)
    base_url = block.word("base_url").rstrip("/")
    if base_url and (fault := check_base_url(base_url, allow_private=allow_private)):
        block.fault("base_url", f"base_url {fault}")
    elif dialect == "anthropic_messages" and base_url.endswith("/v1"):
        block.fault("base_url", "base_url of an anthropic_messages upstream stands without /v1")
    abilities = block.block("capabilities", {"thinking", "count_tokens"})
    counts = abilities.flag("count_tokens", default=False)
    if counts and dialect != "anthropic_messages":
        abilities.fault("count_tokens", "count_tokens is known of anthropic_messages only")
    return Upstream(
        name=block.name("name", _NAME),
        dialect=dialect,
        base_url=base_url,
        credential=_read_credential(block, environ),
        thinking=abilities.flag("thinking", default=True),
        count_tokens=counts,
        allow_private=allow_private,
        pool=block.name("pool", _NAME),
        model_capabilities=_read_overrides(block.block("model_capabilities", set(_ABILITIES))),
    )


def _read_credential(block: Block, environ: Mapping[str, str] | None) -> SecretText | None:
    if "credential" not in block:
        return None
    source = block.block("credential", {"env", "file"})
    name, path = source.word("env"), source.word("file")
    if bool(name) == bool(path):
        block.fault("credential", "credential is either {env: NAME} or {file: PATH}")
        return None
    if environ is None:
        return None
    if name:
        value = environ.get(name, "").strip()
    else:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            source.fault("file", f"credential file cannot be read: {error.strerror}")
            return None
        except ValueError:
            source.fault("file", "credential file is not UTF-8 text")
            return None
    if not value:
        block.fault("credential", f"credential: {name or path} is empty or not set")
    elif not value.isascii() or not value.isprintable() or " " in value:
        block.fault("credential", f"credential: {name or path} has letters no header may carry")
    return SecretText(value)


def _read_model(block: Block, upstreams: Mapping[str, Upstream]) -> Model:
    model_id = block.name("id", _MODEL_ID)
    routes: list[Route] = []
    for entry in block.blocks("routes", "a route", {"upstream", "model"}, {"upstream"}, least=1):
        name = entry.word("upstream")
        if name in upstreams:
            upstream_model = entry.name("model", _UPSTREAM_MODEL) or model_id
            routes.append(Route(name, upstreams[name].dialect, upstream_model))
        elif name:
            entry.fault("upstream", f"{name!r} is not among the upstreams")
    overrides = _read_overrides(block.block("capabilities", set(_ABILITIES)))
    most = capabilities_of(routes[0].upstream_model).max_output if routes else 0
    if "max_output" in block:
        most = overrides.setdefault("max_output", block.count("max_output", least=1))
    return Model(
        id=model_id,
        display_name=block.word("display_name") or model_id,
        routes=tuple(dict.fromkeys(routes)),
        context_window=block.count("context_window", 200_000, least=1),
        max_output=most,
        prices=read_prices(block),
        capabilities=overrides,
    )


def _read_overrides(block: Block) -> dict[str, Any]:
    """Overrides by the names and types of :class:`dialects.capabilities.Capabilities`."""
    overrides: dict[str, Any] = {}
    for name in block:
        known = _ABILITIES[name]
        if isinstance(known, bool):
            overrides[name] = block.flag(name, default=known)
        elif isinstance(known, (frozenset, tuple)):
            overrides[name] = type(known)(block.words(name, _WORD))
        elif isinstance(known, int) or name in ("max_stops", "max_tools"):
            overrides[name] = block.count(name, least=1)
        else:
            overrides[name] = block.name(name, _WORD)
    return overrides


def _read_plan(block: Block) -> Plan:
    return Plan(
        name=block.name("name", _NAME),
        product=block.choice("product", PRODUCTS, "api"),
        models=block.words("models", _PATTERN) if "models" in block else EVERY_MODEL,
        thinking=block.flag("thinking", default=True),
        limits=block.counts("limits", PlanLimits),
        monthly_tokens=block.count("monthly_tokens"),
    )


def _read_pack(block: Block, models: Mapping[str, Model]) -> Pack:
    prices: dict[str, Prices] = {}
    for entry in block.blocks("prices", "a price", {*PRICE_KEYS, "model"}, {"model"}):
        model_id = entry.word("model")
        if model_id and model_id not in models:
            entry.fault("model", f"{model_id!r} is not among the models")
        prices[model_id] = read_price_entry(entry)
    return Pack(
        name=block.name("name", _NAME),
        credit=block.count("credit", 1, least=1),
        valid_days=block.count("valid_days", 365),
        prices=MappingProxyType(prices),
    )
