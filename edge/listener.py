"""uvicorn behind our own bounds: deadlines for headers and for reading an answer, a cap on both.

Where there is more than this process can serve, a request is refused here, before it is one.

Bare, uvicorn with httptools keeps a silent connection open for ever, swallows 100 MB of headers
from one socket, and waits for ever for a client that stopped reading (all measured). Each is cut
here, in the protocol, by a timer that costs nothing per chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edge.cycle import Cycle
from edge.drain import Drain
from edge.shedding import Shedder
from runtime.logs import get_logger

HEADER_TIMEOUT_S: Final = 10.0
STALL_TIMEOUT_S: Final = 60.0
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 20_000
# The date in answers.
TICK_S: Final = 1.0
# What an answer gets to write its error event once the grace is over.
END_S: Final = 2.0

_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class FatHeadersError(Exception):
    """A request whose headers are larger than anybody needs."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose headers come soon and are small, and whose client reads its answer."""

    cycle: Cycle

    def __init__(self, *arguments: Any, shedder: Shedder | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shedder = shedder
        self._header_deadline: asyncio.TimerHandle | None = None
        self._is_refused = False  # the request whose body comes in now was

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin_headers()
        self._begin_deadline()
        self._stall_deadline: asyncio.TimerHandle | None = None
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A header is told only when it is whole, so what was read for it is counted too.
        if self._is_in_headers and not self.transport.is_closing():
            self._read_bytes += len(data)
            if self._read_bytes > MAX_HEADER_BYTES:
                self.send_400_response("")
            if self._header_deadline is None:
                self._begin_deadline()

    def on_message_begin(self) -> None:
        self._begin_headers()
        self._end_deadline()  # one of its own begins if its headers do not come all at once
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._told_bytes += len(name) + len(value)
        if self._told_bytes > MAX_HEADER_BYTES:
            raise FatHeadersError  # ends the parsing; the parser's caller refuses
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._end_deadline()
        self._is_in_headers = False
        # A pipelined request waits for its turn as before.
        is_free = self.cycle is None or self.cycle.response_complete
        if self._shedder is not None and is_free and self._refuse(self._shedder):
            return
        self._describe()
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self.scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if is_free:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _describe(self) -> None:
        """What ASGI's scope says of the request's first line."""
        scope, url = self.scope, httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["http_version"] = self.parser.get_http_version()
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""

    def on_body(self, body: bytes) -> None:
        if self._is_refused or self.cycle.response_complete:
            return
        self.cycle.take(body)

    def on_message_complete(self) -> None:
        if not self._is_refused:
            super().on_message_complete()
            return
        self._is_refused = False
        self._end_deadline()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _refuse(self, shedder: Shedder) -> bool:
        """Answer at once where the request is not taken in; its body is thrown away as it comes."""
        path = self.url.partition(b"?")[0]
        status, headers, body = shedder.refusal(path, len(self.tasks))
        if not status:
            return False
        is_last = self.expect_100_continue or not self.parser.should_keep_alive()
        lines = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *headers,
            *([(b"connection", b"close")] if is_last else ()),
        ]
        head = b"".join(b"%b: %b\r\n" % line for line in lines)
        self.transport.write(b"HTTP/1.1 %d Overloaded\r\n%b\r\n%b" % (status, head, body))
        if is_last:
            self.transport.close()
            return True
        self._is_refused = True
        self._begin_deadline()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_deadline is None:
            self._stall_deadline = self._call_later(STALL_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._end_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        self._end_stall()
        super().connection_lost(exc)

    def _begin_headers(self) -> None:
        self._is_in_headers = True
        self._read_bytes = 0
        self._told_bytes = 0

    def send_400_response(self, msg: str) -> None:
        if max(self._told_bytes, self._read_bytes) <= MAX_HEADER_BYTES:
            super().send_400_response(msg)
            return
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _begin_deadline(self) -> None:
        self._header_deadline = self._call_later(HEADER_TIMEOUT_S, self.transport.close)

    def _end_deadline(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _end_stall(self) -> None:
        if self._stall_deadline is not None:
            self._stall_deadline.cancel()
            self._stall_deadline = None

    def _call_later(self, delay_s: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(delay_s, act)


class QuietServer(uvicorn.Server):
    """A server that leaves signals to the process: one handler stops every listener.

    It wakes once a second for its clock, where uvicorn's looks ten times whether it is to end.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._ending = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether it is to end."""
        return self._ending.is_set()

    @should_exit.setter
    def should_exit(self, wanted: bool) -> None:
        if wanted:
            self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ending.wait()


async def serve_all(
    servers: list[uvicorn.Server], drain: Drain, pause_s: float, drain_s: float
) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Whoever sends requests here gets ``pause_s`` to learn that this process goes, while it still
    takes them; what runs then gets ``drain_s``, and what is left is ended in-band and closed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.gather(*(server.serve() for server in servers))
    asked: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    await asyncio.wait([asked, serving], return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    get_logger().info("draining", grace_s=drain_s)
    drain.begin()
    if not serving.done():
        await asyncio.sleep(pause_s)
    for server in servers:
        server.should_exit = True
    end = loop.call_later(drain_s, drain.end)
    await serving
    end.cancel()
    get_logger().info("stopped")


def listener(
    app: ASGIApp, listen: str, drain_s: float, shedder: Shedder | None = None
) -> uvicorn.Server:
    """A server for ``app`` on "host:port"; SIGTERM lets running streams finish up to the drain.

    ``shedder`` says which requests are not taken in; without one all are.
    """
    host, _, port = listen.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host,
        port=int(port),
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, shedder=shedder)),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(drain_s + END_S),
        timeout_keep_alive=75,
    )
    return QuietServer(config)
