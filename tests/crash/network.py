"""The network between stores and those who speak to them: links that can be cut, and heal.

Stores and Sentinels dial from an address of their own, so a store can be cut off from its peers
while its callers still reach it, or the other way round. A link that is cut is not closed: what
was sent waits, as it does for a peer that vanished, and arrives when the link is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, Final, TypeVar

from tests.store_servers import HOST

T = TypeVar("T")

CHUNK: Final = 64 * 1024


class Side(StrEnum):
    """Who dials: another store or a Sentinel, or one of the gateway's processes."""

    PEERS = "peers"
    CALLERS = "callers"


def peers_address() -> str:
    """What stores and Sentinels dial from; without a second loopback address all are peers."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.2", 0))
        except OSError:
            return HOST
    return "127.0.0.2"


class Front:
    """A port that leads to another one, by links of two sides."""

    def __init__(self, target: int, peers: str) -> None:
        self.target = target
        self._peers = peers
        self.open = {side: asyncio.Event() for side in Side}
        for gate in self.open.values():
            gate.set()
        self.links: set[asyncio.StreamWriter] = set()

    async def listen(self, certificate: ssl.SSLContext | None) -> int:
        """Take links from now on; on which port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0, ssl=certificate)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """End every link, and take no other."""
        self._server.close()
        for gate in self.open.values():
            gate.set()
        for writer in self.links:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One link, until either end closes it."""
        address = writer.get_extra_info("peername")[0]
        gate = self.open[Side.PEERS if address == self._peers else Side.CALLERS]
        self.links.add(writer)
        await gate.wait()
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection(HOST, self.target)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pump(reader, there[1], gate))
                    both.create_task(_pump(there[0], writer, gate))
            except* OSError:
                pass  # an end was killed
            finally:
                there[1].close()
        writer.close()
        self.links.discard(writer)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    while data := await reader.read(CHUNK):
        await gate.wait()
        writer.write(data)
        await writer.drain()
    await gate.wait()
    # Either end's farewell ends the link: no one here speaks on after the other has left.
    raise ConnectionResetError


class Network:
    """Fronts, served by a thread of their own: those who cut them may block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._fronts: dict[int, Front] = {}
        self.peers = peers_address()

    def front(self, target: int, certificate: ssl.SSLContext | None = None) -> int:
        """A port that leads to ``target``; over TLS where a certificate is given."""

        async def start() -> int:
            front = Front(target, self.peers)
            port = await front.listen(certificate)
            self._fronts[port] = front
            return port

        return self._run(start())

    def cut(self, port: int, side: Side) -> None:
        """Let nothing through on one side of a front until it is healed."""
        self._loop.call_soon_threadsafe(self._fronts[port].open[side].clear)

    def heal(self, port: int) -> None:
        """Let everything through again, what waited first."""
        for gate in self._fronts[port].open.values():
            self._loop.call_soon_threadsafe(gate.set)

    def close(self) -> None:
        """End every link; servers behind them are gone already."""

        async def end() -> None:
            for front in self._fronts.values():
                front.close()
            links = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            await asyncio.gather(*links)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
