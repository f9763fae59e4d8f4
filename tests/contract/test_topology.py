"""The same ledger on a Sentinel group and on a cluster, started for real and losing a primary."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from laptop.address import pick_free_ports
from runtime.faults import Reason, ServiceFault
from services.auth.connection import Connection, parse_place
from services.auth.ledger.audit import Auditor
from services.auth.ledger.pricing import Tokens
from services.auth.ledger.settlement import Certainty, RequestName, Settlement
from services.auth.ledger.store import HoldUsed, HoldWanted, LedgerStore
from services.auth.partition import TAGS, partition
from services.auth.store import Store
from tests.certificates import server_certificate
from tests.contract.ledger_bench import AUDIT, insist, serving, settlement
from tests.crash.group import StoreGroup
from tests.crash.network import Network, Side, peers_address
from tests.store_servers import HOST, StoreNode, wait_for

T = TypeVar("T")

ACCOUNTS = [f"spread_{number}" for number in range(12)]  # spread over the nodes of a cluster
PRIMARIES = 3
SLOTS = 16_384
FAIL_OVER_S = 20.0


class Cluster:
    """Three primaries with a replica each."""

    def __init__(self, folder: Path, certificate: ssl.SSLContext | None) -> None:
        self._network = Network()
        free = pick_free_ports(4 * PRIMARIES)
        ports, buses = free[: 2 * PRIMARIES], free[2 * PRIMARIES :]
        self._buses = dict(zip(ports, buses, strict=True))
        self.nodes = [
            self._node(folder, port, bus, certificate)
            for port, bus in zip(ports, buses, strict=True)
        ]
        first, second, *_ = (node.announced for node in self.nodes)
        self.url = f"redis+cluster://{HOST}:{first},{HOST}:{second}"

    def _node(
        self, folder: Path, port: int, bus: int, certificate: ssl.SSLContext | None
    ) -> StoreNode:
        front = self._network.front(port, certificate)
        return StoreNode(
            folder / str(port),
            port,
            announced=front,
            bind_source_addr=self._network.peers,
            cluster_enabled="yes",
            cluster_node_timeout="1500",
            cluster_port=str(bus),
            cluster_announce_ip=HOST,
            cluster_announce_port=str(front),
            cluster_announce_bus_port=str(bus),
        )

    def start(self) -> None:
        """Start, introduce, hand out the slots, attach the replicas, wait until all agree."""
        for node in self.nodes:
            node.start()
        first, *others = self.nodes
        for node in others:
            first.ask("CLUSTER", "MEET", HOST, node.port, self._buses[node.port])
        primaries, replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]
        share = SLOTS // PRIMARIES + 1
        for place, node in enumerate(primaries):
            last = min(SLOTS, (place + 1) * share) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", place * share, last)
        for primary, replica in zip(primaries, replicas, strict=True):
            name = str(primary.ask("CLUSTER", "MYID"))
            wait_for(lambda r=replica, n=name: n in str(r.ask("CLUSTER", "NODES")), "meeting", 10)
            replica.ask("CLUSTER", "REPLICATE", name)
        for replica in replicas:
            wait_for(replica.is_synced, "a replica", FAIL_OVER_S)
        for node in self.nodes:
            wait_for(lambda n=node: _is_whole(n), "the cluster", FAIL_OVER_S)

    def lose_primary(self) -> None:
        """Kill the first primary; its replica takes its slots over."""
        self.nodes[0].kill()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()
        self._network.close()


def _is_whole(node: StoreNode) -> bool:
    return "cluster_state:ok" in str(node.ask("CLUSTER", "INFO"))


class Group(StoreGroup):
    """A Sentinel group with the cluster's face."""

    def lose_primary(self) -> None:
        self._roles()[0].kill()

    def replace_primary(self) -> None:
        """Cut the primary off from its peers, and wait for another one; callers reach both."""
        primary, _ = self._roles()
        self._network.cut(primary.announced, Side.PEERS)
        self._wait_replaced(primary)

    def count_settled(self, account_id: str) -> int:
        """The settlements that stand in the journal of the one that leads."""
        journal = f"{partition(account_id)}:journal"
        entries = self._roles()[0].ask("XRANGE", journal, "-", "+")
        return sum("settle" in str(entry) for entry in entries)  # type: ignore[attr-defined]


@pytest.fixture(
    scope="module", params=["sentinel", "cluster", "sentinel over TLS", "cluster over TLS"]
)
def topology(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster | Group]:
    """One for every test; the last one loses its primary."""
    kind, *rest = request.param.split()
    folder = tmp_path_factory.mktemp(kind)
    certificate = authority = None
    if rest:
        if peers_address() == HOST:
            pytest.skip("peers cannot be told from callers: there is one loopback address")
        certificate, authority = server_certificate(folder)
    found: Cluster | Group
    if kind == "cluster":
        found = Cluster(folder, certificate)
    else:
        found = Group(folder, random.Random(1), 1.0, certificate)
    if authority is not None:
        found.url = f"{found.url.replace('redis', 'rediss', 1)}?ssl_ca_certs={authority}"
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def test_the_services_run_on_either(topology: Cluster | Group) -> None:
    async with serving(topology.url) as ledger:
        for account_id in ("acc_1", "acc_2", "acc_3", "acc_4"):
            await insist(lambda a=account_id: ledger.open_account(a, micros=1_000))
            await insist(lambda a=account_id: ledger.hold("r1", account_id=a))
            await insist(lambda a=account_id: ledger.settle(settlement("r1", account_id=a)))
            assert (await ledger.balance(account_id)).spent_micros == 15
            assert len(await ledger.usage(account_id)) == 2
            [day] = await ledger.rollups(account_id)
            assert day.total.requests == 1
        assert await patiently(ledger.room.reaper.reap) == 0
        assert await ledger.differences() == []


async def test_accounts_and_keys_stand_on_either(topology: Cluster | Group) -> None:
    store = Store(topology.url)
    try:
        assert await patiently(lambda: store.find_account("acc_none")) is None
        assert await store.is_ready()
        assert await patiently(store.last_change) == "0-0"
        await patiently(lambda: store.record(AUDIT))
        days = ["20260101", "20260102"]
        assert await patiently(lambda: store.tokens_of_days("acc_1", days)) == [0, 0]
    finally:
        await store.close()


async def test_money_survives_the_loss_of_a_primary(topology: Cluster | Group) -> None:
    connection = Connection(topology.url)
    # A grant is acknowledged once a replica has it: a payment is told to us only once.
    ledger = LedgerStore(connection, replicas=1)
    try:
        for account_id in ACCOUNTS:
            await patiently(lambda a=account_id: ledger.grant(a, "pack_1", "paid", 1_000, None, ""))
            await patiently(lambda a=account_id: use(ledger, a, "before", 100))
        identity = await patiently(ledger.identity)
        # Replication does not wait for settlements; a moment and it has them.
        await asyncio.sleep(0.5)
        topology.lose_primary()
        began = time.monotonic()
        waits = [await through(ledger, account_id) for account_id in ACCOUNTS]
        print(f"\nlost a primary: all answered {time.monotonic() - began:.1f} s later")
        assert max(waits) < FAIL_OVER_S
        assert await patiently(ledger.identity) != identity
        for account_id in ACCOUNTS:
            wallet, packs = await patiently(lambda a=account_id: ledger.read_wallet(a))
            assert (wallet.spent, wallet.held, wallet.remaining) == (150, 0, 850)
            assert [pack.spent for pack in packs] == [150]
        auditor = Auditor(ledger)
        reports = [await patiently(lambda t=tag: auditor.verify(t)) for tag in TAGS]
        assert [one for report in reports for one in report.differences] == []
        assert sum(report.wallets for report in reports) >= len(ACCOUNTS)
    finally:
        await connection.close()


async def test_a_primary_that_was_replaced_is_left_at_once(tmp_path: Path) -> None:
    """It answers on the connections it has: what it takes from now on is lost."""
    group = Group(tmp_path, random.Random(1), down_after_s=0.3)
    group.start()
    connection = Connection(group.url)
    ledger = LedgerStore(connection)
    try:
        await patiently(lambda: ledger.grant("acc_1", "pack_1", "paid", 1_000, None, ""))
        await asyncio.gather(*(use(ledger, "acc_1", f"before{n}", 10) for n in range(8)))
        identity = await ledger.identity()
        # Replication is behind by nothing: it is the connections that are looked at.
        await asyncio.sleep(0.3)
        await asyncio.to_thread(group.replace_primary)
        assert await patiently(ledger.identity) != identity
        await asyncio.gather(*(patiently_use(ledger, f"after{n}") for n in range(8)))
        assert group.count_settled("acc_1") == 16
    finally:
        await connection.close()
        group.stop()


async def patiently_use(ledger: LedgerStore, request_id: str) -> None:
    """One request of acc_1, however often its store is away."""
    await patiently(lambda: use(ledger, "acc_1", request_id, 10))


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The answer, asked for again while the store is away: a busy machine may keep it so."""
    deadline = time.monotonic() + FAIL_OVER_S
    while True:
        try:
            return await call()
        except ServiceFault as fault:
            if fault.reason is not Reason.STORE_AWAY or time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


async def use(ledger: LedgerStore, account_id: str, request_id: str, cost: int) -> None:
    """One request from hold to settlement."""
    name = RequestName(request_id=request_id, account_id=account_id, key_id="k", model="m")
    wanted = HoldWanted(name=name, whole=2 * cost, least=0, started_ms=10**12)
    [hold] = await ledger.hold([wanted])
    if isinstance(hold, ServiceFault):
        raise hold
    if hold.state == Certainty.EXACT:
        return  # it was settled before, and only the answer was lost
    assert hold.state == 1
    used = HoldUsed(name=name, cost=cost // 2, tokens=Tokens(output=1), wanted=0)
    assert [one.state for one in await ledger.progress([used])] == [1]
    await ledger.settle([(_settlement(name), cost)])


async def through(ledger: LedgerStore, account_id: str) -> float:
    """A request as soon as the store lets it; how long that took. Refusals come in time."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        try:
            await use(ledger, account_id, "after", 50)
        except ServiceFault as fault:
            # A hold is refused within 0.6 s; a settlement waits through the fail-over.
            if fault.reason is not Reason.STORE_AWAY or time.monotonic() - asked > 6:
                raise
            await asyncio.sleep(0.1)
        else:
            return time.monotonic() - began


def _settlement(name: RequestName) -> Settlement:
    return Settlement(
        request_id=name.request_id,
        account_id=name.account_id,
        key_id=name.key_id,
        model=name.model,
        upstream="u",
        upstream_model="m",
        end="END_COMPLETE",
        certainty=Certainty.EXACT,
        started_ms=10**12,
        total_ms=1,
        attempts=1,
        prepaid=True,
        tokens=Tokens(output=1),
    )


@pytest.mark.parametrize(
    ("url", "kind", "nodes"),
    [
        ("redis://127.0.0.1:6379/0", "single", ()),
        ("unix:///run/store.sock", "single", ()),
        ("redis+sentinel://a:1,b/main/2", "sentinel", (("a", 1), ("b", 26379))),
        ("rediss+cluster://u:p%40@[::1]:7000,c", "cluster", (("::1", 7000), ("c", 6379))),
    ],
)
def test_a_url_says_where_the_store_is(url: str, kind: str, nodes: tuple[object, ...]) -> None:
    place = parse_place(url)
    assert (place.kind, place.nodes) == (kind, nodes)
    if kind == "cluster":
        assert (place.username, place.password, place.is_tls) == ("u", "p@", True)


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "redis+ring://a",
        "redis+sentinel://a:1",
        "redis+cluster://",
        "redis+cluster://a:x",
    ],
)
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"store|Sentinel"):
        parse_place(url.replace("://", "://u:hidden-word@"))


def test_every_partition_has_a_tag() -> None:
    assert len(set(TAGS)) == 64
