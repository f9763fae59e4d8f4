"""The configuration of the auth process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.config import ProcessConfig, SecretText, setting


@dataclass(frozen=True, slots=True)
class AuthConfig(ProcessConfig):
    """Read from the environment by ``runtime.config.load_config``."""

    pepper: SecretText = setting("GATEBEYZ_PEPPER", help="the pepper of key digests")
    grant_keys: SecretText = setting(
        "GATEBEYZ_GRANT_KEYS", help="kid:base64,… of at least 32 bytes; the first one signs"
    )
    operator_token: SecretText = setting(
        "GATEBEYZ_OPERATOR_TOKEN",
        help="what operators call the management services with: a token, or name:token,…",
    )
    service_token: SecretText = setting(
        "GATEBEYZ_SERVICE_TOKEN", help="the token our own processes call each other with"
    )
    catalog: Path = setting("GATEBEYZ_CATALOG", help="the YAML of upstreams, models and plans")
    oidc_issuer: str = setting(
        "GATEBEYZ_OIDC_ISSUER",
        default="",
        help="issuer of the OpenID Connect provider people may sign in with; empty = none",
    )
    oidc_client_id: str = setting(
        "GATEBEYZ_OIDC_CLIENT_ID", default="", help="what this installation is called there"
    )
    oidc_client_secret: SecretText | None = setting(
        "GATEBEYZ_OIDC_CLIENT_SECRET",
        default=None,
        help="its secret there; empty = a public client, with PKCE alone",
    )
    oidc_name: str = setting(
        "GATEBEYZ_OIDC_NAME", default="SSO", help="what the sign-in button calls the provider"
    )
    oidc_realms: tuple[str, ...] = setting(
        "GATEBEYZ_OIDC_REALMS",
        default=("api", "credits"),
        help="sites that offer it: api, credits, operators",
    )
    listen: str = setting(
        "GATEBEYZ_AUTH_LISTEN", default="127.0.0.1:7401", help="host:port to listen on"
    )
    redis_url: str = setting(
        "REDIS_URL",
        default="redis://127.0.0.1:6379/0",
        help="redis://, rediss:// or unix:// address of the store",
    )
    store_replicas: int = setting(
        "GATEBEYZ_STORE_REPLICAS",
        default=0,
        help="how many replicas must have a grant of credit before it is acknowledged",
    )
    hold_s: float = setting(
        "GATEBEYZ_HOLD_S",
        default=30.0,
        help="how long a prepaid request's hold outlives its relay; the relays' must be the same",
    )
    store_grace_s: float = setting(
        "GATEBEYZ_STORE_GRACE_S",
        default=30.0,
        help="how long running leases go on while the store is away",
    )
