"""Loopback ports for servers that a test starts."""

from __future__ import annotations

import itertools

from laptop.address import is_free, pick_free_ports


def free_port() -> int:
    """A port nobody listens on now."""
    return pick_free_ports(1)[0]


def free_port_pair() -> int:
    """A free port whose next one is free too: an installation serves one product on each."""
    found = (free_port() for _ in itertools.repeat(None))
    return next(port for port in found if is_free(port) and is_free(port + 1))
