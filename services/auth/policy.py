"""What a key may do now: plan, account, overrides and key taken together. Pure.

::

    models    the account's, else the plan's; an override that fits decides otherwise while it
              lasts, the longest pattern first; and of these the key's own, where it names any
    limits    the account's, else the plan's (thinking and quota too)

The result names models by their exact ids, so that a denial needs no notation of its own; "*"
alone stands where nothing is denied. An account on a plan that is no longer offered may use no
model: what was bought is not ours to guess.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Final

import msgspec

from runtime.catalog import EVERY_MODEL, Catalog, Plan
from runtime.grants import matches_model
from services.auth.account import Account, AccountState, Limits, ModelOverride, Product, refusal
from services.auth.key import Key
from services.auth.quota import Quota, period_of

_NO_PLAN: Final = Plan("")
_PLAN_GONE: Final = Plan("", models=(), thinking=False)


class Decider(StrEnum):
    """What decided on a model."""

    PLAN = "PLAN"
    OVERRIDE = "OVERRIDE"
    UPSTREAM = "UPSTREAM"
    STATE = "STATE"


class ModelAccess(msgspec.Struct, frozen=True):
    """Whether an account may use a model; ``until`` is the end of an override that decided."""

    model: str
    allowed: bool
    decided_by: Decider
    until: float | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may do. ``models`` holds exact ids, or "*" alone for every model."""

    account_id: str
    key_id: str
    product: Product
    plan: str
    state: AccountState
    models: tuple[str, ...]
    thinking: bool
    limits: Limits
    upstreams: tuple[str, ...]
    networks: tuple[str, ...]
    quota: Quota | None


def resolve(account: Account, key: Key | None, catalog: Catalog, now: float, used: int) -> Policy:
    """The policy at ``now``; ``used`` tokens of the month's quota, ``key`` None for none."""
    plan = plan_of(account, catalog)
    tokens = tokens_of(account, catalog)
    quota = None
    if tokens:
        quota = Quota(tokens=tokens, used=used, resets_at=period_of(account, now).ends_at)
    return Policy(
        account_id=account.account_id,
        key_id=key.key_id if key else "",
        product=account.product,
        plan=account.plan,
        state=account.state_at(now),
        models=_models(account, key, plan, catalog, now),
        thinking=plan.thinking if account.thinking is None else account.thinking,
        limits=Limits(**asdict(plan.limits)) if account.limits is None else account.limits,
        upstreams=account.upstreams,
        networks=key.networks if key else (),
        quota=quota,
    )


def plan_of(account: Account, catalog: Catalog) -> Plan:
    """The account's plan; one that allows nothing where the catalog has it no more."""
    if not account.plan:
        return _NO_PLAN
    return catalog.plans.get(account.plan, _PLAN_GONE)


def tokens_of(account: Account, catalog: Catalog) -> int:
    """The tokens of a month; 0 where there is no quota."""
    if account.monthly_tokens is not None:
        return account.monthly_tokens
    return plan_of(account, catalog).monthly_tokens


def access_of(account: Account, catalog: Catalog, now: float) -> list[ModelAccess]:
    """Every configured model, and what decides on it for this account."""
    plan = plan_of(account, catalog)
    is_refused = refusal(account.state_at(now)) is not None
    found = []
    for model in catalog.models.values():
        access = _decide(account, plan, model.id, now)
        if access.allowed and is_refused:
            access = ModelAccess(model.id, allowed=False, decided_by=Decider.STATE)
        elif access.allowed and not catalog.routes(model, None, account.upstreams):
            access = ModelAccess(model.id, allowed=False, decided_by=Decider.UPSTREAM)
        found.append(access)
    return found


def next_change(account: Account, key: Key, now: float) -> float:
    """When time alone changes the policy next; infinity where it never does."""
    moments = [one.ends_at for one in account.overrides]
    moments += [moment for moment in (account.expires_at, key.expires_at) if moment is not None]
    return min((moment for moment in moments if moment > now), default=float("inf"))


def _models(
    account: Account, key: Key | None, plan: Plan, catalog: Catalog, now: float
) -> tuple[str, ...]:
    own = key.models if key and key.models else EVERY_MODEL
    bought = account.models or plan.models
    if "*" in own and "*" in bought and not account.overrides_at(now):
        return EVERY_MODEL
    return tuple(
        model_id
        for model_id in catalog.models
        if _decide(account, plan, model_id, now).allowed and matches_model(own, model_id)
    )


def _decide(account: Account, plan: Plan, model_id: str, now: float) -> ModelAccess:
    fitting = [one for one in account.overrides_at(now) if matches_model((one.model,), model_id)]
    if fitting:
        best = max(fitting, key=_precision)
        return ModelAccess(model_id, best.allowed, Decider.OVERRIDE, best.ends_at)
    return ModelAccess(
        model_id, matches_model(account.models or plan.models, model_id), Decider.PLAN
    )


def _precision(override: ModelOverride) -> tuple[bool, int]:
    return not override.model.endswith("*"), len(override.model)
