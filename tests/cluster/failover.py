"""The primary of the store is killed under load: who is served, and whether the money is right.

Stores and Sentinels are the redis-ha component as production renders it, in pods of their own; so
it takes root. ``python -m tests.cluster --failover``.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio
import redis.exceptions

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from tests.cluster.cluster import Cluster, running_cluster
from tests.cluster.image import Image
from tests.cluster.load import SHAPES, Tally, steady_load
from tests.cluster.network import Network
from tests.cluster.plan import CREDITS_PORT, KINDS
from tests.cluster.stores import StorePods, store_pods

COUNTS = dict.fromkeys(KINDS, 2) | {"counter": 1}
CREDIT_MICROS = 50_000_000
# What Claude Credits' own host serves.
PREPAID = tuple(shape for shape in SHAPES if shape.name.startswith("native"))
STATUS = re.compile(r": (\d{3}) ")
BEFORE_S, AFTER_S, AWAY_S, SETTLED_S = 4.0, 8.0, 60.0, 5.0
# Retryable answers: the store is away, or nobody can be leased.
RETRYABLE = ("503", "529")


@dataclass(slots=True)
class Figures:
    """What was seen; times in seconds from the kill."""

    plan: Tally = field(default_factory=Tally)
    prepaid: Tally = field(default_factory=Tally)
    killed: str = ""
    primary: str = ""
    elected_s: float = 0.0
    prepaid_again_s: float = 0.0
    while_away: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)
    granted: int = 0
    differences: list[str] = field(default_factory=list)
    role_of_killed: str = ""

    @property
    def refused(self) -> Counter[str]:
        """Prepaid requests that were refused, by status; a lost connection is "none"."""
        found = (STATUS.search(text) for text in self.prepaid.lost)
        return Counter(match.group(1) if match else "none" for match in found)

    def faults(self) -> list[str]:
        """Everything that must not be, as sentences."""
        faults = [f"a plan's request was lost: {text}" for text in self.plan.lost]
        faults += [f"a stream was cut: {text}" for text in (*self.plan.cut, *self.prepaid.cut)]
        faults += [
            f"a prepaid request ended badly: {text}"
            for text in self.prepaid.lost
            if not any(f": {status} " in text for status in RETRYABLE)
        ]
        faults += [f"settled {times} times" for times in self.settled.values() if times != 1]
        counts = self.plan.answered["count"]
        answered = self.plan.answered.total() + self.prepaid.answered.total() - counts
        if len(self.settled) != answered:
            faults.append(f"{answered} were answered and {len(self.settled)} are in the ledger")
        if self.granted != CREDIT_MICROS:
            faults.append(f"{CREDIT_MICROS} were granted before, {self.granted} after")
        return [*faults, *self.differences]

    def render(self) -> str:
        return (
            f"plan:\n{self.plan.render()}\n"
            f"prepaid:\n{self.prepaid.render().partition('  lost:')[0]}"
            f"\n  {self.killed} was killed; {self.primary} took over after {self.elected_s:.1f} s;"
            f" prepaid requests were answered again after {self.prepaid_again_s:.1f} s"
            f"\n  meanwhile answered: {dict(self.while_away)}; refused: {dict(self.refused)}"
            f"\n  {len(self.settled)} requests are in the ledger, each once; {self.killed} came"
            f" back as {self.role_of_killed}\n  faults: {len(self.faults())}"
        )


async def run_failover(
    folder: Path,
    network: Network,
    *,
    workers: int,
    image: Image | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Figures:
    """Kill the primary under load, wait for another, and bring the old one back."""
    figures = Figures()
    async with running_cluster(
        folder, COUNTS, network=network, open_store=store_pods, image=image
    ) as cluster:
        pods = cluster.store
        assert isinstance(pods, StorePods)
        say(f"running on {network.name}: {COUNTS}, 3 stores, 3 Sentinels")
        account_id, key = await _open_credits(cluster)
        async with (
            steady_load(lambda: cluster.edges, cluster.key, workers, tally=figures.plan),
            steady_load(
                lambda: _credits_hosts(cluster), key, workers, shapes=PREPAID, tally=figures.prepaid
            ),
        ):
            await asyncio.sleep(BEFORE_S)
            await _fail_over(pods, figures)
            say(f"{figures.primary} took over after {figures.elected_s:.1f} s")
            await pods.start("redis", int(figures.killed.rpartition("-")[2]))
            await asyncio.sleep(AFTER_S)
            figures.role_of_killed = await _role(pods, figures.killed)
        await asyncio.sleep(SETTLED_S)
        await _add_up(cluster, account_id, figures)
    return figures


async def _open_credits(cluster: Cluster) -> tuple[str, str]:
    async with cluster.operator() as operator:
        request = auth_pb2.CreateAccountRequest(name="Ada", product=auth_pb2.PRODUCT_CREDITS)
        account = (await operator.call(operator.accounts.CreateAccount, request)).account
        grant = ledger_pb2.GrantCreditsRequest(
            account_id=account.account_id,
            payment_reference="before the kill",
            amount_micros=CREDIT_MICROS,
        )
        await operator.call(operator.credit.GrantCredits, grant)
        wanted = auth_pb2.CreateKeyRequest(account_id=account.account_id)
        created = await operator.call(operator.keys.CreateKey, wanted)
    return account.account_id, created.secret


def _credits_hosts(cluster: Cluster) -> list[str]:
    return [f"{edge.rpartition(':')[0]}:{CREDITS_PORT}" for edge in cluster.edges]


async def _fail_over(pods: StorePods, figures: Figures) -> None:
    async with asyncio.timeout(AWAY_S):
        while not await pods.are_known():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.2)
    figures.killed = await pods.primary()
    before = Counter(figures.plan.answered)
    began = time.monotonic()
    await pods.kill(figures.killed)
    try:
        async with asyncio.timeout(AWAY_S):
            while figures.primary in ("", figures.killed):
                await asyncio.sleep(0.1)
                figures.primary = await pods.primary()
            figures.elected_s = time.monotonic() - began
            answered = figures.prepaid.answered.total()
            while figures.prepaid.answered.total() == answered:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
            figures.prepaid_again_s = time.monotonic() - began
    except TimeoutError:
        raise AssertionError(
            f"not over after {AWAY_S:g} s: {figures}\n{pods.log_tails()}"
        ) from None
    figures.while_away = Counter(figures.plan.answered) - before


async def _role(pods: StorePods, name: str) -> str:
    client = pods.client(name)
    with contextlib.suppress(redis.exceptions.RedisError):
        async with client:
            return str((await client.info("replication"))["role"])
    return "nothing"


async def _add_up(cluster: Cluster, account_id: str, figures: Figures) -> None:
    figures.settled = await cluster.settled_requests()
    async with cluster.operator() as operator:
        balance = await operator.call(
            operator.credit.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id)
        )
        figures.granted = balance.balance.granted_micros
        verify = ledger_pb2.VerifyLedgerRequest()
        async for report in operator.stream(operator.credit.VerifyLedger, verify, 30):
            figures.differences += [
                f"{one.account_id}: {one.name} differs" for one in report.differences
            ]
