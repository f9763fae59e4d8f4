"""Money under fire: processes die at random, the store fails over, and everything must add up.

``make test`` runs it for a short while; ``make crash`` runs it for ten minutes and a hundred kills.
``CRASH_S``, ``CRASH_KILLS`` and ``CRASH_SEED`` change how long, how many and which.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from gatebeyz.ledger.v1 import ledger_pb2
from runtime.faults import ServiceFault
from services.auth.connection import Connection
from services.auth.ledger.audit import Auditor
from services.auth.ledger.store import LedgerStore
from services.auth.partition import TAGS
from tests.crash.check_then_act import CheckThenAct
from tests.crash.fleet import Fleet
from tests.crash.group import StoreGroup
from tests.crash.meter import Meter
from tests.crash.traffic import RPC_S, Traffic
from tests.crash.verdict import judge

CRASH_S = float(os.environ.get("CRASH_S", "20"))
CRASH_KILLS = int(os.environ.get("CRASH_KILLS", "4"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
LANES = 16
HOLD_S = 6.0
QUIET_S = 40.0

CATALOG = """\
upstreams:
  - name: meter
    dialect: anthropic_messages
    base_url: {url}
    credential: {{env: UPSTREAM_KEY}}
    allow_private: true
models:
  - id: claude-x
    routes: [{{upstream: meter, model: claude-x}}]
    prices: {{input: 2000000, output: 5000000}}
"""


class Chaos:
    """Picks faults from a seed and counts them. Whatever it kills it starts again."""

    def __init__(self, rng: random.Random, fleet: Fleet, group: StoreGroup) -> None:
        self._rng = rng
        self._fleet = fleet
        self._group = group
        self.faults: Counter[str] = Counter()
        self.kills = 0
        self.is_over = False

    async def run(self, until: float) -> None:
        """Faults until the monotonic time ``until``, and longer where kills are missing."""
        store_faults = (self._group.fail_over, self._group.restart, self._group.split)
        while time.monotonic() < until or self.kills < CRASH_KILLS:
            await asyncio.sleep(self._rng.uniform(0.3, 1.5))
            choice = self._rng.random()
            if choice < 0.55:
                await self._kill_process()
            elif choice < 0.85:
                fault = self._rng.choice(store_faults)
                self.faults[f"store {fault.__name__}"] += 1
                self.kills += fault != self._group.split  # it freezes, it does not kill
                await asyncio.to_thread(fault)
            else:
                self.faults["store stall"] += 1
                await asyncio.to_thread(self._group.stall)
        self.is_over = True

    async def _kill_process(self) -> None:
        name = self._rng.choice(self._fleet.names)
        self._fleet.kill(name)
        self.faults[f"kill {name.rstrip('01')}"] += 1
        self.kills += 1
        await asyncio.sleep(self._rng.uniform(0.0, 0.5))
        self._fleet.start(name)
        await self._fleet.wait_ready(name)


class Watch:
    """Looks at every wallet through its own connection while all this goes on."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self.auditor = Auditor(LedgerStore(self._connection))
        self.faults: list[str] = []
        self.looks = 0
        self.is_over = False

    async def run(self) -> None:
        """Look until it is over; a store that is away is looked at again."""
        while not self.is_over:
            for tag in TAGS:
                with contextlib.suppress(ServiceFault):
                    report = await self.auditor.look(tag)
                    self.looks += 1
                    self.faults += [f"live: {one}" for one in report.differences]
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        await self._connection.close()


@pytest.mark.crash
@pytest.mark.timeout(max(300, CRASH_S * 4))
async def test_whatever_dies_the_money_adds_up(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    meter, group = Meter(), StoreGroup(tmp_path / "store", rng)
    url = await meter.start()
    fleet = Fleet(tmp_path, group.url, CATALOG.format(url=url), HOLD_S)
    traffic = Traffic(fleet, random.Random(SEED + 1))
    chaos = Chaos(rng, fleet, group)
    await asyncio.to_thread(group.start)
    watch = Watch(group.url)
    try:
        for name in fleet.names:
            fleet.start(name)
        for name in fleet.names:
            await fleet.wait_ready(name)
        await traffic.open()
        watching = asyncio.create_task(watch.run())
        asking = asyncio.create_task(traffic.run(LANES, lambda: chaos.is_over))
        await chaos.run(time.monotonic() + CRASH_S)
        await asking
        await settle_down(traffic, watch.auditor)
        # A cancellation may be swallowed by a client that connects.
        watch.is_over = True
        await watching
        report(chaos, traffic, meter, watch)
        entries = await read_journal(traffic)
        faults = watch.faults + judge(entries, meter, traffic)
        balances = [report async for report in watch.auditor.verify_all()]
        short = sum(one.total.short for one in balances)
        print(f"{len(entries)} entries of the journal; short {short} micros; {len(faults)} faults")
        assert faults == []
        assert [one for partition in balances for one in partition.differences] == []
        assert traffic.results["END_COMPLETE"] > 20
        assert traffic.results["CREDIT_EXHAUSTED"] > 0
        await asyncio.to_thread(fleet.stop)
    finally:
        await traffic.close()
        await watch.close()
        for name in list(fleet.running):
            fleet.kill(name)
        await asyncio.to_thread(group.stop)
        await meter.stop()


async def settle_down(traffic: Traffic, auditor: Auditor) -> None:
    """Until no hold is open and no payment is missing; every payment is told once more."""
    for account_id, paid in traffic.paid.items():
        await asyncio.gather(
            *(traffic.pay(account_id, reference, micros) for reference, micros in paid.items())
        )
    deadline = time.monotonic() + QUIET_S
    held = 1
    while held:
        assert time.monotonic() < deadline, f"{held} micros are held by nobody"
        await asyncio.sleep(1)
        with contextlib.suppress(ServiceFault):
            held = sum([(await auditor.look(tag)).total.held for tag in TAGS])
    # Relays hear of another store within a hold's sixth and settle again what it may have lost.
    await asyncio.sleep(2 * HOLD_S)


async def read_journal(traffic: Traffic) -> list[ledger_pb2.Entry]:
    """Every entry, through the service."""
    request = ledger_pb2.ExportJournalRequest()
    stream = traffic.credit.ExportJournal(request, metadata=traffic.metadata, timeout=RPC_S * 6)
    return [entry async for message in stream for entry in message.entries]


def report(chaos: Chaos, traffic: Traffic, meter: Meter, watch: Watch) -> None:
    """The figures of a run."""
    print(f"\nseed {SEED}: {chaos.kills} kills, faults {dict(chaos.faults)}")
    print(f"{len(traffic.told)} requests, {len(meter.seen)} reached the provider")
    print(f"results {dict(traffic.results)}")
    print(f"{watch.looks} live looks at partitions", flush=True)


async def test_looking_before_taking_overspends(tmp_path: Path) -> None:
    """The control must fail where the ledger holds, or neither proves anything."""
    group = StoreGroup(tmp_path, random.Random(SEED))
    await asyncio.to_thread(group.start)
    connection = Connection(group.url)
    overspent = 0
    try:
        for pack in range(20):
            control = CheckThenAct(connection.client, f"pack{pack}")
            await control.grant(1_000)
            rngs = [random.Random(f"{SEED}/{pack}/{lane}") for lane in range(24)]
            await asyncio.gather(*(control.request(100, rng) for rng in rngs))
            overspent += await control.remaining() < 0
    finally:
        await connection.close()
        await asyncio.to_thread(group.stop)
    print(f"\n{overspent} of 20 packs overspent")
    assert overspent > 0
