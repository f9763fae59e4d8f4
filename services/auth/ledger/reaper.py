"""What keeps the ledger tidy: holds of dead holders are settled, the journal's oldest is folded.

Every auth process does it; the store's scripts see to it that nothing happens twice.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from prometheus_client import Counter

from runtime.faults import ServiceFault
from runtime.logs import get_logger
from services.auth import metrics
from services.auth.ledger.store import LedgerStore
from services.auth.partition import TAGS

# With a hold's life of 30 s a request whose holder died is settled within 35.
REAP_INTERVAL_S: Final = 2.0
FOLD_INTERVAL_S: Final = 60.0
JOURNAL_MS: Final = 7 * 24 * 3600 * 1000

REAPED: Final = Counter(
    "gatebeyz_ledger_holds_reaped", "Holds settled because their holder fell silent."
)


class Reaper:
    """Runs for the life of the process; the store's absence is waited out."""

    def __init__(self, ledger: LedgerStore, journal_ms: int = JOURNAL_MS) -> None:
        self._ledger = ledger
        self._journal_ms = journal_ms
        self._fold_at = 0.0
        self._is_closed = False

    def close(self) -> None:
        """End the work; a cancellation alone may be swallowed while a client connects."""
        self._is_closed = True

    async def run(self) -> None:
        """Reap and fold until closed."""
        while not self._is_closed:
            try:
                await self.reap()
                if time.monotonic() >= self._fold_at:
                    await self.fold()
                    self._fold_at = time.monotonic() + FOLD_INTERVAL_S
            except ServiceFault as fault:
                get_logger().warning("reaper waits", reason=str(fault.reason))
            await asyncio.sleep(REAP_INTERVAL_S)

    async def reap(self) -> int:
        """Settle every hold that is overdue now; how many."""
        reaped = 0
        for tag in await self._ledger.overdue():
            while (found := await self._ledger.reap(tag)).new:
                reaped += found.new
                metrics.observe_costs(found.costs)
        if reaped:
            REAPED.inc(reaped)
            get_logger().warning("holds reaped", count=reaped)
        return reaped

    async def fold(self) -> int:
        """Fold what is older than the journal is kept; how many entries."""
        before_ms = int(time.time() * 1000) - self._journal_ms
        folded = 0
        for tag in TAGS:
            while count := await self._ledger.fold_journal(tag, before_ms):
                folded += count
        return folded
