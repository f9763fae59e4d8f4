"""What is measured, as real processes: the gateway, the floor, the ceiling, and the provider.

The gateway is started from the laptop's own plan of processes, with settings as in production
where they differ (metrics are served), a plan with limits of every kind, none of them near.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from laptop.child import Command, Probe
from laptop.embedded_store import EmbeddedStore
from laptop.operator_client import OperatorClient, open_operator
from laptop.profile import METRICS_LISTEN, SITES, Profile, make_profile, read_secret
from laptop.secret_file import OPERATOR_TOKEN
from laptop.supervisor import Supervisor
from runtime.config import SecretText
from tests.bench import process
from tests.bench.process import on_core
from tests.ports import free_port, free_port_pair

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 60.0
PLAN: Final = "bench"
CLAUDE: Final = "claude-sonnet-4-5"
GPT_CHAT: Final = "gpt-4.1"
GPT_RESPONSES: Final = "gpt-5"
CREDIT_MICROS: Final = 10**12
_OTHER_LISTENS: Final = ("GATEBEYZ_CREDITS_LISTEN", *(f"GATEBEYZ_{site}_LISTEN" for site in SITES))
_LIMITS: Final = {
    "requests_per_minute": 10**8,
    "input_tokens_per_minute": 10**11,
    "output_tokens_per_minute": 10**11,
    "concurrency": 10**6,
}


@dataclass(frozen=True, slots=True)
class System:
    """Something that serves: where, and which processes it is made of."""

    name: str
    port: int
    pids: tuple[int, ...]

    def processes(self) -> list[psutil.Process]:
        """All its processes, children included."""
        return process.tree(self.pids)


@dataclass(slots=True)
class Gateway:
    """The running gateway; ``roles`` gives each process by its name."""

    profile: Profile
    roles: dict[str, int]
    metrics: dict[str, str]
    operator: OperatorClient
    _accounts: dict[int, str] = field(default_factory=dict)

    @property
    def api(self) -> System:
        """The monthly API."""
        return System("gateway", self.profile.port, tuple(self.roles.values()))

    @property
    def credits(self) -> System:
        """Claude Credits, prepaid."""
        return System("prepaid", self.profile.port + 1, tuple(self.roles.values()))

    async def plan_keys(self, count: int = 1) -> list[str]:
        """New keys of an account on the plan."""
        return await self._keys(auth_pb2.PRODUCT_API, count)

    async def cold_keys(self, count: int) -> list[str]:
        """New keys, each of its own account: a lease takes a share of its account's limits."""
        keys = []
        for _ in range(count):
            self._accounts.pop(auth_pb2.PRODUCT_API, None)
            keys += await self.plan_keys()
        return keys

    async def prepaid_keys(self, count: int = 1) -> list[str]:
        """New keys of an account with much credit."""
        return await self._keys(auth_pb2.PRODUCT_CREDITS, count)

    async def _keys(self, product: auth_pb2.Product, count: int) -> list[str]:
        operator = self.operator
        account_id = self._accounts.get(product) or await self._account(product)
        request = auth_pb2.CreateKeyRequest(account_id=account_id, label="bench")
        return [
            (await operator.call(operator.keys.CreateKey, request)).secret for _ in range(count)
        ]

    async def _account(self, product: auth_pb2.Product) -> str:
        operator = self.operator
        is_prepaid = product == auth_pb2.PRODUCT_CREDITS
        request = auth_pb2.CreateAccountRequest(
            name="bench", product=product, plan="" if is_prepaid else PLAN
        )
        made = await operator.call(operator.accounts.CreateAccount, request)
        account_id = self._accounts[product] = str(made.account.account_id)
        if is_prepaid:
            grant = ledger_pb2.GrantCreditsRequest(
                account_id=account_id, payment_reference="bench:1", amount_micros=CREDIT_MICROS
            )
            await operator.call(operator.credit.GrantCredits, grant)
        return account_id


def catalog_text(provider_port: int) -> str:
    """The catalog: one provider in three dialects, a model on each, a plan."""
    base = f"http://127.0.0.1:{provider_port}"
    upstreams = [
        _upstream("messages", "anthropic_messages", base),
        _upstream("chat", "openai_chat", f"{base}/v1"),
        _upstream("responses", "openai_responses", f"{base}/v1"),
    ]
    models = [
        _model(CLAUDE, "messages"),
        _model(GPT_CHAT, "chat"),
        _model(GPT_RESPONSES, "responses"),
    ]
    plans = [{"name": PLAN, "limits": _LIMITS, "monthly_tokens": 10**15}]
    return str(yaml.safe_dump({"upstreams": upstreams, "models": models, "plans": plans}))


def _upstream(name: str, dialect: str, base_url: str) -> dict[str, Any]:
    return {
        "name": name,
        "dialect": dialect,
        "base_url": base_url,
        "credential": {"env": "BENCH_CREDENTIAL"},
        "capabilities": {"thinking": True, "count_tokens": False},
        "allow_private": True,
    }


def _model(name: str, upstream: str) -> dict[str, Any]:
    return {
        "id": name,
        "routes": [{"upstream": upstream, "model": name}],
        "prices": {"input": 3_000_000, "output": 15_000_000},
    }


@contextlib.asynccontextmanager
async def running_provider(folder: Path, core: int | None) -> AsyncIterator[System]:
    """The provider, which is also what is measured with nothing before it."""
    port = free_port()
    argv = _module("tests.bench.provider", str(port))
    async with running(folder, "provider", argv, port, core) as pid:
        yield System("direct", port, (pid,))


@contextlib.asynccontextmanager
async def running_floor(folder: Path, provider: System, core: int | None) -> AsyncIterator[System]:
    """The floor in front of the provider."""
    port = free_port()
    argv = _module("tests.bench.floor", str(port), f"http://127.0.0.1:{provider.port}")
    async with running(folder, "floor", argv, port, core) as pid:
        yield System("floor", port, (pid,))


@contextlib.asynccontextmanager
async def running_hop(folder: Path, provider: System, core: int | None) -> AsyncIterator[System]:
    """The floor in two processes, gRPC between them, in front of the provider (``hop.py``)."""
    front, back = free_port(), free_port()
    hop = "tests.bench.hop"
    back_argv = _module(hop, "back", str(back), f"http://127.0.0.1:{provider.port}")
    front_argv = _module(hop, "front", str(front), f"127.0.0.1:{back}")
    async with (
        running(folder, "hop-back", back_argv, back, core) as back_pid,
        running(folder, "hop-front", front_argv, front, core) as front_pid,
    ):
        yield System("hop", front, (front_pid, back_pid))


@contextlib.asynccontextmanager
async def running(
    folder: Path, name: str, argv: tuple[str, ...], port: int, core: int | None
) -> AsyncIterator[int]:
    """A process that listens on ``port``, by its id; ``core`` is where it may run."""
    command = Command(name, argv, _environ(), tcp_probe(port))
    supervisor = Supervisor(folder, print)
    try:
        with on_core(core):
            await supervisor.start([command], START_S)
        pid = supervisor.children[0].pid
        assert pid is not None
        yield pid
    finally:
        await supervisor.stop()


@contextlib.asynccontextmanager
async def running_gateway(
    folder: Path,
    provider: System,
    core: int | None,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Gateway]:
    """The whole gateway in front of the provider, in ``folder``."""
    catalog = folder / "bench.yaml"
    catalog.write_text(catalog_text(provider.port), encoding="utf-8")
    environ = {
        **_environ(),
        "GATEBEYZ_PORT": str(free_port_pair()),
        "GATEBEYZ_CATALOG": str(catalog),
        "GATEBEYZ_COUNT_TOKENS_PER_MINUTE": "0",
        "BENCH_CREDENTIAL": "a-credential-of-the-benchmarks",
        **(settings or {}),
    }
    supervisor = Supervisor(folder, print)
    with EmbeddedStore.acquire(folder / "store") as store:
        (folder / ".gatebeyz").mkdir(exist_ok=True)
        profile = make_profile(environ, folder, store.url)
        metrics = {
            command.name: f"127.0.0.1:{free_port()}"
            for command in (*profile.services, profile.edge)
        }
        commands = [
            _with_metrics(command, metrics[command.name])
            for command in (*profile.services, profile.edge)
        ]
        try:
            with on_core(core):
                await supervisor.start([store.command(environ)], START_S)
                await supervisor.start(commands, START_S)
            roles = {child.command.name: child.pid or 0 for child in supervisor.children}
            token = SecretText(read_secret(environ, profile.secret_files, OPERATOR_TOKEN))
            async with open_operator(profile.targets["auth"], token) as operator:
                yield Gateway(profile, roles, metrics, operator)
        finally:
            await supervisor.stop()


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


@contextlib.asynccontextmanager
async def running_bare(folder: Path, gateway: Gateway, core: int | None) -> AsyncIterator[System]:
    """The same edge and relay without authentication, limits and settlement (``bare.py``)."""
    edge_port, relay_port = free_port(), free_port()
    own = {
        "GATEBEYZ_EDGE_LISTEN": f"127.0.0.1:{edge_port}",
        "GATEBEYZ_RELAY_LISTEN": f"127.0.0.1:{relay_port}",
        "GATEBEYZ_RELAY_TARGET": f"127.0.0.1:{relay_port}",
        "GATEBEYZ_RELAY_OUTBOX": "",
        **dict.fromkeys(_OTHER_LISTENS, ""),
    }
    profile = gateway.profile
    relay = next(command for command in profile.services if command.name == "relay")
    commands = [
        Command(
            f"bare-{command.name}",
            _module("tests.bench.bare", command.name),
            {**command.environ, **own},
            tcp_probe(port),
        )
        for command, port in ((relay, relay_port), (profile.edge, edge_port))
    ]
    supervisor = Supervisor(folder, print)
    try:
        with on_core(core):
            await supervisor.start(commands, START_S)
        yield System("bare", edge_port, tuple(child.pid or 0 for child in supervisor.children))
    finally:
        await supervisor.stop()


@contextlib.asynccontextmanager
async def running_composed(
    folder: Path, gateway: Gateway, core: int | None
) -> AsyncIterator[System]:
    """Edge and relay in one process (``composed.py``), beside the rest of the gateway."""
    port, relay_port = free_port(), free_port()
    profile = gateway.profile
    relay = next(command for command in profile.services if command.name == "relay")
    own = {
        "GATEBEYZ_EDGE_LISTEN": f"127.0.0.1:{port}",
        "GATEBEYZ_RELAY_LISTEN": f"127.0.0.1:{relay_port}",
        "GATEBEYZ_RELAY_OUTBOX": str(folder / "composed.outbox"),
        METRICS_LISTEN: "",
        **dict.fromkeys(_OTHER_LISTENS, ""),
    }
    command = Command(
        "composed",
        _module("tests.bench.composed"),
        {**relay.environ, **profile.edge.environ, **own},
        tcp_probe(port),
    )
    supervisor = Supervisor(folder, print)
    try:
        with on_core(core):
            await supervisor.start([command], START_S)
        others = [pid for name, pid in gateway.roles.items() if name not in ("edge", "relay")]
        yield System("composed", port, (supervisor.children[0].pid or 0, *others))
    finally:
        await supervisor.stop()


def _with_metrics(command: Command, listen: str) -> Command:
    return dataclasses.replace(command, environ={**command.environ, METRICS_LISTEN: listen})


def tcp_probe(port: int) -> Probe:
    """Whether somebody listens there."""

    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    return probe


def _environ() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    inherited = {name: os.environ[name] for name in kept if name in os.environ}
    return {**inherited, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"}
