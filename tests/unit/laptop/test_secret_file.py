"""Secrets made once and kept."""

from __future__ import annotations

from pathlib import Path

from laptop.secret_file import MINTS, keep_secrets
from runtime.config import check_secret
from runtime.grants import parse_keys


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_secret_is_made_and_private(tmp_path: Path) -> None:
    files = keep_secrets(tmp_path / "secrets")

    assert set(files) == set(MINTS)
    assert mode(tmp_path / "secrets") == 0o700
    assert {mode(path) for path in files.values()} == {0o600}
    for name, path in files.items():
        check_secret(name, path.read_text())


def test_they_are_kept(tmp_path: Path) -> None:
    before = {name: path.read_text() for name, path in keep_secrets(tmp_path).items()}
    after = {name: path.read_text() for name, path in keep_secrets(tmp_path).items()}

    assert before == after
    assert len(set(after.values())) == len(MINTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(MINTS)


def test_a_file_made_readable_is_closed_again(tmp_path: Path) -> None:
    path = keep_secrets(tmp_path)["GATEBEYZ_PEPPER"]
    path.chmod(0o644)

    keep_secrets(tmp_path)

    assert mode(path) == 0o600


def test_grant_keys_are_what_signers_take(tmp_path: Path) -> None:
    text = keep_secrets(tmp_path)["GATEBEYZ_GRANT_KEYS"].read_text()

    assert list(parse_keys(text)) == ["k1"]
