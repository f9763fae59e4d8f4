"""Where replicas have their addresses: network namespaces for root, loopback for everyone else.

A namespace is what a pod is on the network: an interface, an address and a loopback of its own,
and a wire to a bridge. All of it, the bridge and the names of the namespaces too, hangs on this
process's own network and mount namespace, so that whatever kills it leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, Protocol

from tests.cluster.names import DOMAIN

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWNET: Final = 0x40000000
_BRIDGE: Final = "gatebeyz"
# Its own: a bridge that has none takes that of a wire, and another one when that wire goes.
_BRIDGE_MAC: Final = "02:67:61:74:65:31"
# The network of RFC 2544: for measurements, nobody's address.
_BENCH: Final = "198.18"
PRIVATE: Final = Path("/run")
"""A file system of this process's own once it is isolated; it is gone when the process is."""
RESOLVER: Final = PRIVATE / "resolv.conf"
"""Which name server everything asks once the process is isolated."""


class Network(Protocol):
    """Addresses for replicas. ``prefix`` begins each of them."""

    name: str
    prefix: str
    dns_port: int

    async def attach(self, name: str, address: str) -> tuple[str, ...]:
        """Give an address to a replica; what its command begins with."""
        ...

    async def detach(self, name: str) -> None:
        """Take it away again."""
        ...


class Loopback:
    """Every address of 127.0.0.0/8 is this machine's, so nothing need be done.

    The second octet is this process's own, so that two clusters may run side by side.
    """

    name = "loopback addresses"
    # Whichever is free: only gRPC asks, and is told the port.
    dns_port = 0

    def __init__(self) -> None:
        self.prefix = f"127.{16 + os.getpid() % 200}"

    async def attach(self, name: str, address: str) -> tuple[str, ...]:
        return ()

    async def detach(self, name: str) -> None:
        return None


class Namespaces:
    """One network namespace for each replica, on a bridge of this process's own."""

    name = "network namespaces"
    prefix = _BENCH
    # Where every resolver asks.
    dns_port = 53

    def __init__(self) -> None:
        self._wires = 0

    async def attach(self, name: str, address: str) -> tuple[str, ...]:
        self._wires += 1
        wire = f"gb{self._wires}"
        await _ip("netns", "add", name)
        await _ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
        await _ip("link", "set", wire, "master", _BRIDGE, "up")
        await _ip("-n", name, "link", "set", "lo", "up")
        await _ip("-n", name, "addr", "add", f"{address}/16", "dev", "eth0")
        await _ip("-n", name, "link", "set", "eth0", "up")
        return ("ip", "netns", "exec", name)

    async def detach(self, name: str) -> None:
        await _ip("netns", "del", name)


def isolate() -> Namespaces | None:
    """Leave the machine's network for one of this process's own; None where that cannot be.

    Only before any thread runs: a namespace is left thread by thread.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return None
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would stay in the old namespace"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS) != 0:
        return None
    commands = (
        ("mount", "--make-rprivate", "/"),
        ("mount", "-t", "tmpfs", "tmpfs", str(PRIVATE)),
        ("mount", "--bind", str(RESOLVER), "/etc/resolv.conf"),
        ("ip", "link", "set", "lo", "up"),
        ("ip", "link", "add", _BRIDGE, "address", _BRIDGE_MAC, "type", "bridge"),
        ("ip", "addr", "add", f"{_BENCH}.0.1/16", "dev", _BRIDGE),
        ("ip", "addr", "add", f"{_BENCH}.0.53/16", "dev", _BRIDGE),
        ("ip", "link", "set", _BRIDGE, "up"),
    )
    for command in commands:
        if str(RESOLVER) in command:
            RESOLVER.write_text(f"nameserver {_BENCH}.0.53\nsearch {DOMAIN}\noptions ndots:5\n")
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return Namespaces()


async def _ip(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise AssertionError(f"ip {' '.join(arguments)}: {errors.decode().strip()}")
