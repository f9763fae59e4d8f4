"""Ports that are picked stay free until somebody listens on them."""

from __future__ import annotations

import socket

import pytest

from laptop.address import LOOPBACK, PICKED, pick_free_ports
from tests.ports import free_port_pair


def test_no_port_is_picked_twice() -> None:
    picked = [port for _ in range(50) for port in pick_free_ports(3)]
    assert len(set(picked)) == 150
    assert set(picked) <= set(PICKED)


def test_both_ports_of_a_pair_are_taken() -> None:
    port = free_port_pair()
    for taken in (port, port + 1):
        with pytest.raises(OSError, match="fewer than 1"):
            pick_free_ports(1, range(taken, taken + 1))


def test_a_port_somebody_listens_on_is_not_picked() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(OSError, match="fewer than 1 ports are free"):
            pick_free_ports(1, range(port, port + 1))


def test_outgoing_connections_do_not_take_what_is_picked() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        for _ in range(50):
            with socket.create_connection(server.getsockname()) as outgoing:
                assert outgoing.getsockname()[1] not in PICKED
