"""Loopback addresses: picked free, or fixed by the operator."""

from __future__ import annotations

import random
import socket
from typing import Final

LOOPBACK = "127.0.0.1"
# Below what Linux (32768) and macOS (49152) lend to outgoing connections: a port that is picked now
# and listened on a second later must not become the near end of somebody's connection meanwhile.
PICKED: Final = range(20_000, 26_000)
_picked: Final[set[int]] = set()


def pick_free_ports(count: int, among: range = PICKED) -> list[int]:
    """Ports nobody listens on, all different, none of them picked by this process before.

    Raises:
        OSError: too few are left.
    """
    left = [port for port in among if port not in _picked]
    random.SystemRandom().shuffle(left)
    found: list[int] = []
    for port in left:
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    if len(found) < count:
        raise OSError(f"fewer than {count} ports are free from {among.start} to {among.stop - 1}")
    _picked.update(found)
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as listener:
        # As servers do: a port with connections in TIME_WAIT is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
