"""The plan of a laptop installation: which processes, where, with which environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from laptop.address import LOOPBACK, is_free, pick_free_ports
from laptop.catalog import PLAN, Choice, choose_catalog
from laptop.child import Command
from laptop.probe import grpc_probe, http_probe
from laptop.secret_file import (
    DEMO_CREDENTIAL,
    MINTS,
    OPERATOR_TOKEN,
    PSEUDONYM_KEY,
    SEAL_KEYS,
    keep_secrets,
)
from runtime.catalog import Catalog, load_catalog
from runtime.config import ConfigError

DATA_DIR: Final = ".gatebeyz"
RUNNING_FILE: Final = "running.json"
"""In the data directory while an installation runs: where its processes listen."""

DEFAULT_PORT: Final = 8080
SITES: Final = ("PANEL", "CREDITS_PANEL", "OPERATOR")
"""What serves pages, each on a port of its own; their settings are ``GATEBEYZ_NAME_…``."""

DRAIN_S: Final = "5"
"""What running streams get at Ctrl-C, unless GATEBEYZ_DRAIN_S says otherwise."""

SHED_DELAY: Final = "GATEBEYZ_SHED_DELAY_S"
METRICS_LISTEN: Final = "GATEBEYZ_METRICS_LISTEN"
_LAST_PORT: Final = 65_535
_SHARED_SECRETS: Final = ("GATEBEYZ_PEPPER", "GATEBEYZ_GRANT_KEYS", "GATEBEYZ_SERVICE_TOKEN")


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC process: its module is ``services.NAME``, its settings ``GATEBEYZ_NAME_…``."""

    name: str
    secrets: tuple[str, ...]

    @property
    def listen_variable(self) -> str:
        return f"GATEBEYZ_{self.name.upper()}_LISTEN"

    @property
    def target_variable(self) -> str:
        return f"GATEBEYZ_{self.name.upper()}_TARGET"


SERVICES: Final = (
    Service("auth", (*_SHARED_SECRETS, OPERATOR_TOKEN)),
    Service("counter", ("GATEBEYZ_PEPPER", "GATEBEYZ_SERVICE_TOKEN")),
    Service("relay", (*_SHARED_SECRETS, PSEUDONYM_KEY, DEMO_CREDENTIAL)),
    Service("translator", (*_SHARED_SECRETS, PSEUDONYM_KEY, SEAL_KEYS)),
)

EDGE_SECRETS: Final = _SHARED_SECRETS

# What a process inherits. The relay alone sees everything: a catalog names its variables.
_INHERITED: Final = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)
_INHERITED_PREFIXES: Final = ("LC_", "PYTHON", "GATEBEYZ_")


class PlanError(Exception):
    """The installation cannot be started as asked; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything decided before the first process starts."""

    data_dir: Path
    port: int
    catalog: Choice
    plan: str
    secret_files: Mapping[str, Path]
    targets: Mapping[str, str]
    site_urls: Mapping[str, str]
    demo: Command | None
    services: tuple[Command, ...]
    edge: Command

    @property
    def url(self) -> str:
        """Where callers of the monthly API go."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def credits_url(self) -> str:
        """Where callers with a Claude Credits key go."""
        return f"http://{LOOPBACK}:{self.port + 1}"


def make_profile(environ: Mapping[str, str], folder: Path, redis_url: str) -> Profile:
    """The plan for ``folder``; PlanError if a setting is wrong or the ports are taken.

    Writes the secrets that are not there yet and the generated catalog, and nothing else.
    """
    if METRICS_LISTEN in environ:
        raise PlanError(f"{METRICS_LISTEN} is one process's address; a laptop runs several")
    port = _edge_port(environ)
    data_dir = folder / DATA_DIR
    secret_files = keep_secrets(data_dir / "secrets")
    demo_listen, *listens = _addresses(environ)
    demo_port = int(demo_listen.rpartition(":")[2])
    catalog = choose_catalog(environ, folder, demo_port, secret_files[DEMO_CREDENTIAL])
    path = catalog.path or data_dir / "catalog.yaml"
    if catalog.path is None:
        path.write_text(catalog.text, encoding="utf-8")
    plans = _read_catalog(path, environ).plans
    targets = {
        service.name: environ.get(service.target_variable, listen)
        for service, listen in zip(SERVICES, listens, strict=True)
    }
    settings = {
        "REDIS_URL": redis_url,
        "GATEBEYZ_CATALOG": str(path.absolute()),
        "GATEBEYZ_DEMO_LISTEN": demo_listen,
        **_products(port),
        "GATEBEYZ_RELAY_OUTBOX": str((data_dir / "outbox").absolute()),
        "GATEBEYZ_DRAIN_S": environ.get("GATEBEYZ_DRAIN_S", DRAIN_S),
        # One user's machine is busy with other things too: nothing is refused for it.
        SHED_DELAY: environ.get(SHED_DELAY, "0"),
        "PYTHONUNBUFFERED": "1",
        # A fork is followed by an exec at once; gRPC would only complain of it on stderr.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }
    sites = _site_listens(environ, port)
    for site, listen in sites.items():
        settings[f"GATEBEYZ_{site}_LISTEN"] = listen
        settings[f"GATEBEYZ_{site}_URL"] = f"http://{listen}"
    for service, listen in zip(SERVICES, listens, strict=True):
        settings[service.listen_variable] = listen
        settings[service.target_variable] = targets[service.name]
    environment = Environment(environ, settings, secret_files)
    return Profile(
        data_dir=data_dir,
        port=port,
        catalog=catalog,
        # An operator's own catalog need not have ours; an account without a plan may do all.
        plan=PLAN if PLAN in plans else "",
        secret_files=secret_files,
        targets=targets,
        site_urls={site: f"http://{listen}" for site, listen in sites.items()},
        demo=_demo_command(environment, demo_port) if catalog.uses_demo else None,
        services=tuple(_service_command(environment, service, targets) for service in SERVICES),
        edge=Command(
            name="edge",
            argv=(sys.executable, "-m", "edge"),
            environ=environment.of(EDGE_SECRETS),
            probe=http_probe(port),
        ),
    )


def _products(port: int) -> dict[str, str]:
    """On a laptop the products are told apart by port."""
    return {
        "GATEBEYZ_EDGE_LISTEN": f"{LOOPBACK}:{port}",
        "GATEBEYZ_CREDITS_LISTEN": f"{LOOPBACK}:{port + 1}",
        "GATEBEYZ_API_URL": f"http://{LOOPBACK}:{port}",
        "GATEBEYZ_CREDITS_URL": f"http://{LOOPBACK}:{port + 1}",
    }


def _read_catalog(path: Path, environ: Mapping[str, str]) -> Catalog:
    """PlanError with every fault: told here once, not by each process in a log of its own."""
    try:
        return load_catalog(path.read_text(encoding="utf-8"), environ)
    except ConfigError as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        raise PlanError(f"{path} is not valid:\n{faults}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class Environment:
    """Gives each process the settings and no more secrets than it needs."""

    inherited: Mapping[str, str]
    settings: Mapping[str, str]
    secret_files: Mapping[str, Path]

    def of(self, secrets: tuple[str, ...], *, everything: bool = False) -> dict[str, str]:
        """The environment of a process that needs these secrets."""
        withheld = {variable for name in MINTS for variable in (name, f"{name}_FILE")}
        chosen = {
            name: value
            for name, value in self.inherited.items()
            if name not in withheld and (everything or _is_inherited(name))
        }
        chosen.update(self.settings)
        for name in secrets:
            chosen.update(self._secret(name))
        return chosen

    def _secret(self, name: str) -> dict[str, str]:
        """Where a process finds a secret: as the operator set it, else in the file kept for it."""
        for variable in (name, f"{name}_FILE"):
            if variable in self.inherited:
                return {variable: self.inherited[variable]}
        return {f"{name}_FILE": str(self.secret_files[name].absolute())}


def _is_inherited(name: str) -> bool:
    return name in _INHERITED or name.startswith(_INHERITED_PREFIXES)


def _service_command(
    environment: Environment, service: Service, targets: Mapping[str, str]
) -> Command:
    return Command(
        name=service.name,
        argv=(sys.executable, "-m", f"services.{service.name}"),
        environ=environment.of(service.secrets, everything=service.name == "relay"),
        probe=grpc_probe(targets[service.name]),
    )


def _demo_command(environment: Environment, port: int) -> Command:
    return Command(
        name="demo",
        argv=(sys.executable, "-m", "laptop.demo"),
        environ=environment.of((DEMO_CREDENTIAL,)),
        probe=http_probe(port),
    )


def _addresses(environ: Mapping[str, str]) -> list[str]:
    """Where the demo upstream and each service listen: as fixed, else on a free port."""
    variables = ["GATEBEYZ_DEMO_LISTEN", *(service.listen_variable for service in SERVICES)]
    ports = pick_free_ports(len(variables))
    return [
        environ.get(variable) or f"{LOOPBACK}:{port}"
        for variable, port in zip(variables, ports, strict=True)
    ]


def _site_listens(environ: Mapping[str, str], port: int) -> dict[str, str]:
    """Where each site listens: as fixed, else on the next port after the products', if free."""
    listens = {}
    for place, site in enumerate(SITES):
        wanted = port + 2 + place
        chosen = wanted if wanted < _LAST_PORT and is_free(wanted) else pick_free_ports(1)[0]
        listens[site] = environ.get(f"GATEBEYZ_{site}_LISTEN") or f"{LOOPBACK}:{chosen}"
    return listens


def _edge_port(environ: Mapping[str, str]) -> int:
    text = environ.get("GATEBEYZ_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) < _LAST_PORT:
        raise PlanError(f"GATEBEYZ_PORT must be a port number below {_LAST_PORT}")
    port = int(text)
    for wanted in (port, port + 1):
        if not is_free(wanted):
            raise PlanError(
                f"port {wanted} is taken; set GATEBEYZ_PORT to another one "
                "(the port after it serves Claude Credits)"
            )
    return port


def read_secret(environ: Mapping[str, str], secret_files: Mapping[str, Path], name: str) -> str:
    """A secret as a process would read it."""
    if environ.get(name):
        return environ[name]
    path = environ.get(f"{name}_FILE") or secret_files[name]
    return Path(os.fspath(path)).read_text(encoding="utf-8").strip()
