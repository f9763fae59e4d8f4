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
from collections.abc import AsyncIterator, Coroutine
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

    def __init__(self, target: int, peers: str, certificate: ssl.SSLContext | None) -> None:
        self._target = target
        self._peers = peers
        self._certificate = certificate
        self._listener = socket.create_server((HOST, 0))
        self._listener.setblocking(False)
        self._links: set[asyncio.Task[None]] = set()
        self.port = int(self._listener.getsockname()[1])
        self.gates = {side: asyncio.Event() for side in Side}
        for gate in self.gates.values():
            gate.set()

    async def run(self) -> None:
        """Take links until cancelled, and end them then."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                accepted, address = await loop.sock_accept(self._listener)
                side = Side.PEERS if address[0] == self._peers else Side.CALLERS
                link = loop.create_task(self._link(accepted, side))
                self._links.add(link)
                link.add_done_callback(self._links.discard)
        finally:
            self._listener.close()
            await asyncio.sleep(0)  # a link that never began would leave its socket open
            for link in self._links:
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, accepted: socket.socket, side: Side) -> None:
        """One link, until either end closes it."""
        gate = self.gates[side]
        with contextlib.suppress(OSError):
            try:
                await gate.wait()
                here, near = await self._greet(accepted, side)
            except BaseException:
                accepted.close()
                raise
            async with _closing(near):
                there, far = await asyncio.open_connection(HOST, self._target)
                async with _closing(far), asyncio.TaskGroup() as both:
                    both.create_task(_pump(here, far, gate))
                    both.create_task(_pump(there, near, gate))

    async def _greet(
        self, accepted: socket.socket, side: Side
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Only callers speak TLS: stores among themselves do not."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        certificate = self._certificate if side is Side.CALLERS else None
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, accepted, ssl=certificate
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """One end of a link; whatever breaks it ends the link and nothing else."""
    try:
        yield
    except* OSError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


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
        self._fronts: dict[int, tuple[Front, asyncio.Task[None]]] = {}
        self.peers = peers_address()

    def front(self, target: int, certificate: ssl.SSLContext | None = None) -> int:
        """A port that leads to ``target``; callers speak TLS to it where it has a certificate."""

        async def start() -> int:
            front = Front(target, self.peers, certificate)
            self._fronts[front.port] = front, self._loop.create_task(front.run())
            return front.port

        return self._run(start())

    def cut(self, port: int, side: Side) -> None:
        """Let nothing through on one side of a front until it is healed."""
        self._loop.call_soon_threadsafe(self._fronts[port][0].gates[side].clear)

    def heal(self, port: int) -> None:
        """Let everything through again, what waited first."""
        for gate in self._fronts[port][0].gates.values():
            self._loop.call_soon_threadsafe(gate.set)

    def close(self) -> None:
        """End every link."""

        async def end() -> None:
            running = [task for _, task in self._fronts.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
