"""A stand-in for a cluster on one machine: replicas, names, roll-outs and scale events.

As in the real thing: a replica enters its service's name and the ingress once it is ready, leaves
both some time *after* it was told to stop, is told to stop by SIGTERM, and a roll-out brings a
new replica before it takes an old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gatebeyz.ledger.v1 import ledger_pb2
from laptop.catalog import PLAN, demo_providers, render_catalog
from laptop.child import Child, Command
from laptop.onboarding import issue_key
from laptop.operator_client import OperatorClient, open_operator
from laptop.probe import grpc_probe, http_probe
from laptop.secret_file import DEMO_CREDENTIAL, OPERATOR_TOKEN, keep_secrets
from laptop.supervisor import Supervisor
from runtime.config import SecretText
from tests.cluster.image import Image
from tests.cluster.names import NameServer
from tests.cluster.network import RESOLVER, Loopback, Network
from tests.cluster.plan import (
    HEALTH_PORT,
    KINDS,
    METRICS_PORT,
    Kind,
    command_of,
    common_environ,
    replica_environ,
)
from tests.cluster.pod import Bind, Root, enter
from tests.cluster.stores import OpenStore, RunningStore, embedded_store
from tests.ports import free_port

START_S = 60.0
PAGE = 1_000
# The manifests' minReadySeconds, shortened: longer than callers take to learn of a new replica.
MIN_READY_S = 8.0
# How long after SIGTERM callers still find a replica in its name.
ENDPOINT_LAG_S = 1.0


@dataclass(slots=True)
class Replica:
    """One process with an address of its own."""

    kind: Kind
    address: str
    child: Child

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        url = f"http://{self.address}:{METRICS_PORT}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@dataclass(slots=True)
class Cluster:
    """See the module. ``running_cluster`` makes one."""

    folder: Path
    names: NameServer
    network: Network
    store: RunningStore
    environ: dict[str, str]
    certificates: Path | None = None
    image: Image | None = None
    key: str = ""
    replicas: dict[str, list[Replica]] = field(default_factory=dict)
    _ingress: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def edges(self) -> list[str]:
        """Base URLs an ingress would balance over now."""
        return [f"http://{address}:{KINDS['edge'].port}" for address in self._ingress]

    async def scale(self, name: str, count: int) -> None:
        """Start replicas until there are ``count``, or stop the oldest."""
        replicas = self.replicas.setdefault(name, [])
        await asyncio.gather(*(self._add(name) for _ in range(count - len(replicas))))
        surplus = [replicas.pop(0) for _ in range(len(replicas) - count)]
        await asyncio.gather(*(self._remove(replica) for replica in surplus))

    async def roll(self, name: str, surge: int = 1) -> None:
        """Replace every replica, ``surge`` at a time: the new ones have been ready for a while
        before as many old ones are told to stop.
        """
        waiting = list(self.replicas[name])
        while waiting:
            going, waiting = waiting[:surge], waiting[surge:]
            await asyncio.gather(*(self._add(name) for _ in going))
            await asyncio.sleep(MIN_READY_S)
            for old in going:
                self.replicas[name].remove(old)
            await asyncio.gather(*(self._remove(old) for old in going))

    async def settled_requests(self) -> Counter[str]:
        """How often each request stands in the journal of the cluster's accounts."""
        found: Counter[str] = Counter()
        async with self.operator() as operator:
            for account in await operator.list_accounts():
                request = ledger_pb2.ListUsageRequest(account_id=account.account_id, limit=PAGE)
                while True:
                    page = [
                        answer.entry
                        async for answer in operator.stream(
                            operator.credit.ListUsage, request, START_S
                        )
                    ]
                    found.update(
                        entry.request_id
                        for entry in page
                        if entry.kind == ledger_pb2.ENTRY_KIND_SETTLE
                    )
                    if len(page) < PAGE:
                        break
                    request.before_sequence = page[-1].sequence
        return found

    @contextlib.asynccontextmanager
    async def operator(self) -> AsyncIterator[OperatorClient]:
        """A client of the auth service, balanced over its replicas."""
        token = SecretText(_read(self.environ[f"{OPERATOR_TOKEN}_FILE"]))
        own = self.certificates / "operator" if self.certificates else None
        target = self.names.target("auth", KINDS["auth"].port)
        async with open_operator(target, token, own) as client:
            yield client

    async def stop(self) -> None:
        """Stop everything, callers first."""
        for name in reversed(KINDS):
            replicas = self.replicas.pop(name, [])
            await asyncio.gather(*(replica.child.stop(10) for replica in replicas))
            for replica in replicas:
                await self.network.detach(replica.child.command.name)
        await asyncio.gather(*self._tasks)
        self.names.close()

    async def _add(self, name: str) -> None:
        kind = KINDS[name]
        self._numbers[name] = self._numbers.get(name, 0) + 1
        own_name = f"{name}-{self._numbers[name]}"
        address = kind.address(self.network.prefix, self._numbers[name])
        inside = await self.network.attach(own_name, address)
        probe = (
            http_probe(kind.port, host=address)
            if name == "edge"
            else grpc_probe(f"{address}:{HEALTH_PORT if self.certificates else kind.port}")
        )
        command = Command(
            name=own_name,
            argv=(*inside, *self._command_of(kind, own_name)),
            environ=replica_environ(kind, address, self.environ, self.certificates),
            probe=probe,
        )
        child = Child(command, self.folder / f"{command.name}.log")
        await child.start()
        replica = Replica(kind, address, child)
        try:
            async with asyncio.timeout(START_S):
                while not await probe():
                    if not child.is_running:
                        raise AssertionError(f"{command.name} ended:\n{child.log_tail()}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{command.name} is not ready:\n{child.log_tail()}") from None
        self.replicas.setdefault(name, []).append(replica)
        self._publish(name)

    def _command_of(self, kind: Kind, name: str) -> tuple[str, ...]:
        if self.image is None:
            return command_of(kind)
        root = Root(self.image.root, {"/etc/resolv.conf": RESOLVER})
        temporary = self.folder / "tmp" / name
        temporary.mkdir(parents=True)
        temporary.chmod(0o1777)
        binds = [
            Bind(self.folder, str(self.folder), is_read_only=True),
            Bind(temporary, "/tmp", is_read_only=False),
        ]
        pod = enter(self.folder / "pods" / name, name, root, binds, self.image.user)
        return (*pod, *self.image.entrypoint, kind.module)

    async def _remove(self, replica: Replica) -> None:
        """SIGTERM now; the names follow a moment later. Returns when the process is gone."""
        self._publish_later(replica.kind.name)
        await replica.child.stop(float(self.environ["GATEBEYZ_DRAIN_S"]) + 30)
        await self.network.detach(replica.child.command.name)

    def _publish_later(self, name: str) -> None:
        async def publish() -> None:
            await asyncio.sleep(ENDPOINT_LAG_S)
            self._publish(name)

        task = asyncio.ensure_future(publish())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _publish(self, name: str) -> None:
        addresses = [replica.address for replica in self.replicas.get(name, ())]
        self.names.set(name, addresses)
        if name == "edge":
            self._ingress = addresses


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def running_cluster(
    folder: Path,
    counts: dict[str, int],
    settings: dict[str, str] | None = None,
    certificates: Path | None = None,
    network: Network | None = None,
    open_store: OpenStore = embedded_store,
    image: Image | None = None,
) -> AsyncIterator[Cluster]:
    """A cluster with a store, the demo upstream, and this many replicas of each process."""
    secrets = keep_secrets(folder / "secrets")
    network = network or Loopback()
    names = await NameServer.start(f"{network.prefix}.0.53", network.dns_port)
    demo_host, demo_port = f"{network.prefix}.0.1", free_port()
    catalog = folder / "catalog.yaml"
    providers = demo_providers(demo_port, secrets[DEMO_CREDENTIAL], demo_host)
    catalog.write_text(render_catalog(providers, first_dialect_only=True), encoding="utf-8")
    if image is not None:
        _give(folder, image.user)
    supervisor = Supervisor(folder, lambda text: None)
    async with open_store(folder, names, network) as store:
        environ = {
            **(common_environ() if image is None else image.environ),
            **{f"{name}_FILE": str(path) for name, path in secrets.items()},
            **{kind.target_variable: names.target(kind.name, kind.port) for kind in KINDS.values()},
            "REDIS_URL": store.url,
            "GATEBEYZ_CATALOG": str(catalog),
            "GATEBEYZ_DRAIN_S": "20",
            "GATEBEYZ_DRAIN_PAUSE_S": "2",
            "GATEBEYZ_COUNTER_WORKERS": "1",
            # More processes than cores: each waits for its turn, whatever the load.
            "GATEBEYZ_SHED_DELAY_S": "0",
            **(settings or {}),
        }
        demo = Command(
            "demo",
            (command_of(KINDS["edge"])[0], "-m", "laptop.demo"),
            {**environ, **common_environ(), "GATEBEYZ_DEMO_LISTEN": f"{demo_host}:{demo_port}"},
            http_probe(demo_port, host=demo_host),
        )
        cluster = Cluster(folder, names, network, store, environ, certificates, image)
        try:
            await supervisor.start([demo], START_S)
            for name in KINDS:
                await cluster.scale(name, counts.get(name, 1))
            async with cluster.operator() as operator:
                cluster.key = await issue_key(operator, PLAN)
            yield cluster
        finally:
            await cluster.stop()
            await supervisor.stop()


def _give(folder: Path, user: tuple[int, int]) -> None:
    """Let the image's user read what its processes are given."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *user)
