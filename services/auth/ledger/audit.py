"""Proof that the money adds up: every wallet against its packs, its open holds and the journal.

::

    granted = spent + held + expired + remaining, each at least zero     the wallet itself
    granted, spent, expired = sums of the packs                          how it was bought and paid
    held = sum of the open holds
    granted, spent, expired, short = base + journal                      what was ever written down

The auditor checks the first three lines of every wallet each minute, and the journal of one
partition after the other; ``gatebeyz ledger verify`` checks all of it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter, Gauge

from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger
from services.auth.ledger.store import SNAPSHOT_ACCOUNTS, LedgerStore
from services.auth.ledger.wallet import Snapshot, Wallet, check_sums
from services.auth.partition import TAGS

INTERVAL_S: Final = 60.0
FOLD_TRIES: Final = 5

DIFFERENCES: Final = Counter(
    "gatebeyz_ledger_differences", "Sums of the ledger that did not come out, by name.", ["name"]
)
SHORT: Final = Gauge(
    "gatebeyz_ledger_short_micros", "Used beyond what wallets could pay, in micro-dollars."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum that does not come out, in micro-dollars."""

    account_id: str
    name: str
    expected: int
    found: int


@dataclass(slots=True)
class Report:
    """One partition, looked at; ``total`` sums its wallets."""

    tag: str
    wallets: int = 0
    entries: int = 0
    differences: list[Difference] = field(default_factory=list)
    total: Wallet = field(default_factory=Wallet)


class Auditor:
    """Looks, compares, tells. Changes nothing."""

    def __init__(self, ledger: LedgerStore) -> None:
        self._ledger = ledger
        self._turn = 0
        self._is_closed = False
        self._short = 0

    def close(self) -> None:
        """End the auditing; a cancellation alone may be swallowed while a client connects."""
        self._is_closed = True

    async def run(self) -> None:
        """Audit until closed; the store's absence is waited out."""
        while not self._is_closed:
            try:
                await self.audit()
            except ServiceFault as fault:
                get_logger().warning("auditor waits", reason=str(fault.reason))
            await asyncio.sleep(INTERVAL_S)

    async def audit(self) -> list[Difference]:
        """One round: every wallet, and the journal of the next partition. Alarms are raised."""
        found: list[Difference] = []
        short = 0
        for tag in TAGS:
            report = await self.look(tag)
            found += report.differences
            short += report.total.short
        found += (await self.verify(TAGS[self._turn])).differences
        self._turn = (self._turn + 1) % len(TAGS)
        for one in found:
            DIFFERENCES.labels(one.name).inc()
            get_logger().error(
                "ledger differs",
                account_id=one.account_id,
                sum=one.name,
                expected=one.expected,
                found=one.found,
            )
        if short > self._short:
            get_logger().error("credit overrun", short_micros=short, more=short - self._short)
        self._short = short
        SHORT.set(short)
        return found

    async def verify_all(self) -> AsyncIterator[Report]:
        """Every partition in turn, journal included."""
        for tag in TAGS:
            yield await self.verify(tag)

    async def look(self, tag: str) -> Report:
        """The wallets of a partition against their packs and open holds."""
        report = Report(tag)
        accounts = await self._ledger.list_wallets(tag)
        for start in range(0, len(accounts), SNAPSHOT_ACCOUNTS):
            chunk = accounts[start : start + SNAPSHOT_ACCOUNTS]
            _, _, snapshots = await self._ledger.snapshot(tag, chunk)
            _take(report, snapshots)
        return report

    async def verify(self, tag: str) -> Report:
        """The same and the journal; read again where entries were folded meanwhile."""
        for _ in range(FOLD_TRIES):
            report = await self._verify(tag)
            if report is not None:
                return report
        raise ServiceFault(Reason.OVERLOADED, "The journal is being folded.", retry_after_s=5)

    async def _verify(self, tag: str) -> Report | None:
        report = Report(tag)
        accounts = await self._ledger.list_wallets(tag)
        folded = await self._ledger.last_folded(tag)
        unknown: set[str] = set()  # written down, and without a wallet
        for start in range(0, max(1, len(accounts)), SNAPSHOT_ACCOUNTS):
            chunk = accounts[start : start + SNAPSHOT_ACCOUNTS]
            last, before, snapshots = await self._ledger.snapshot(tag, chunk)
            sums, entries = await self._ledger.sum_journal(tag, last)
            if {before, await self._ledger.last_folded(tag)} != {folded}:
                return None
            report.entries = entries
            _take(report, snapshots)
            for snapshot in snapshots:
                written = sums.get(snapshot.account_id, Wallet())
                report.differences += _compare(snapshot, written)
            unknown |= {name for name, written in sums.items() if written != Wallet()}
        unknown -= {*accounts, *await self._ledger.list_wallets(tag)}
        report.differences += [Difference(name, "wallet", 1, 0) for name in sorted(unknown)]
        return report


def _take(report: Report, snapshots: list[Snapshot]) -> None:
    for snapshot in snapshots:
        report.wallets += 1
        report.total = _plus(report.total, snapshot.wallet)
        report.differences += [
            Difference(snapshot.account_id, *fault) for fault in check_sums(snapshot)
        ]


def _compare(snapshot: Snapshot, written: Wallet) -> list[Difference]:
    """The wallet against what was ever written down of it."""
    expected = _plus(snapshot.base, written)
    return [
        Difference(snapshot.account_id, f"journal {name}", value, found)
        for name in ("granted", "spent", "short", "expired")
        if (value := getattr(expected, name)) != (found := getattr(snapshot.wallet, name))
    ]


def _plus(one: Wallet, other: Wallet) -> Wallet:
    return Wallet(
        granted=one.granted + other.granted,
        spent=one.spent + other.spent,
        held=one.held + other.held,
        expired=one.expired + other.expired,
        short=one.short + other.short,
    )
