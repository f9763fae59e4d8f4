"""The operator's YAML: what it gives, and that every fault is told at once with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.catalog import Catalog, PlanLimits, Route, load_catalog
from runtime.catalog_file import CatalogFile
from runtime.config import ConfigError, SecretText
from runtime.prices import COUNTING, Prices, Rates

GOOD = """\
upstreams:
  - name: anthropic
    dialect: anthropic_messages
    base_url: https://api.anthropic.com/
    credential: {env: ANTHROPIC_API_KEY}
    capabilities: {count_tokens: true}
  - name: local
    dialect: openai_chat
    base_url: http://127.0.0.1:8000/v1
    capabilities: {thinking: false}
    allow_private: true
models:
  - id: claude-x
    display_name: Claude X
    routes:
      - {upstream: local}
      - {upstream: anthropic, model: claude-x-2026}
    context_window: 1_000_000
    max_output: 64000
    prices: {input: 3000000, output: 15000000}
    capabilities: {prefill: true, thinking: [adaptive], max_stops: 2, system_role: developer}
  - id: plain
    routes: [{upstream: local, model: "org/Plain:7b"}]
plans:
  - {name: pro, models: ["claude-*", plain], limits: {requests_per_minute: 60}}
  - {name: credits, product: credits, thinking: no}
"""
ENVIRON = {"ANTHROPIC_API_KEY": "provider-secret-1"}


def load(text: str = GOOD) -> Catalog:
    return load_catalog(text, ENVIRON)


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_catalog(text, ENVIRON)
    return caught.value.faults


def test_what_a_good_text_gives() -> None:
    catalog = load()
    upstream = catalog.upstreams["anthropic"]
    assert upstream.base_url == "https://api.anthropic.com"
    assert upstream.credential == SecretText("provider-secret-1")
    assert (upstream.thinking, upstream.count_tokens) == (True, True)
    assert catalog.upstreams["local"].credential is None
    model = catalog.model("claude-x")
    assert model is not None
    assert (model.display_name, model.context_window) == ("Claude X", 1_000_000)
    assert model.prices == Prices(Rates(input=3_000_000, output=15_000_000))
    assert model.capabilities == {
        "prefill": True,
        "thinking": frozenset({"adaptive"}),
        "max_stops": 2,
        "system_role": "developer",
        "max_output": 64_000,
    }
    assert catalog.models["plain"].display_name == "plain"
    assert catalog.plans["pro"].limits == PlanLimits(requests_per_minute=60)
    assert catalog.plans["credits"].product == "credits"
    assert not catalog.plans["credits"].thinking
    assert catalog.model("absent") is None


def test_routes_keep_the_order_of_the_file_or_of_the_assignment() -> None:
    catalog = load()
    model = catalog.models["claude-x"]
    local = Route("local", "openai_chat", "claude-x")
    anthropic = Route("anthropic", "anthropic_messages", "claude-x-2026")
    assert catalog.routes(model, None, ()) == [local, anthropic]
    assert catalog.routes(model, "anthropic_messages", ()) == [anthropic]
    assert catalog.routes(model, None, ("anthropic", "local")) == [anthropic, local]
    assert catalog.routes(model, None, ("anthropic",)) == [anthropic]
    assert catalog.routes(model, "openai_responses", ()) == []
    assert anthropic.name == "anthropic/claude-x-2026"


def test_abilities_are_overridden_by_the_upstream_and_above_it_by_the_model() -> None:
    text = GOOD.replace(
        "    allow_private: true\n",
        "    allow_private: true\n    model_capabilities: {max_stops: 9, images: false}\n",
    )
    catalog = load(text)
    large, plain = catalog.models["claude-x"], catalog.models["plain"]
    local, anthropic = catalog.routes(large)

    assert catalog.capabilities(large, local).max_stops == 2  # the model's own word
    assert not catalog.capabilities(large, local).images
    assert catalog.capabilities(large, anthropic).images
    assert catalog.capabilities(plain, plain.routes[0]).max_stops == 9
    assert "line 12" in faults_of(text.replace("images: false", "imags: 1"))[0]


def test_the_most_a_model_writes_is_said_or_known_of_its_first_route() -> None:
    text = GOOD.replace("    max_output: 64000\n", "")
    catalog = load(text)

    assert load().models["claude-x"].max_output == 64_000
    assert catalog.models["claude-x"].max_output == 128_000
    assert "max_output" not in catalog.models["claude-x"].capabilities
    assert catalog.models["plain"].max_output == 32_000


def test_a_secret_does_not_show() -> None:
    assert "provider-secret-1" not in repr(load())


def test_without_an_environment_no_credential_is_read() -> None:
    assert load_catalog(GOOD, None).upstreams["anthropic"].credential is None


def test_a_credential_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("provider-secret-2\n")
    text = GOOD.replace("{env: ANTHROPIC_API_KEY}", f"{{file: {secret}}}")
    assert load(text).upstreams["anthropic"].credential == SecretText("provider-secret-2")
    secret.unlink()
    assert faults_of(text) == ["line 5: credential file cannot be read: No such file or directory"]


def test_every_fault_at_once_with_its_line() -> None:
    text = """\
upstreams:
  - name: a b
    dialect: soap
    base_url: http://example.com
    surprise: 1
  - name: twice
    dialect: openai_chat
    base_url: https://example.com/v1
    credential: {env: UNSET}
  - name: twice
    dialect: anthropic_messages
    base_url: https://example.com/v1
    allow_private: maybe
models:
  - routes: []
  - id: m
    id: n
    routes: [{upstream: nowhere}]
    max_output: many
    prices: {input: -1, tea: 2}
    capabilities: {thinkin: true, prefill: 7}
plans: nothing
"""
    found = faults_of(text)
    assert [int(fault.split(":")[0].removeprefix("line ")) for fault in found] == [
        2, 3, 4, 5, 9, 10, 12, 13, 15, 15, 17, 18, 19, 20, 20, 20, 21, 21, 22,
    ]  # fmt: skip
    joined = "\n".join(found)
    for words in (
        "line 5: unknown key 'surprise'",
        "line 9: credential: UNSET is empty or not set",
        "line 10: 'twice' is there already",
        "line 12: base_url of an anthropic_messages upstream stands without /v1",
        "line 15: a model needs id",
        "line 17: id is given twice",
        "line 18: 'nowhere' is not among the upstreams",
        "line 20: unknown key 'tea'",
        "line 22: plans must be a list",
    ):
        assert words in joined


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the text is empty"),
        ("[]", "line 1: the catalog must be a mapping"),
        ("upstreams: [", "line 1: not YAML"),
        ("a: 1\n\tb: 2", "line 2: not YAML"),
        ("a: 1\nb: \x00", "line 2: not YAML"),
        ("a: &x 1\nb: *x", "line 1: anchors and aliases are not used here"),
        ("a: !!python/object:os.system x", "line 1: unknown key 'a'"),
        ("? [a]\n: b", "line 1: unknown key '(a collection)'"),
        ("models: []\nupstreams: []", "line 1: models needs at least one entry"),
    ],
)
def test_what_is_no_catalog(text: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults_of(text))


def test_nesting_bombs_are_refused() -> None:
    assert faults_of("[" * 100_000) == ["line 1: nested too deeply"]


def test_a_credential_must_fit_a_header() -> None:
    with pytest.raises(ConfigError, match="letters no header may carry"):
        load_catalog(GOOD, {"ANTHROPIC_API_KEY": "two words\r\nx: y"})


def test_counting_is_anthropics() -> None:
    text = GOOD.replace("{thinking: false}", "{count_tokens: true}")
    assert "anthropic_messages only" in faults_of(text)[0]


def test_a_count_costs_nothing_unless_it_has_a_price() -> None:
    assert load().count_price == 0
    assert load().prices(COUNTING) is None
    priced = load(GOOD + "count_tokens: {price: 20}\n")
    prices = priced.prices(COUNTING, "any pack")
    assert prices == Prices(Rates(input=20_000_000))
    assert priced.prices("claude-x") == load().prices("claude-x")
    assert faults_of(GOOD + "count_tokens: {price: -1}\n")
    assert faults_of(GOOD.replace("id: plain", "id: count_tokens"))


def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "gatebeyz.yaml"
    path.write_text(GOOD)
    file = CatalogFile(path, ENVIRON)
    assert not file.refresh()
    path.write_text(GOOD.replace("Claude X", "Claude Y"))
    assert file.refresh()
    kept = file.current()
    assert kept.models["claude-x"].display_name == "Claude Y"
    path.write_text("broken: [")
    assert not file.refresh()
    path.unlink()
    assert not file.refresh()
    assert file.current() is kept
    with pytest.raises(ConfigError, match="cannot be read"):
        CatalogFile(path, ENVIRON)
