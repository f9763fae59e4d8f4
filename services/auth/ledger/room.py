"""The ledger put together: what it serves, and what runs beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import grpc.aio

from gatebeyz.ledger.v1 import ledger_pb2_grpc
from runtime.catalog import Catalog
from services.auth.ledger.audit import Auditor
from services.auth.ledger.credit import CreditService
from services.auth.ledger.identity import StoreIdentity
from services.auth.ledger.price_list import PriceList
from services.auth.ledger.reaper import Reaper
from services.auth.ledger.service import LedgerService
from services.auth.ledger.store import LedgerStore
from services.auth.operator import OperatorGate
from services.auth.store import Store


class LedgerConfig(Protocol):
    """What the ledger reads of the process's configuration."""

    @property
    def store_replicas(self) -> int: ...

    @property
    def hold_s(self) -> float: ...


class LedgerRoom:
    """``background`` must run for the life of the process."""

    def __init__(
        self,
        directory: Store,
        catalog: Callable[[], Catalog],
        gate: OperatorGate,
        config: LedgerConfig,
    ) -> None:
        self._directory = directory
        self._catalog = catalog
        self._gate = gate
        self.store = LedgerStore(
            directory.connection,
            replicas=config.store_replicas,
            hold_ms=round(config.hold_s * 1000),
        )
        self.identity = StoreIdentity(self.store.identity)
        self.reaper = Reaper(self.store)
        self.auditor = Auditor(self.store)
        self.background: tuple[Callable[[], Awaitable[None]], ...] = (
            self.identity.follow,
            self.reaper.run,
            self.auditor.run,
        )

    def close(self) -> None:
        """End what runs beside it."""
        for one in (self.identity, self.reaper, self.auditor):
            one.close()

    def attach(self, server: grpc.aio.Server) -> None:
        """Serve both sides."""
        prices = PriceList(self.store, self._catalog)
        ledger = LedgerService(self.store, self._directory, prices, self.identity)
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server)
        credit = CreditService(self.store, self._directory, self._gate, self._catalog)
        ledger_pb2_grpc.add_CreditServiceServicer_to_server(credit, server)
