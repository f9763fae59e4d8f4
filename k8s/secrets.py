"""The Secrets of an installation, minted: ``python -m k8s.secrets NAMESPACE | kubectl apply -f -``.

Each process gets its own Secret with what it needs and nothing more. The credentials of upstreams
and the certificates of public hosts are the operator's to make; their names stand here.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from typing import Final

import yaml

from k8s.check.processes import CONFIGS, known_settings, required_settings
from laptop.secret_file import MINTS

_CALLERS: Final = {"GATEBEYZ_PEPPER"}
_STORE: Final[Mapping[str, tuple[str, ...]]] = {"auth": ("REDIS_URL",)}

PROCESS_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    process: (
        *sorted((required_settings(config) | known_settings(config) & _CALLERS) & set(MINTS)),
        *_STORE.get(process, ()),
    )
    for process, config in CONFIGS.items()
}
"""What each process cannot start or take direct callers without, and what reaches the store."""

STORE_SECRET: Final = "gatebeyz-redis"  # noqa: S105 - an object's name
OPERATORS_OWN: Final[Mapping[str, set[str]]] = {
    "gatebeyz-upstreams": {"anthropic"},
    "gatebeyz-oidc": {"client-secret"},
    "gatebeyz-api-tls": {"tls.crt", "tls.key"},
    "gatebeyz-credits-tls": {"tls.crt", "tls.key"},
    "gatebeyz-panel-tls": {"tls.crt", "tls.key"},
    "gatebeyz-credits-panel-tls": {"tls.crt", "tls.key"},
    **{f"gatebeyz-tls-{process}": {"tls.crt", "tls.key", "ca.crt"} for process in CONFIGS},
}
_SENTINELS: Final = ",".join(f"sentinel-{number}.sentinel:26379" for number in range(3))


def mint(*, has_sentinels: bool) -> dict[str, dict[str, str]]:
    """Fresh Secrets by name. Values shared by processes are the same in each."""
    password = secrets.token_urlsafe(32)
    store = f"redis+sentinel://:{password}@{_SENTINELS}/gatebeyz/0?sentinel_password={password}"
    if not has_sentinels:
        store = f"redis://:{password}@redis:6379/0"
    values = {name: make() for name, make in MINTS.items()} | {"REDIS_URL": store}
    minted = {
        f"gatebeyz-{process}": {name: values[name] for name in names}
        for process, names in PROCESS_SECRETS.items()
    }
    credential = f"requirepass {password}\nmasterauth {password}\n"
    pepper = {"GATEBEYZ_PEPPER": values["GATEBEYZ_PEPPER"]}
    return {**minted, "gatebeyz-pepper": pepper, STORE_SECRET: {"credential.conf": credential}}


def made_beside() -> dict[str, set[str]]:
    """The keys of every Secret that manifests may count on, by its name."""
    minted = {name: set(values) for name, values in mint(has_sentinels=True).items()}
    return {**minted, **OPERATORS_OWN}


def render_secrets(namespace: str, *, has_sentinels: bool) -> str:
    """The manifests."""
    return str(
        yaml.safe_dump_all(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": namespace},
                "type": "Opaque",
                "stringData": values,
            }
            for name, values in mint(has_sentinels=has_sentinels).items()
        )
    )


def main() -> int:
    """``NAMESPACE [--sentinel]``; prints secrets, so pipe it where it belongs."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--sentinel"]
    if len(arguments) != 1 or sys.stdout.isatty():
        print("python -m k8s.secrets NAMESPACE [--sentinel] | kubectl apply -f -", file=sys.stderr)
        return 2
    print(render_secrets(arguments[0], has_sentinels="--sentinel" in sys.argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
