"""A snapshot of the store, restored as docs/operations.md says it, and what replays make of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import redis.asyncio

from tests.contract.conftest import StoreServer, running_store
from tests.contract.ledger_bench import serving, settlement


async def test_a_restored_snapshot_takes_what_is_replayed_once(tmp_path: Path) -> None:
    before, after = settlement("before"), settlement("after", output=20)
    snapshot = tmp_path / "dump.rdb"
    with running_store() as store:
        async with serving(store.url) as ledger:
            await ledger.open_account(micros=1_000)
            await ledger.settle(before)
            await _snapshot(store, snapshot)
            await ledger.settle(after)
            lost = await ledger.balance()

    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        shutil.copy(snapshot, Path(folder) / "dump.rdb")
        restored = StoreServer(Path(folder))
        try:
            await _restore(restored)
            async with serving(restored.url) as ledger:
                old = await ledger.balance()
                recorded = await ledger.settle(before, after)
                replayed = await ledger.balance()
                again = await ledger.settle(before, after)
                differences = await ledger.differences()
        finally:
            restored.kill()

    assert lost.spent_micros == 15 + 25
    assert old.spent_micros == 15, "the snapshot is older"
    assert recorded == 1, "and what it holds is not recorded twice"
    assert replayed == lost
    assert again == 0
    assert differences == []


async def _snapshot(store: StoreServer, copy: Path) -> None:
    client = redis.asyncio.Redis.from_url(store.url)
    await client.save()
    folder = (await client.config_get("dir"))["dir"]
    await client.aclose()
    shutil.copy(Path(folder) / "dump.rdb", copy)


async def _restore(store: StoreServer) -> None:
    """Read the snapshot without an append-only file, have one written, start on that."""
    store.start(appendonly=False)
    client = redis.asyncio.Redis.from_url(store.url)
    await client.config_set("appendonly", "yes")
    for _ in range(500):
        state = await client.info("persistence")
        if not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]:
            break
        await asyncio.sleep(0.01)
    assert state["aof_last_bgrewrite_status"] == "ok"
    await client.aclose()
    store.kill()
    store.start()
