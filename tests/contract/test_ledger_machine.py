"""Any order of grants, holds, progress, settlements, voids and reaping, against the plain model.

``LEDGER_EXAMPLES`` sets how many walks are tried; ``make crash`` tries 1,000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from services.auth.connection import Connection
from services.auth.ledger.audit import Auditor
from services.auth.ledger.pricing import Tokens
from services.auth.ledger.settlement import Certainty, RequestName, Settlement
from services.auth.ledger.store import HoldUsed, HoldWanted, LedgerStore
from services.auth.ledger.wallet import Hold
from services.auth.partition import partition
from tests.contract.conftest import StoreServer
from tests.contract.ledger_model import EXACT, ModelWallet

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "40"))
STEPS = 30
PATIENCE_S = 30.0
PAST_MS, NEVER = 1, None
STARTED_MS = 1_700_000_000_000

ACCOUNTS = st.sampled_from(["alpha", "omega"])
REQUESTS = st.sampled_from([f"r{number}" for number in range(6)])
AMOUNTS = st.integers(0, 120)


class LedgerMachine(RuleBasedStateMachine):
    """One store for all walks, empty at the beginning of each."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._packs = itertools.count()
        self._models: dict[str, ModelWallet] = {"alpha": ModelWallet(), "omega": ModelWallet()}

    @initialize()
    def open_store(self) -> None:
        async def open_ledger() -> LedgerStore:
            # Nothing here is about time: a busy machine may take its own.
            self._connection = Connection(self.url, PATIENCE_S, PATIENCE_S)
            await self._connection.client.flushall()
            # A hold is overdue at once: reaping is a step like any other.
            return LedgerStore(self._connection, hold_ms=0)

        self._ledger = self._runner.run(open_ledger())

    def teardown(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()

    @rule(account=ACCOUNTS, amount=st.integers(1, 150), is_past=st.booleans())
    def grant(self, account: str, amount: int, is_past: bool) -> None:
        number = next(self._packs)
        pack_id, ends = f"pack_{number:04d}", PAST_MS if is_past else NEVER
        for _ in range(2):  # a payment told twice
            status, found = self._run(
                self._ledger.grant(account, pack_id, f"pay {number}", amount, ends, "")
            )
            assert found == pack_id
        assert status == 0
        self._models[account].grant(pack_id, amount, is_past=is_past)

    @rule(items=st.lists(st.tuples(ACCOUNTS, REQUESTS, AMOUNTS, AMOUNTS), min_size=1, max_size=3))
    def hold(self, items: list[tuple[str, str, int, int]]) -> None:
        """Several at once find what those before them left, also of one request."""
        wanted = [
            HoldWanted(
                name=self._name(account, request), whole=whole, least=least, started_ms=STARTED_MS
            )
            for account, request, whole, least in items
        ]
        holds = self._run(self._ledger.hold(wanted))
        for hold, (account, request, whole, least) in zip(holds, items, strict=True):
            expected = self._models[account].hold(request, whole, least)
            assert isinstance(hold, Hold)
            assert (hold.state, hold.held) == expected

    @rule(account=ACCOUNTS, request=REQUESTS, cost=AMOUNTS, wanted=AMOUNTS)
    def progress(self, account: str, request: str, cost: int, wanted: int) -> None:
        used = HoldUsed(
            name=self._name(account, request), cost=cost, tokens=Tokens(output=cost), wanted=wanted
        )
        [hold] = self._run(self._ledger.progress([used]))
        state, held = self._models[account].progress(request, cost, wanted)
        assert hold.state == state
        if state in (1, -1):
            assert hold.held == held

    @rule(
        account=ACCOUNTS,
        requests=st.lists(REQUESTS, min_size=1, max_size=3),
        cost=AMOUNTS,
        certainty=st.sampled_from(Certainty),
    )
    def settle(self, account: str, requests: list[str], cost: int, certainty: Certainty) -> None:
        batch = [(self._settlement(account, one, cost, certainty), cost) for one in requests]
        settled = self._run(self._ledger.settle(batch))
        model = self._models[account]
        before = model.cost
        assert settled.new == sum(model.conclude(one, certainty, cost) for one in requests)
        assert sum(settled.costs.values()) == model.cost - before

    @rule(account=ACCOUNTS, request=REQUESTS)
    def void(self, account: str, request: str) -> None:
        self._run(self._ledger.void([self._name(account, request)], STARTED_MS))
        self._models[account].conclude(request, EXACT, 0)

    @rule(account=ACCOUNTS)
    def reap(self, account: str) -> None:
        """Both accounts' holds, where they share a partition."""
        tag = partition(account)
        sharing = [model for name, model in self._models.items() if partition(name) == tag]
        before = sum(model.cost for model in sharing)
        reaped = self._run(self._ledger.reap(tag))
        assert reaped.new == sum(model.reap() for model in sharing)
        assert sum(reaped.costs.values()) == sum(model.cost for model in sharing) - before

    @rule(account=ACCOUNTS)
    def fold(self, account: str) -> None:
        self._run(self._ledger.fold_journal(partition(account), 2**52))

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "_ledger"):
            return
        for account, model in self._models.items():
            tag = partition(account)
            _, _, [snapshot] = self._run(self._ledger.snapshot(tag, [account]))
            wallet = snapshot.wallet
            assert (wallet.granted, wallet.spent, wallet.held, wallet.expired, wallet.short) == (
                *(model.granted, model.spent, model.held, model.expired, model.short),
            )
            assert wallet.remaining == model.remaining >= 0
            assert self._run(Auditor(self._ledger).verify(tag)).differences == []

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    def _name(self, account: str, request: str) -> RequestName:
        return RequestName(request_id=request, account_id=account, key_id="key", model="m")

    def _settlement(
        self, account: str, request: str, cost: int, certainty: Certainty
    ) -> Settlement:
        return Settlement(
            request_id=request,
            account_id=account,
            key_id="key",
            model="m",
            upstream="u",
            upstream_model="m",
            end="END_COMPLETE",
            certainty=certainty,
            started_ms=STARTED_MS,
            total_ms=1,
            attempts=1,
            prepaid=True,
            tokens=Tokens(output=cost),
        )


@pytest.mark.timeout(900)
def test_the_store_agrees_with_the_model(store_server: StoreServer) -> None:
    LedgerMachine.url = store_server.url
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
