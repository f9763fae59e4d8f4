"""What the edge reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge.event_stream import Patience
from runtime.config import ConfigError, ProcessConfig, SecretText, setting

SHED_DELAY_S: Final = 0.25
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Config(ProcessConfig):
    """Addresses are "host:port"; hosts are compared without port and case."""

    catalog: Path = setting("GATEBEYZ_CATALOG", help="the YAML of upstreams and models")
    pepper: SecretText = setting("GATEBEYZ_PEPPER", help="the secret that keys are digested with")
    service_token: SecretText = setting("GATEBEYZ_SERVICE_TOKEN", help="shared by our services")
    pepper_previous: SecretText | None = setting(
        "GATEBEYZ_PEPPER_PREVIOUS",
        default=None,
        help="the pepper before, while keys are moved to the current one",
    )
    listen: str = setting(
        "GATEBEYZ_EDGE_LISTEN", default="127.0.0.1:8080", help="where the monthly API is served"
    )
    credits_listen: str = setting(
        "GATEBEYZ_CREDITS_LISTEN",
        default="",
        help="where Claude Credits are served; empty = nowhere",
    )
    auth: str = setting(
        "GATEBEYZ_AUTH_TARGET", default="127.0.0.1:7401", help="host:port of the auth service"
    )
    counter: str = setting(
        "GATEBEYZ_COUNTER_TARGET", default="127.0.0.1:7402", help="host:port of the counter"
    )
    translator: str = setting(
        "GATEBEYZ_TRANSLATOR_TARGET", default="127.0.0.1:7403", help="host:port of the translator"
    )
    relay: str = setting(
        "GATEBEYZ_RELAY_TARGET", default="127.0.0.1:7404", help="host:port of the relay"
    )
    hosts: tuple[str, ...] = setting(
        "GATEBEYZ_HOSTS",
        default=(),
        help="host names of the monthly API, comma separated; empty = any",
    )
    credits_hosts: tuple[str, ...] = setting(
        "GATEBEYZ_CREDITS_HOSTS", default=(), help="host names of Claude Credits; empty = any"
    )
    trusted_proxies: tuple[str, ...] = setting(
        "GATEBEYZ_TRUSTED_PROXIES",
        default=(),
        help="networks (CIDR) whose X-Forwarded-For is believed; loopback is not among them",
    )
    max_body_bytes: int = setting(
        "GATEBEYZ_MAX_BODY_BYTES",
        default=32 * 1024 * 1024,
        help="largest request body, as sent and decompressed",
    )
    count_tokens_per_minute: int = setting(
        "GATEBEYZ_COUNT_TOKENS_PER_MINUTE",
        default=2_000,
        help="token counts an account may ask of this process; 0 = no limit",
    )
    shed_delay_s: float = setting(
        "GATEBEYZ_SHED_DELAY_S",
        default=SHED_DELAY_S,
        help="delay of the event loop at which every new request is refused; 0 = never",
    )
    max_in_flight: int = setting(
        "GATEBEYZ_MAX_IN_FLIGHT",
        default=5_000,
        help="requests a listener has at once, running streams included; more are refused",
    )
    keepalive_s: float = setting(
        "GATEBEYZ_KEEPALIVE_S", default=10.0, help="silence in a stream before a sign of life"
    )
    commit_after_s: float = setting(
        "GATEBEYZ_COMMIT_AFTER_S",
        default=10.0,
        help="silence before the first byte until the status goes out",
    )
    # Pages: where they listen, and the addresses that they and the invitations name.
    panel_listen: str = setting(
        "GATEBEYZ_PANEL_LISTEN",
        default="",
        help="where the panel and the documentation are served; empty = nowhere",
    )
    credits_panel_listen: str = setting(
        "GATEBEYZ_CREDITS_PANEL_LISTEN",
        default="",
        help="where the pages of Claude Credits are served; empty = nowhere",
    )
    operator_listen: str = setting(
        "GATEBEYZ_OPERATOR_LISTEN",
        default="",
        help="where the pages of operators are served; empty = nowhere",
    )
    brand: str = setting("GATEBEYZ_BRAND", default="GateBeyz", help="the name on every page")
    contact: str = setting(
        "GATEBEYZ_CONTACT", default="hello@gatebeyz.xyz", help="the address of the support"
    )
    api_url: str = setting(
        "GATEBEYZ_API_URL",
        default="https://api.gatebeyz.xyz",
        help="the public base URL of the monthly API, as pages and messages name it",
    )
    credits_url: str = setting(
        "GATEBEYZ_CREDITS_URL",
        default="https://anthropic.gatebeyz.xyz",
        help="the public base URL of Claude Credits",
    )
    panel_url: str = setting(
        "GATEBEYZ_PANEL_URL",
        default="https://panel.gatebeyz.xyz",
        help="the public base URL of the panel",
    )
    credits_panel_url: str = setting(
        "GATEBEYZ_CREDITS_PANEL_URL",
        default="https://credits.gatebeyz.xyz",
        help="the public base URL of the pages of Claude Credits",
    )
    operator_url: str = setting(
        "GATEBEYZ_OPERATOR_URL",
        default="https://operator.gatebeyz.xyz",
        help="the public base URL of the pages of operators",
    )

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be an https URL, or one of this machine: sessions are kept in its cookies"
            for name, listen, url in (
                ("GATEBEYZ_PANEL_URL", self.panel_listen, self.panel_url),
                ("GATEBEYZ_CREDITS_PANEL_URL", self.credits_panel_listen, self.credits_panel_url),
                ("GATEBEYZ_OPERATOR_URL", self.operator_listen, self.operator_url),
            )
            if listen and not is_safe_site(url)
        ]
        if faults:
            raise ConfigError(faults)

    @property
    def patience(self) -> Patience:
        """How long a client of a stream waits in silence."""
        return Patience(self.commit_after_s, self.keepalive_s)


def is_safe_site(url: str) -> bool:
    """Whether browsers keep a session of this site to themselves: by TLS, or on one machine."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return False
    is_bare = not parts.path and not parts.query and parts.username is None
    return bool(name) and is_bare and (parts.scheme == "https" or name in _LOOPBACK)
