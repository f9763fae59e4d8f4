"""What runs in a cluster and where: an address for each replica, fixed ports, as pods have them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from laptop.profile import EDGE_SECRETS, SERVICES

ROOT = Path(__file__).resolve().parents[2]
METRICS_PORT = 9464
HEALTH_PORT = 7409
CREDITS_PORT = 8081


@dataclass(frozen=True, slots=True)
class Kind:
    """One deployment: its module, its port, its subnet and the secrets it gets."""

    name: str
    module: str
    port: int
    subnet: int
    secrets: tuple[str, ...]

    @property
    def listen_variable(self) -> str:
        return f"GATEBEYZ_{self.name.upper()}_LISTEN"

    @property
    def target_variable(self) -> str:
        return f"GATEBEYZ_{self.name.upper()}_TARGET"

    def address(self, prefix: str, number: int) -> str:
        """The address of a replica; numbers are not used twice while a cluster runs."""
        return f"{prefix}.{self.subnet}.{number}"


_SECRETS = {service.name: service.secrets for service in SERVICES} | {"edge": EDGE_SECRETS}

KINDS = {
    name: Kind(name, module, port, subnet, _SECRETS[name])
    for subnet, (name, module, port) in enumerate(
        (
            ("auth", "services.auth", 7401),
            ("counter", "services.counter", 7402),
            ("relay", "services.relay", 7404),
            ("translator", "services.translator", 7403),
            ("edge", "edge", 8080),
        ),
        start=1,
    )
}
"""In the order a roll-out takes them: callees first."""


CALLERS = {
    "auth": "counter,edge,operator,relay,translator",
    "counter": "edge,relay,translator",
    "relay": "edge,translator",
    "translator": "edge",
}
"""Who may call whom, by the names in certificates."""


def replica_environ(
    kind: Kind, address: str, common: dict[str, str], certificates: Path | None
) -> dict[str, str]:
    """The environment of one replica; ``certificates`` has a folder for each kind."""
    secrets = {f"{name}_FILE": common[f"{name}_FILE"] for name in kind.secrets}
    settings = {name: value for name, value in common.items() if not name.endswith("_FILE")}
    own = {
        kind.listen_variable: f"{address}:{kind.port}",
        "GATEBEYZ_METRICS_LISTEN": f"{address}:{METRICS_PORT}",
    }
    if kind.name == "edge":
        own["GATEBEYZ_CREDITS_LISTEN"] = f"{address}:{CREDITS_PORT}"
    if certificates is not None:
        own["GATEBEYZ_TLS"] = str(certificates / kind.name)
        if kind.name in CALLERS:
            own["GATEBEYZ_CALLERS"] = CALLERS[kind.name]
            own["GATEBEYZ_HEALTH_LISTEN"] = f"{address}:{HEALTH_PORT}"
    return {**settings, **secrets, **own}


def common_environ() -> dict[str, str]:
    """What every replica inherits of this process."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    inherited = {name: os.environ[name] for name in kept if name in os.environ}
    return {**inherited, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}", "PYTHONUNBUFFERED": "1"}


def command_of(kind: Kind) -> tuple[str, ...]:
    return (sys.executable, "-m", kind.module)
