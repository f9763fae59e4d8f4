"""Settings from the environment: typed, whole, and refused with every fault at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.config import ConfigError, SecretText, check_secret, load_config, setting

SECRET = "Zx81-a-long-and-random-value"


@dataclass(frozen=True, slots=True)
class Sample:
    token: SecretText = setting("T_TOKEN", help="proves who calls")
    target: str = setting("T_TARGET")
    seconds: float = setting("T_SECONDS", default=1.5)
    count: int = setting("T_COUNT", default=3)
    is_on: bool = setting("T_ON", default=False)
    folder: Path = setting("T_FOLDER", default=Path("here"))
    names: tuple[str, ...] = setting("T_NAMES", default=())
    extra: SecretText | None = setting("T_EXTRA", default=None)


GOOD = {"T_TOKEN": SECRET, "T_TARGET": "a:1"}


def test_values_are_converted_by_their_type() -> None:
    given = {
        **GOOD,
        "T_SECONDS": "2",
        "T_COUNT": "7",
        "T_ON": "Yes",
        "T_FOLDER": "/x",
        "T_NAMES": "a, b,,c",
        "T_EXTRA": SECRET,
    }
    assert load_config(Sample, given) == Sample(
        SecretText(SECRET), "a:1", 2.0, 7, True, Path("/x"), ("a", "b", "c"), SecretText(SECRET)
    )


def test_defaults_stand_where_nothing_or_emptiness_is_given() -> None:
    config = load_config(Sample, {**GOOD, "T_COUNT": "", "T_NAMES": ""})

    assert (config.seconds, config.count, config.is_on, config.names) == (1.5, 3, False, ())
    assert config.extra is None


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Sample, {"T_TOKEN": "short", "T_SECONDS": "x", "T_COUNT": "1.5", "T_ON": "2"})

    told = "\n".join(caught.value.faults)
    assert len(caught.value.faults) == 5
    assert all(name in told for name in ("T_TOKEN", "T_TARGET", "T_SECONDS", "T_COUNT", "T_ON"))


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")

    config = load_config(Sample, {"T_TARGET": "a:1", "T_TOKEN_FILE": str(path)})

    assert config.token.reveal() == SECRET


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="T_TOKEN_FILE cannot be read"):
        load_config(Sample, {"T_TARGET": "a", "T_TOKEN_FILE": str(tmp_path / "nothing")})


@pytest.mark.parametrize(
    "secret",
    ["", "short", "x" * 15, "changeme-changeme", "my-secret-0123456789", "replace-with-your-key"],
)
def test_empty_short_and_default_secrets_are_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="T_TOKEN"):
        check_secret("T_TOKEN", secret)


def test_a_secret_does_not_show_itself() -> None:
    secret = SecretText(SECRET)

    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{(secret,)}"):
        assert SECRET not in shown
    with pytest.raises(TypeError):
        json.dumps(secret)
