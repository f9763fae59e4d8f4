"""A store over TLS: spoken to where its certificate is right, and not at all where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laptop.address import pick_free_ports
from runtime.faults import Reason, ServiceFault
from services.auth.connection import Connection
from services.auth.ledger.store import LedgerStore
from tests.certificates import server_certificate
from tests.crash.network import Network
from tests.store_servers import HOST, StoreNode


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreNode]:
    node = StoreNode(tmp_path / "store", pick_free_ports(1)[0])
    node.start()
    yield node
    node.kill()


@pytest.fixture
def network(store: StoreNode) -> Iterator[Network]:
    """Its links end before the store does."""
    network = Network()
    yield network
    network.close()


async def answers(url: str) -> bool:
    """Whether money can be put down there and found again; False where the store is away."""
    connection = Connection(url)
    try:
        ledger = LedgerStore(connection)
        await ledger.grant("acc_1", "pack_1", "paid", 1_000, None, "")
        wallet, _ = await ledger.read_wallet("acc_1")
    except ServiceFault as fault:
        return fault.reason is not Reason.STORE_AWAY
    finally:
        await connection.close()
    return wallet.granted == 1_000


async def test_a_store_is_spoken_to_over_tls(
    tmp_path: Path, network: Network, store: StoreNode
) -> None:
    certificate, authority = server_certificate(tmp_path)
    port = network.front(store.port, certificate)
    assert await answers(f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority}")


async def test_an_authority_nobody_named_is_not_trusted(
    tmp_path: Path, network: Network, store: StoreNode
) -> None:
    certificate, _ = server_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = server_certificate(tmp_path / "other")
    port = network.front(store.port, certificate)
    assert not await answers(f"rediss://{HOST}:{port}/0")
    assert not await answers(f"rediss://{HOST}:{port}/0?ssl_ca_certs={other}")


async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, network: Network, store: StoreNode
) -> None:
    certificate, authority = server_certificate(tmp_path, "store.example")
    port = network.front(store.port, certificate)
    assert not await answers(f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority}")


async def test_nothing_is_said_in_the_open_to_a_store_that_speaks_tls(
    tmp_path: Path, network: Network, store: StoreNode
) -> None:
    certificate, _ = server_certificate(tmp_path)
    port = network.front(store.port, certificate)
    assert not await answers(f"redis://{HOST}:{port}/0")
