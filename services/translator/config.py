"""What the translator reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.config import ProcessConfig, SecretText, setting


@dataclass(frozen=True, slots=True)
class Config(ProcessConfig):
    """Read by ``runtime.config.load_config``."""

    catalog: Path = setting("GATEBEYZ_CATALOG", help="the YAML of upstreams and models")
    grant_keys: SecretText = setting(
        "GATEBEYZ_GRANT_KEYS", help="kid:base64 of 32 bytes, comma separated, the signing one first"
    )
    seal_keys: SecretText = setting(
        "GATEBEYZ_SEAL_KEYS", help="seal reasoning for its way through clients; form as above"
    )
    pseudonym_key: SecretText = setting(
        "GATEBEYZ_PSEUDONYM_KEY", help="names accounts to providers; never changed"
    )
    service_token: SecretText = setting("GATEBEYZ_SERVICE_TOKEN", help="shared by our services")
    relay: str = setting(
        "GATEBEYZ_RELAY_TARGET", default="127.0.0.1:7404", help="host:port of the relay"
    )
    counter: str = setting(
        "GATEBEYZ_COUNTER_TARGET", default="127.0.0.1:7402", help="host:port of the counter"
    )
    pepper: SecretText | None = setting(
        "GATEBEYZ_PEPPER", default=None, help="admits direct callers by their keys; empty = none"
    )
    pepper_previous: SecretText | None = setting(
        "GATEBEYZ_PEPPER_PREVIOUS",
        default=None,
        help="the pepper before, while keys are moved to the current one",
    )
    auth_target: str = setting(
        "GATEBEYZ_AUTH_TARGET", default="127.0.0.1:7401", help="host:port of the auth service"
    )
    listen: str = setting(
        "GATEBEYZ_TRANSLATOR_LISTEN", default="127.0.0.1:7403", help="host:port to listen on"
    )
