"""Edge and relay without authentication, limits and settlement: what those cost is the rest.

``python -m tests.bench.bare edge`` and ``… relay`` compose the real processes from the real rooms,
but for the parts that know who calls: everybody is let in from memory, under one grant, and nobody
is charged. Nothing of this is in the product; it is there to be measured against.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import edge.__main__ as edge_root
import edge.products
import services.relay.__main__ as relay_root
from admission.allowance import Allowance
from admission.lease import Lease
from edge.config import Config
from gatebeyz.auth.v1 import auth_pb2
from runtime.catalog_file import CatalogFile, open_catalog
from runtime.config import main_config
from runtime.grants import Grant
from runtime.logs import configure
from runtime.serving import run
from services.relay.config import RelayConfig

GRANT: Final = Grant("bare", "bare", "bare", "api", ("*",), True, (), float("inf"))


class _Admission:
    def settle(self, usage: Any) -> None:
        pass


class Leases:
    """One lease, for everybody, for ever."""

    def __init__(self, *_: Any) -> None:
        policy = auth_pb2.Policy(account_id="bare", models=["*"], thinking=True)
        self.lease = Lease("bare", policy, b"bare", float("inf"), 0.0, None, Allowance())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return 1

    def silence_s(self) -> float:
        return 0.0

    @contextlib.asynccontextmanager
    async def admit(self, lease: Lease, input_tokens: int) -> AsyncIterator[_Admission]:
        yield _Admission()

    async def close(self) -> None:
        pass


class Door:
    """Open."""

    def __init__(self, leases: Leases, _peppers: Any) -> None:
        self.leases = leases

    async def enter(self, key: str, product: auth_pb2.Product, address: str) -> Lease:
        return self.leases.lease


class Signer:
    """Believes everything."""

    def verify(self, data: bytes, now: float) -> Grant:
        return GRANT


class Watch:
    """Nothing is ever revoked."""

    is_fresh = True

    def __init__(self, *_: Any, now: Callable[[], float] = time.monotonic) -> None:
        pass

    def check_fresh(self, grant: Grant, now: float) -> None:
        pass

    def silence_s(self) -> float:
        return 0.0

    async def run(self) -> None:
        await asyncio.Event().wait()


class Outbox:
    """Nothing is ever settled."""

    is_healthy = True

    def __init__(self, *_: Any) -> None:
        pass

    def __len__(self) -> int:
        return 0

    def lag_s(self) -> float:
        return 0.0

    def put(self, settlement: Any) -> None:
        pass

    def begin(self, estimate: Any) -> None:
        pass

    def recover(self) -> None:
        pass

    def notice_store(self, store_id: str) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def drain(self, within_s: float) -> bool:
        return True


def run_edge() -> None:
    """The edge, open."""
    vars(edge_root)["LeaseHolder"] = Leases
    vars(edge.products)["Door"] = Door
    config = main_config(Config)
    configure("edge", config.log_level)
    run(lambda: edge_root.main(config, CatalogFile(config.catalog, None)))


def run_relay() -> None:
    """The relay, believing and free of charge."""
    vars(relay_root).update(RevocationWatch=Watch, Outbox=Outbox)
    RelayConfig.signer = lambda self: Signer()  # type: ignore[assignment,method-assign,return-value]
    config = main_config(RelayConfig)
    configure("relay", config.log_level)
    run(lambda: relay_root.main(config, open_catalog(config.catalog, os.environ)))


if __name__ == "__main__":
    {"edge": run_edge, "relay": run_relay}[sys.argv.pop(1)]()
