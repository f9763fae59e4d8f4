"""uvicorn behind our own bounds: a receive deadline and a cap on header bytes.

Bare, uvicorn with httptools keeps a silent connection open for ever and swallows 100 MB of
headers from one socket (docs/architecture.md, measured). Both are cut here, in the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_TIMEOUT_S: Final = 10.0
MAX_HEADER_BYTES: Final = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose headers must arrive soon and be small."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._header_bytes = 0
        self._deadline = asyncio.get_running_loop().call_later(HEADER_TIMEOUT_S, self._cut)

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._cut()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._deadline.cancel()
        self._header_bytes = 0
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the process: one handler stops every listener."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_all(servers: list[uvicorn.Server]) -> None:
    """Serve until SIGTERM or SIGINT; running streams get the drain to finish."""

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve() for server in servers))


def listener(app: ASGIApp, listen: str, drain_s: float) -> uvicorn.Server:
    """A server for ``app`` on "host:port"; SIGTERM lets running streams finish up to the drain."""
    host, _, port = listen.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=int(drain_s),
        timeout_keep_alive=75,
    )
    return QuietServer(config)
