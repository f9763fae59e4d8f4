"""What a relay needs to know at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.config import ProcessConfig, SecretText, setting
from runtime.grants import Signer, parse_keys
from runtime.pseudonym import Pseudonyms


@dataclass(frozen=True, slots=True)
class RelayConfig(ProcessConfig):
    """Read by ``runtime.config.load_config``."""

    auth_target: str = setting("GATEBEYZ_AUTH_TARGET", help="host:port of the auth service")
    catalog: Path = setting("GATEBEYZ_CATALOG", help="path of gatebeyz.yaml")
    grant_keys: SecretText = setting(
        "GATEBEYZ_GRANT_KEYS", help="kid:base64 of 32 bytes, comma separated, the signing one first"
    )
    pseudonym_key: SecretText = setting(
        "GATEBEYZ_PSEUDONYM_KEY", help="names accounts to providers; never changed"
    )
    service_token: SecretText = setting(
        "GATEBEYZ_SERVICE_TOKEN", help="shared by the services of one installation"
    )
    counter_target: str = setting(
        "GATEBEYZ_COUNTER_TARGET",
        default="127.0.0.1:7402",
        help="host:port of the counter, asked where a request's bytes are more than credits pay",
    )
    hold_s: float = setting(
        "GATEBEYZ_HOLD_S", default=30.0, help="as auth's; holds are kept alive six times in it"
    )
    outbox: str = setting(
        "GATEBEYZ_RELAY_OUTBOX",
        default="",
        help="folder that keeps settlements over a restart; empty = memory alone",
    )
    pepper: SecretText | None = setting(
        "GATEBEYZ_PEPPER", default=None, help="admits direct callers by their keys; empty = none"
    )
    pepper_previous: SecretText | None = setting(
        "GATEBEYZ_PEPPER_PREVIOUS",
        default=None,
        help="the pepper before, while keys are moved to the current one",
    )
    listen: str = setting(
        "GATEBEYZ_RELAY_LISTEN", default="127.0.0.1:7404", help="host:port to listen on"
    )

    def signer(self) -> Signer:
        """Verifies grants; ValueError where the keys are malformed."""
        return Signer(parse_keys(self.grant_keys.reveal()))

    def pseudonyms(self) -> Pseudonyms:
        """Names accounts to providers."""
        return Pseudonyms(self.pseudonym_key.reveal())
