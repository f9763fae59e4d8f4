"""Configuration from the environment, read once.

Each process has one frozen dataclass whose fields carry a :func:`setting`. ``load_config`` reads
them all and reports every fault at once. A secret ``X`` may stand in a file named by ``X_FILE``;
an empty or default secret is refused.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

T = TypeVar("T")

MIN_SECRET_LENGTH: Final = 16
_KNOWN_DEFAULTS: Final = ("changeme", "secret", "password", "default", "replace-with")


class SecretText:
    """A secret that does not show itself: repr, str, format and JSON give a mask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "SecretText(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class ConfigError(Exception):
    """Everything that is wrong with the configuration; ``faults`` holds a sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def setting(name: str, *, default: Any = dataclasses.MISSING, help: str = "") -> Any:  # noqa: A002
    """A dataclass field read from the environment variable ``name``; no default = required."""
    metadata = {"name": name, "help": help}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProcessConfig:
    """What every process reads; each room's own settings come before these."""

    log_level: str = setting(
        "GATEBEYZ_LOG_LEVEL", default="INFO", help="DEBUG, INFO, WARNING or ERROR"
    )
    drain_s: float = setting(
        "GATEBEYZ_DRAIN_S", default=60.0, help="grace for running streams at shutdown"
    )
    drain_pause_s: float = setting(
        "GATEBEYZ_DRAIN_PAUSE_S", default=0.0, help="how long callers get to learn of a shutdown"
    )
    metrics_listen: str = setting(
        "GATEBEYZ_METRICS_LISTEN", default="", help="host:port of /metrics; empty = none"
    )
    tls: Path | None = setting(
        "GATEBEYZ_TLS",
        default=None,
        help="folder of tls.crt, tls.key and ca.crt for gRPC, both ways; empty = no TLS",
    )
    callers: tuple[str, ...] = setting(
        "GATEBEYZ_CALLERS",
        default=(),
        help="names in certificates of those who may call; empty = whoever has one",
    )
    health_listen: str = setting(
        "GATEBEYZ_HEALTH_LISTEN",
        default="",
        help="host:port of health without TLS, for probes that cannot do it; empty = none",
    )
    traces: str = setting(
        "GATEBEYZ_TRACES",
        default="",
        help='where spans go: "host:port" of an OTLP collector, or "file:PATH"; empty = none',
    )
    traces_ratio: float = setting(
        "GATEBEYZ_TRACES_RATIO", default=1.0, help="share of requests that are traced, 0 to 1"
    )


def load_config(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """Read ``cls`` from the environment; ConfigError names every fault at once."""
    environ = os.environ if environ is None else environ
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = field.metadata["name"]
        try:
            text = _read(name, environ)
            if text is not None:
                values[field.name] = _convert(name, text, hints[field.name])
            elif field.default is dataclasses.MISSING:
                faults.append(f"{name} is not set: {field.metadata['help'] or 'it is required'}")
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError(faults)
    return cls(**values)


def _read(name: str, environ: Mapping[str, str]) -> str | None:
    path = environ.get(f"{name}_FILE")
    if path is None:
        return environ.get(name) or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}_FILE cannot be read: {error.strerror}") from None


def _convert(name: str, text: str, kind: Any) -> Any:
    if kind in (SecretText, SecretText | None):
        check_secret(name, text)
        return SecretText(text)
    try:
        if kind in (int, int | None):
            return int(text)
        if kind in (float, float | None):
            return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number") from None
    if kind is bool:
        if text.lower() not in ("0", "1", "true", "false", "yes", "no"):
            raise ValueError(f"{name} must be true or false")
        return text.lower() in ("1", "true", "yes")
    if kind in (Path, Path | None):
        return Path(text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def check_secret(name: str, text: str) -> None:
    """Raises ValueError for a secret that is empty, short or a known default."""
    if len(text) < MIN_SECRET_LENGTH:
        raise ValueError(f"{name} is too short: at least {MIN_SECRET_LENGTH} random characters")
    if any(word in text.lower() for word in _KNOWN_DEFAULTS):
        raise ValueError(f"{name} looks like a default value: put a random one")


def main_config(cls: type[T]) -> T:
    """The configuration of a process at its start; exits with every fault, or after ``--check``."""
    try:
        config = load_config(cls)
    except ConfigError as error:
        for fault in error.faults:
            sys.stderr.write(f"configuration: {fault}\n")
        sys.exit(2)
    if "--check" in sys.argv[1:]:
        sys.stdout.write("configuration: valid\n")
        sys.exit(0)
    return config
