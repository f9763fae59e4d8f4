"""Where the auth service is, who is asking, and one call to it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import click

from laptop.operator_client import OperatorClient, open_operator
from laptop.profile import DATA_DIR, RUNNING_FILE
from laptop.secret_file import OPERATOR_TOKEN
from runtime.config import SecretText
from runtime.faults import ServiceFault

T = TypeVar("T")

DEFAULT_TARGET: Final = "127.0.0.1:7401"


@dataclass(frozen=True, slots=True)
class Session:
    """What every command that talks to the auth service needs."""

    target: str
    token: SecretText
    tls: Path | None = None

    def run(self, work: Callable[[OperatorClient], Awaitable[T]]) -> T:
        """Runs ``work`` with a client; a refusal becomes the command's error."""

        async def connect() -> T:
            async with open_operator(self.target, self.token, self.tls) as client:
                return await work(client)

        try:
            return asyncio.run(connect())
        except ServiceFault as fault:
            raise click.ClickException(f"{fault.message} ({fault.reason})") from None


def open_session(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Session:
    """The session of the environment, else of the laptop installation in ``folder``."""
    environ = os.environ if environ is None else environ
    data_dir = (folder or Path.cwd()) / DATA_DIR
    target = environ.get("GATEBEYZ_AUTH_TARGET") or _running_target(data_dir) or DEFAULT_TARGET
    tls = Path(environ["GATEBEYZ_TLS"]) if environ.get("GATEBEYZ_TLS") else None
    return Session(target, SecretText(_find_token(environ, data_dir)), tls)


def _running_target(data_dir: Path) -> str | None:
    try:
        facts = json.loads((data_dir / RUNNING_FILE).read_text(encoding="utf-8"))
        return str(facts["targets"]["auth"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _find_token(environ: Mapping[str, str], data_dir: Path) -> str:
    token = environ.get(OPERATOR_TOKEN, "").strip()
    if token:
        return token
    path = Path(environ.get(f"{OPERATOR_TOKEN}_FILE") or data_dir / "secrets" / OPERATOR_TOKEN)
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        raise click.ClickException(
            f"{OPERATOR_TOKEN} is not set, and there is no installation in this folder"
        ) from None
