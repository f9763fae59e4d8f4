"""Secrets that are made once and kept: one file each, readable by their owner alone."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

DEMO_CREDENTIAL: Final = "GATEBEYZ_DEMO_CREDENTIAL"
OPERATOR_TOKEN: Final = "GATEBEYZ_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
PSEUDONYM_KEY: Final = "GATEBEYZ_PSEUDONYM_KEY"
SEAL_KEYS: Final = "GATEBEYZ_SEAL_KEYS"
SECRET_BYTES: Final = 32


def _token() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _keys() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


MINTS: Final[Mapping[str, Callable[[], str]]] = {
    "GATEBEYZ_PEPPER": _token,
    "GATEBEYZ_GRANT_KEYS": _keys,
    "GATEBEYZ_SERVICE_TOKEN": _token,
    PSEUDONYM_KEY: _token,
    SEAL_KEYS: _keys,
    OPERATOR_TOKEN: _token,
    DEMO_CREDENTIAL: _token,
}
"""Every secret an installation needs, by the variable it is read from."""


def keep_secrets(folder: Path) -> dict[str, Path]:
    """The file of each secret in ``folder`` (0700), made where it is not there yet (0600)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return {name: _keep(folder / name, mint) for name, mint in MINTS.items()}


def _keep(path: Path, mint: Callable[[], str]) -> Path:
    if path.exists():
        path.chmod(0o600)
        return path
    # Written aside and linked into place: a secret is there whole or not at all.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(mint())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path
