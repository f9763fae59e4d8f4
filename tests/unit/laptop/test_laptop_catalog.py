"""Which upstreams and models a laptop starts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from laptop.catalog import choose_catalog
from runtime.catalog import Catalog, load_catalog


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    path = tmp_path / "credential"
    path.write_text("a-demo-credential-of-some-length")
    return path


def load(tmp_path: Path, credential: Path, environ: dict[str, str]) -> Catalog:
    choice = choose_catalog(environ, tmp_path, 7410, credential)
    assert choice.path is None
    return load_catalog(choice.text, environ)


def test_the_demo_upstream_where_nothing_is_set(tmp_path: Path, credential: Path) -> None:
    choice = choose_catalog({}, tmp_path, 7410, credential)
    catalog = load_catalog(choice.text, {})

    assert choice.uses_demo
    assert {"claude-sonnet-4-5", "claude-opus-4-6", "gpt-5"} <= set(catalog.models)
    # One route each: every surface but one reaches a model through the translator.
    dialects = {model.routes[0].dialect for model in catalog.models.values()}
    assert dialects == {"anthropic_messages", "openai_chat", "openai_responses"}
    assert all(len(model.routes) == 1 for model in catalog.models.values())


def test_prices_of_the_cache_follow_the_input(tmp_path: Path, credential: Path) -> None:
    prices = load(tmp_path, credential, {}).models["claude-sonnet-4-5"].prices

    assert prices is not None
    rates = prices.rates
    assert (rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read) == (
        3_000_000,
        3_750_000,
        6_000_000,
        300_000,
    )


def test_a_real_provider_takes_the_place_of_the_demo(tmp_path: Path, credential: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-ant-real"}
    catalog = load(tmp_path, credential, environ)

    assert not choose_catalog(environ, tmp_path, 7410, credential).uses_demo
    assert set(catalog.upstreams) == {"anthropic"}
    assert all(name.startswith("claude-") for name in catalog.models)


def test_both_providers(tmp_path: Path, credential: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-ant-real", "OPENAI_API_KEY": "sk-real"}
    catalog = load(tmp_path, credential, environ)

    routes = [route.upstream for route in catalog.models["gpt-4.1"].routes]
    assert routes == ["openai-chat", "openai-responses"]
    assert "claude-opus-4-8" in catalog.models


def test_no_secret_is_written_down(tmp_path: Path, credential: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "sk-ant-real", "OPENAI_API_KEY": "sk-real"}
    for variables in ({}, environ):
        text = choose_catalog(variables, tmp_path, 7410, credential).text
        assert "real" not in text
        assert credential.read_text() not in text


def test_the_operators_file_comes_first(tmp_path: Path, credential: Path) -> None:
    (tmp_path / "gatebeyz.yaml").write_text("")
    environ = {"ANTHROPIC_API_KEY": "sk-ant-real"}

    found = choose_catalog(environ, tmp_path, 7410, credential)
    named = choose_catalog({"GATEBEYZ_CATALOG": "other.yaml"}, tmp_path, 7410, credential)

    assert found.path == tmp_path / "gatebeyz.yaml"
    assert named.path == Path("other.yaml")
    assert not found.uses_demo


def test_a_fixed_demo_address_keeps_the_demo(tmp_path: Path, credential: Path) -> None:
    (tmp_path / "gatebeyz.yaml").write_text("")
    environ = {"GATEBEYZ_DEMO_LISTEN": "127.0.0.1:7410"}

    assert choose_catalog(environ, tmp_path, 7410, credential).uses_demo
