"""The processes as the code has them: what each reads, and whom each calls."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

from edge.config import Config as EdgeConfig
from services.auth.config import AuthConfig
from services.counter.config import Config as CounterConfig
from services.relay.config import RelayConfig
from services.translator.config import Config as TranslatorConfig

CONFIGS: Final[dict[str, type[Any]]] = {
    "auth": AuthConfig,
    "counter": CounterConfig,
    "edge": EdgeConfig,
    "relay": RelayConfig,
    "translator": TranslatorConfig,
}
"""What each process reads, by the name it has in a cluster."""

PROCESSES: Final = {name: name if name == "edge" else f"services.{name}" for name in CONFIGS}
"""The module of each process: what the image is told to run."""

_TARGET: Final = re.compile(r"GATEBEYZ_([A-Z]+)_TARGET")


def known_settings(config: type[Any]) -> set[str]:
    """The variables a process reads."""
    return {field.metadata["name"] for field in dataclasses.fields(config)}


def required_settings(config: type[Any]) -> set[str]:
    """Those without which it does not start."""
    return {
        field.metadata["name"]
        for field in dataclasses.fields(config)
        if field.default is dataclasses.MISSING
    }


def arrows() -> set[tuple[str, str]]:
    """Who calls whom, by the channels that the processes are configured with."""
    return {
        (caller, found[1].lower())
        for caller, config in CONFIGS.items()
        for name in known_settings(config)
        if (found := _TARGET.fullmatch(name))
    }
