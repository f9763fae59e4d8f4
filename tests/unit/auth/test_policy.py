"""What a key may do: plan, account, overrides and key taken together."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.catalog import Model, Plan, PlanLimits, Route, Upstream, build_catalog
from services.auth.account import Account, AccountState, Limits, ModelOverride, Product
from services.auth.key import Key
from services.auth.policy import Decider, access_of, next_change, resolve
from services.auth.quota import period_of

NOW = 1_800_000_000.0
NAMES = ("claude-a", "claude-b", "gpt-a")
CATALOG = build_catalog(
    [
        Upstream("main", "anthropic_messages", "https://main.example"),
        Upstream("spare", "openai_chat", "https://spare.example/v1"),
    ],
    [
        Model(name, name, (Route("spare" if name == "gpt-a" else "main", "openai_chat", name),))
        for name in NAMES
    ],
    [
        Plan("all"),
        Plan("claude", models=("claude-*",), thinking=False, limits=PlanLimits(60)),
    ],
)


def account(**fields: object) -> Account:
    known = {"account_id": "acc", "name": "Ada", "product": Product.API, "plan": "all"}
    return Account(**{**known, **fields})  # type: ignore[arg-type]


def key(**fields: object) -> Key:
    known = {"key_id": "key", "account_id": "acc", "masked": "", "digest": ""}
    return Key(**{**known, **fields})  # type: ignore[arg-type]


def models_of(one: Account, of_key: Key | None = None) -> tuple[str, ...]:
    return resolve(one, of_key or key(), CATALOG, NOW, 0).models


def test_a_plan_decides_where_the_account_says_nothing() -> None:
    policy = resolve(account(plan="claude"), key(), CATALOG, NOW, 0)
    assert policy.models == ("claude-a", "claude-b")
    assert policy.limits == Limits(60)
    assert not policy.thinking
    assert policy.quota is None
    assert models_of(account()) == ("*",)


def test_the_account_stands_in_place_of_its_plan() -> None:
    one = account(plan="claude", models=("gpt-*",), thinking=True, limits=Limits(1))
    policy = resolve(one, key(), CATALOG, NOW, 0)
    assert (policy.models, policy.thinking, policy.limits) == (("gpt-a",), True, Limits(1))


def test_a_plan_that_is_no_longer_offered_allows_nothing() -> None:
    policy = resolve(account(plan="gone"), key(), CATALOG, NOW, 0)
    assert (policy.models, policy.thinking) == ((), False)


def test_overrides_decide_while_they_last_the_longest_pattern_first() -> None:
    one = account(
        plan="claude",
        overrides=(
            ModelOverride("*", allowed=False, ends_at=NOW + 60),
            ModelOverride("claude-a", allowed=True, ends_at=NOW + 30),
            ModelOverride("gpt-a", allowed=True, ends_at=NOW - 1),
        ),
    )
    assert models_of(one) == ("claude-a",)
    assert resolve(one, key(), CATALOG, NOW + 61, 0).models == ("claude-a", "claude-b")
    assert next_change(one, key(expires_at=NOW + 45), NOW) == NOW + 30


def test_a_key_narrows_and_never_widens() -> None:
    assert models_of(account(plan="claude"), key(models=("claude-a", "gpt-a"))) == ("claude-a",)
    assert models_of(account(plan="claude"), key(models=("gpt-a",))) == ()


def test_each_model_is_told_with_what_decided() -> None:
    denied = ModelOverride("claude-b", allowed=False, ends_at=NOW + 60)
    one = account(plan="claude", upstreams=("spare",), overrides=(denied,))
    found = {access.model: access for access in access_of(one, CATALOG, NOW)}
    assert [found[name].decided_by for name in NAMES] == [
        Decider.UPSTREAM,
        Decider.OVERRIDE,
        Decider.PLAN,
    ]
    assert found["claude-b"].until == NOW + 60
    assert not any(access.allowed for access in found.values())


def test_time_expires_an_account_but_does_not_free_a_suspended_one() -> None:
    assert account(expires_at=NOW).state_at(NOW) is AccountState.EXPIRED
    suspended = account(expires_at=NOW, state=AccountState.SUSPENDED)
    assert suspended.state_at(NOW) is AccountState.SUSPENDED


MOMENTS = st.floats(1_600_000_000, 1_900_000_000)


@settings(deadline=None)
@given(created=MOMENTS, now=MOMENTS, day=st.integers(0, 28))
def test_every_moment_lies_in_one_month_of_the_account(
    created: float, now: float, day: int
) -> None:
    one = account(created_at=created, reset_day=day)
    period = period_of(one, now)
    days = period.days_until(now)
    today = datetime.fromtimestamp(now, UTC)
    assert period.begins <= today.date() < period.next_begins
    assert 1 <= len(days) <= 31
    assert days[-1] == today.strftime("%Y%m%d")
    assert now < period.ends_at
    following = period_of(one, period.ends_at)
    assert following.begins == period.next_begins
