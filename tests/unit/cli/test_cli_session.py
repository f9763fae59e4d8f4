"""Where the command line finds the auth service and its credential."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from cli.session import DEFAULT_TARGET, Session, open_session
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault


def install(folder: Path, **facts: Any) -> None:
    """What a running installation leaves in its folder."""
    data_dir = folder / ".gatebeyz"
    (data_dir / "secrets").mkdir(parents=True)
    (data_dir / "secrets" / "GATEBEYZ_OPERATOR_TOKEN").write_text("kept-token\n")
    (data_dir / "running.json").write_text(json.dumps(facts))


def test_the_installation_in_the_folder(tmp_path: Path) -> None:
    install(tmp_path, targets={"auth": "127.0.0.1:7999"})

    session = open_session({}, tmp_path)

    assert session == Session("127.0.0.1:7999", SecretText("kept-token"))


def test_the_environment_comes_first(tmp_path: Path) -> None:
    install(tmp_path, targets={"auth": "127.0.0.1:7999"})
    environ = {"GATEBEYZ_AUTH_TARGET": "auth:1", "GATEBEYZ_OPERATOR_TOKEN": "given-token"}

    assert open_session(environ, tmp_path) == Session("auth:1", SecretText("given-token"))


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("filed-token\n")

    session = open_session({"GATEBEYZ_OPERATOR_TOKEN_FILE": str(path)}, tmp_path)

    assert session.token.reveal() == "filed-token"


@pytest.mark.parametrize("facts", [{}, {"targets": None}, {"targets": {}}])
def test_a_broken_note_is_no_note(tmp_path: Path, facts: dict[str, Any]) -> None:
    install(tmp_path, **facts)

    assert open_session({}, tmp_path).target == DEFAULT_TARGET


def test_without_a_token_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="GATEBEYZ_OPERATOR_TOKEN is not set"):
        open_session({}, tmp_path)


def test_a_refusal_is_an_error_with_its_reason() -> None:
    async def refuse(_client: Any) -> None:
        raise ServiceFault(Reason.NOT_FOUND, "There is no such key.")

    with pytest.raises(click.ClickException, match=r"There is no such key\. \(NOT_FOUND\)"):
        Session("127.0.0.1:1", SecretText("x")).run(refuse)


def test_the_token_does_not_show() -> None:
    assert "hidden" not in repr(Session("a", SecretText("hidden")))
