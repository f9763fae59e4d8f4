"""What money costs: CPU per hold and settlement, and memory per account and per request.

CPU is split into ours (the client) and the store's, beside a PING on the same connection; memory
is what the store says it uses, before and after.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from laptop.address import pick_free_ports
from services.auth.connection import Connection
from services.auth.ledger.pricing import Tokens
from services.auth.ledger.settlement import Certainty, RequestName, Settlement
from services.auth.ledger.store import HoldUsed, HoldWanted, LedgerStore
from tests.store_servers import HOST, StoreNode

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

CALLS = 2_000
ACCOUNTS = 2_000
REQUESTS = 20_000
BATCH = 64
HELD_TOGETHER = 8
STARTED_MS = 1_700_000_000_000


def name(number: int, account: int = 0) -> RequestName:
    """As long as real names are."""
    return RequestName(
        request_id=f"req_{number:024d}",
        account_id=f"acc_{account:022d}",
        key_id=f"key_{account:022d}",
        model="claude-sonnet-4-5",
    )


def settlement(of: RequestName, *, prepaid: bool = True) -> Settlement:
    return Settlement(
        request_id=of.request_id,
        account_id=of.account_id,
        key_id=of.key_id,
        model=of.model,
        upstream="anthropic",
        upstream_model="claude-sonnet-4-5-20250929",
        end="END_COMPLETE",
        certainty=Certainty.EXACT,
        started_ms=STARTED_MS,
        total_ms=5_123,
        attempts=1,
        prepaid=prepaid,
        tokens=Tokens(1_234, 20_000, 0, 0, 567, 89),
    )


async def test_cpu_of_a_prepaid_request(tmp_path: Path) -> None:
    node = StoreNode(tmp_path, pick_free_ports(1)[0])
    node.start()
    connection = Connection(f"redis://{HOST}:{node.port}/0")
    ledger = LedgerStore(connection)
    server = psutil.Process(int(node.ask("INFO", "server")["process_id"]))  # type: ignore[index]
    try:
        account = name(0).account_id
        await ledger.grant(account, "pack_1", "paid", 10**12, None, "")

        async def ping(_number: int) -> None:
            await connection.client.ping()

        async def hold(number: int) -> None:
            wanted = HoldWanted(name=name(number), whole=1_000, least=0, started_ms=STARTED_MS)
            await ledger.hold([wanted])

        async def progress(number: int) -> None:
            used = HoldUsed(name=name(number), cost=number % 900, tokens=Tokens(1), wanted=0)
            await ledger.progress([used])

        async def settle(number: int) -> None:
            await ledger.settle([(settlement(name(number)), 700)])

        async def settle_batch(number: int) -> None:
            if number % BATCH == 0:
                batch = [(settlement(name(number + n)), 700) for n in range(BATCH)]
                await ledger.settle(batch)

        async def hold_batch(number: int) -> None:
            if number % HELD_TOGETHER == 0:
                names = [name(number + n) for n in range(HELD_TOGETHER)]
                wanted = [
                    HoldWanted(name=of, whole=1_000, least=0, started_ms=STARTED_MS) for of in names
                ]
                await ledger.hold(wanted)

        base = await measure(ping, server)
        print(f"\n{'call':<28}{'ours':>8}{'store':>8}   microseconds of CPU; x PING")
        steps = [
            ("PING", ping, 0),
            ("hold", hold, 0),
            ("progress", progress, 0),
            ("settle, one at a time", settle, 0),
            (f"settle, {BATCH} together, each", settle_batch, 10 * CALLS),
            (f"hold, {HELD_TOGETHER} together, each", hold_batch, 20 * CALLS),
        ]
        for title, call, first in steps:
            ours, theirs = await measure(call, server, first)
            ratio = (ours + theirs) / sum(base)
            print(f"{title:<28}{ours:8.0f}{theirs:8.0f}   x {ratio:.1f}")
    finally:
        await connection.close()
        node.kill()


async def measure(
    call: Callable[[int], Awaitable[None]], server: psutil.Process, first: int = 0
) -> tuple[float, float]:
    """CPU in microseconds for each call: ours and the server's."""
    before, began = server.cpu_times(), time.process_time()
    for number in range(CALLS):
        await call(first + number)
    ours = time.process_time() - began
    after = server.cpu_times()
    theirs = after.user + after.system - before.user - before.system
    return ours / CALLS * 1e6, theirs / CALLS * 1e6


async def test_memory_of_accounts_and_requests(tmp_path: Path) -> None:
    node = StoreNode(tmp_path, pick_free_ports(1)[0], appendonly="no")
    node.start()
    connection = Connection(f"redis://{HOST}:{node.port}/0")
    ledger = LedgerStore(connection)

    def used() -> int:
        facts = node.ask("INFO", "memory")
        assert isinstance(facts, dict)
        return int(facts["used_memory"])

    try:
        start = used()
        for number in range(ACCOUNTS):
            of = name(number, number)
            await ledger.grant(
                of.account_id,
                "pack_0mwubod4lwz5krj37us4vg",
                "stripe:pi_3MtwBw",
                10**9,
                None,
                "starter",
            )
            await ledger.settle([(settlement(of), 700)])
        active = used()
        for number in range(REQUESTS):
            of = name(10**6 + number)
            wanted = HoldWanted(name=of, whole=1_000, least=0, started_ms=STARTED_MS)
            await ledger.hold([wanted])
        held = used()
        for first in range(0, REQUESTS, BATCH):
            of_batch = [name(10**6 + n) for n in range(first, min(first + BATCH, REQUESTS))]
            await ledger.settle([(settlement(of), 700) for of in of_batch])
        settled = used()
        for tag in {f"{{p{number:02d}}}" for number in range(64)}:
            while await ledger.fold_journal(tag, 2**52):
                pass
        folded = used()
        print(f"\nan account, its wallet, a pack, a day: {(active - start) / ACCOUNTS:.0f} B")
        print(f"an open hold: {(held - active) / REQUESTS:.0f} B")
        print(f"a settled request: {(settled - active) / REQUESTS:.0f} B for a day,")
        print(f"  of them {(settled - folded) / REQUESTS:.0f} B in the journal, kept a week")
        print(f"a million requests: {(settled - active) / REQUESTS:.0f} MB on their day")
    finally:
        await connection.close()
        node.kill()
