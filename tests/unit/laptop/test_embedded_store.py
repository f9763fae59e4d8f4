"""The embedded store: one server per data directory, and nothing lost when it is killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from redis.asyncio import Redis

from laptop.child import Probe
from laptop.embedded_store import MAX_SOCKET_PATH_BYTES, EmbeddedStore, StoreInUse
from laptop.supervisor import Supervisor

TIMEOUT_S = 10.0


def quiet(_text: str) -> None:
    pass


async def wait_until(condition: Probe) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.005)


async def started_again(supervisor: Supervisor, killed: int | None) -> bool:
    return supervisor.children[0].pid != killed


def test_a_data_directory_has_one_holder(tmp_path: Path) -> None:
    with EmbeddedStore.acquire(tmp_path), pytest.raises(StoreInUse, match=str(tmp_path)):
        EmbeddedStore.acquire(tmp_path, wait_s=0)

    with EmbeddedStore.acquire(tmp_path, wait_s=0):
        pass


def test_a_long_path_moves_the_socket_away_and_back(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    with EmbeddedStore.acquire(deep) as store:
        folder = store.socket_path.parent
        assert len(os.fsencode(store.socket_path)) <= MAX_SOCKET_PATH_BYTES
        assert folder.stat().st_mode & 0o777 == 0o700

    assert not folder.exists()


async def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    with EmbeddedStore.acquire(tmp_path / "a b") as store:
        supervisor = Supervisor(tmp_path, quiet)
        command = store.command(os.environ)
        try:
            await supervisor.start([command], TIMEOUT_S)
            async with Redis.from_url(store.url) as client:
                await client.set("kept", "yes")
            killed = supervisor.children[0].pid
            supervisor.kill()
            await wait_until(lambda: started_again(supervisor, killed))
            await wait_until(command.probe)
            async with Redis.from_url(store.url) as client:
                assert await client.get("kept") == b"yes"
        finally:
            await supervisor.stop()
        assert not await command.probe()


async def test_the_server_itself_holds_the_lock(tmp_path: Path) -> None:
    store = EmbeddedStore.acquire(tmp_path / "data")
    supervisor = Supervisor(tmp_path, quiet)
    await supervisor.start([store.command(os.environ)], TIMEOUT_S)
    with store:
        pass  # as when the process that started it was killed

    with pytest.raises(StoreInUse):
        EmbeddedStore.acquire(tmp_path / "data", wait_s=0)

    await supervisor.stop()
    with EmbeddedStore.acquire(tmp_path / "data", wait_s=0):
        pass
