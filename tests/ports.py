"""Loopback ports for servers that a test starts."""

from __future__ import annotations

import itertools
from typing import Final

from laptop.address import is_free, pick_free_ports

# Not those that an installation picks for itself: it may start while a test still holds one back.
_OURS: Final = range(26_000, 32_000)


def free_port() -> int:
    """A port nobody listens on now, and that no outgoing connection will take."""
    return pick_free_ports(1, _OURS)[0]


def free_port_pair() -> int:
    """A free port whose next one is free too: an installation serves one product on each."""
    found = (free_port() for _ in itertools.repeat(None))
    return next(port for port in found if is_free(port + 1))
