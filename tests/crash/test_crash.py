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
from collections.abc import Callable
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

CRASH_S = float(os.environ.get("CRASH_S", "60"))
CRASH_KILLS = int(os.environ.get("CRASH_KILLS", "6"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
LANES = 14
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

    def __init__(self, seed: int, fleet: Fleet, group: StoreGroup) -> None:
        self._rngs = random.Random(f"{seed}/processes"), random.Random(f"{seed}/store")
        self._fleet = fleet
        self._group = group
        self.faults: Counter[str] = Counter()
        self.kills = 0
        self.is_over = False

    async def run(self, until: float) -> None:
        """Faults until the monotonic time ``until``, and longer where kills are missing."""

        def goes_on() -> bool:
            return time.monotonic() < until or self.kills < CRASH_KILLS

        # Processes die while the store is hurt: neither waits for the other to be well.
        await asyncio.gather(self._hurt_processes(goes_on), self._hurt_store(goes_on))
        self.is_over = True

    async def _hurt_processes(self, goes_on: Callable[[], bool]) -> None:
        rng = self._rngs[0]
        while goes_on():
            await asyncio.sleep(rng.uniform(1.0, 5.0))
            name = rng.choice(self._fleet.names)
            self._fleet.kill(name)
            self.faults[f"kill {name.rstrip('01')}"] += 1
            self.kills += 1
            await asyncio.sleep(rng.uniform(0.0, 0.5))
            self._fleet.start(name)
            await self._fleet.wait_ready(name)

    async def _hurt_store(self, goes_on: Callable[[], bool]) -> None:
        group, rng = self._group, self._rngs[1]
        faults = (group.fail_over, group.restart, group.split, group.hang)
        moments = (group.stall, group.cut_off)
        while goes_on():
            await asyncio.sleep(rng.uniform(0.5, 4.0))
            fault = rng.choice(faults if rng.random() < 0.7 else moments)
            self.faults[f"store {fault.__name__}"] += 1
            self.kills += fault in (group.fail_over, group.restart)  # the others stop it or cut it
            await asyncio.to_thread(fault)


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
    meter, group = Meter(), StoreGroup(tmp_path / "store", random.Random(SEED))
    url = await meter.start()
    fleet = Fleet(tmp_path, group.url, CATALOG.format(url=url), HOLD_S)
    traffic = Traffic(fleet, random.Random(SEED + 1))
    chaos = Chaos(SEED, fleet, group)
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
        began = time.monotonic()
        await chaos.run(began + CRASH_S)
        took_s = time.monotonic() - began
        await asking
        await settle_down(traffic, watch.auditor)
        # A cancellation may be swallowed by a client that connects.
        watch.is_over = True
        await watching
        entries = await read_journal(traffic)
        violations = watch.faults + judge(entries, meter, traffic)
        reports = [report async for report in watch.auditor.verify_all()]
        violations += [one for report in reports for one in report.differences]
        tell(took_s, chaos, traffic, meter, watch)
        short = sum(one.total.short for one in reports)
        print(f"{len(entries)} entries; short {short} micros; {len(violations)} violations")
        explain(violations, entries, traffic, fleet)
        assert violations == []
        assert traffic.results["END_COMPLETE"] > 20
        assert traffic.results["edge complete"] > 5
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


def tell(took_s: float, chaos: Chaos, traffic: Traffic, meter: Meter, watch: Watch) -> None:
    """The figures of a run."""
    print(f"\nseed {SEED}: {took_s:.0f} s, {chaos.kills} kills, faults {dict(chaos.faults)}")
    print(f"{len(traffic.told)} requests, {len(meter.seen)} reached the provider")
    print(f"results {dict(traffic.results)}")
    print(f"{watch.looks} live looks at partitions", flush=True)


def explain(
    violations: list[str], entries: list[ledger_pb2.Entry], traffic: Traffic, fleet: Fleet
) -> None:
    """Everything that is known of the requests that violations speak of."""
    for violation in violations:
        print(violation)
        told = traffic.told.get(violation.partition(":")[0])
        if told is None or not told.ledger_id:
            continue
        print(f"  {told}".replace("\n", " "))
        for entry in entries:
            if entry.request_id == told.ledger_id:
                print(f"  {entry}".replace("\n", " "))
        for name in fleet.names:
            for line in fleet.log(name).splitlines():
                if told.ledger_id in line:
                    print(f"  {name} {line}")


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
