"""Loopback ports for servers that a test starts."""

from __future__ import annotations

import contextlib
from typing import Final

from laptop.address import pick_free_ports

# Not those that an installation picks for itself: it may start while a test still holds one back.
_OURS: Final = range(26_000, 32_000)


def free_port() -> int:
    """A port nobody listens on now, and that no outgoing connection will take."""
    return pick_free_ports(1, _OURS)[0]


def free_port_pair() -> int:
    """A free port whose next one is free too, and given to nobody else: a product on each."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError):
            pick_free_ports(1, range(port + 1, port + 2))
            return port
