"""``gatebeyz check``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.__main__ import main
from cli.check import check_catalog

GOOD = """
upstreams:
  - {name: a, dialect: openai_chat, base_url: "https://example.com/v1"}
models:
  - {id: m, routes: [{upstream: a}]}
"""
BAD = """
upstreams:
  - {name: a, dialect: nonsense, base_url: "https://example.com/v1"}
models:
  - {id: m, routes: [{upstream: missing}]}
surprise: 1
"""


def test_a_good_catalog(tmp_path: Path) -> None:
    path = tmp_path / "gatebeyz.yaml"
    path.write_text(GOOD)

    result = CliRunner().invoke(main, ["check", str(path)])

    assert (result.exit_code, result.output) == (0, f"{path}: valid\n")


def test_every_fault_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "gatebeyz.yaml"
    path.write_text(BAD)

    result = CliRunner().invoke(main, ["check", str(path)])

    assert result.exit_code == 1
    assert [f"{path}: line {n}:" in result.output for n in (3, 5, 6)] == [True] * 3


def test_the_file_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(GOOD)
    monkeypatch.setenv("GATEBEYZ_CATALOG", str(path))

    assert CliRunner().invoke(main, ["check"]).output == f"{path}: valid\n"


def test_an_absent_file(tmp_path: Path) -> None:
    assert check_catalog(tmp_path / "no.yaml", {}) == ["cannot be read: No such file or directory"]


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "gatebeyz.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    assert check_catalog(path, {}) == ["is not UTF-8 text"]


def test_a_credential_that_is_not_set(tmp_path: Path) -> None:
    path = tmp_path / "gatebeyz.yaml"
    path.write_text(GOOD.replace("dialect:", "credential: {env: NOT_THERE}, dialect:"))

    (fault,) = check_catalog(path, {})
    assert "NOT_THERE" in fault
    assert check_catalog(path, {"NOT_THERE": "sk-something"}) == []
