"""One HTTP exchange with an upstream: the only module that dials out.

An :class:`Exchange` is opened once, read until it gives b"", and closed by whoever comes first:
its reader, the end of the RPC, or a revocation. ``close`` is synchronous, so it works where
nothing may be awaited, and it wakes a reader that waits for the upstream.

Back-pressure is the socket's: while nobody reads, aiohttp stops reading beyond its buffer.
"""

from __future__ import annotations

import asyncio
import math
import re
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from runtime import tracing
from runtime.base_url import is_public_address
from runtime.catalog import Upstream

CONNECT_S: Final = 5.0
FIRST_BYTE_S: Final = 120.0
FIRST_BYTE_WHOLE_S: Final = 600.0  # an answer that is not streamed comes when it is finished
IDLE_S: Final = 90.0
TOTAL_S: Final = 3_600.0
# Where nobody waits as the timer looks, it looks again soon: a busy stream has an end, too.
AGAIN_S: Final = 1.0
BUFFER_BYTES: Final = 64 * 1024

# Which of the caller's headers may go out, and which of the upstream's may come in.
OUTBOUND_HEADERS: Final = frozenset({"anthropic-version", "anthropic-beta"})
INBOUND_HEADERS: Final = ("content-type", "retry-after", "x-should-retry")
REQUEST_ID_HEADERS: Final = ("request-id", "x-request-id")

_ANTHROPIC_VERSION: Final = "2023-06-01"
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,4096}")
_FAILURES: Final = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError
_NOT_CONNECTED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_LARGE_BODY: Final = 1024 * 1024
_SLICE: Final = 256 * 1024


class ExchangeError(Exception):
    """An exchange came to no answer, or its answer broke off."""


class ConnectFailed(ExchangeError):
    """No connection: nothing reached the upstream."""


class Disconnected(ExchangeError):
    """The upstream closed, or broke HTTP, before its answer was whole."""


class TimedOut(ExchangeError):
    """The upstream kept silent for too long."""


class Closed(ExchangeError):
    """Our side closed the exchange."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; ``first_byte_s`` counts from the dial, ``idle_s`` from each byte."""

    connect_s: float = CONNECT_S
    first_byte_s: float = FIRST_BYTE_S
    first_byte_whole_s: float = FIRST_BYTE_WHOLE_S
    idle_s: float = IDLE_S
    total_s: float = TOTAL_S


@dataclass(frozen=True, slots=True)
class Call:
    """What goes out: ``path`` is appended to the upstream's base URL."""

    path: str
    body: bytes
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialer:
    """The connection pools: one that reaches the public Internet only, one that may go anywhere."""

    def __init__(self, timeouts: Timeouts = Timeouts()) -> None:
        self._timeouts = timeouts
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def exchange(self, upstream: Upstream, call: Call) -> Exchange:
        """An exchange that is not open yet."""
        session = self._session(allow_private=upstream.allow_private)
        return Exchange(session, upstream, call, self._timeouts)

    async def close(self) -> None:
        """Close every pool."""
        for session in self._sessions.values():
            await session.close()

    def _session(self, *, allow_private: bool) -> aiohttp.ClientSession:
        if allow_private not in self._sessions:
            resolver = aiohttp.ThreadedResolver()
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=30.0,
                ttl_dns_cache=10,
                resolver=resolver if allow_private else _PublicResolver(resolver),
                socket_factory=_open_socket,
            )
            self._sessions[allow_private] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._timeouts.connect_s, sock_read=None
                ),
                read_bufsize=BUFFER_BYTES,
                trust_env=False,
            )
        return self._sessions[allow_private]


class Exchange:
    """See the module. ``status``, ``headers`` and ``upstream_request_id`` stand after ``open``."""

    def __init__(
        self, session: aiohttp.ClientSession, upstream: Upstream, call: Call, timeouts: Timeouts
    ) -> None:
        self._session = session
        self._upstream = upstream
        self._call = call
        self._timeouts = timeouts
        self._response: aiohttp.ClientResponse | None = None
        self._opening: asyncio.Task[Any] | None = None
        self._is_cut = False
        self._span = tracing.UNTRACED
        self._is_closed = False
        self._has_bytes = False
        self._is_watched = False  # the timer looks at least each idle_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        now = self._loop.time()
        first_s = timeouts.first_byte_s if call.stream else timeouts.first_byte_whole_s
        self._first_at = now + first_s
        self._end_at = now + timeouts.total_s
        self._idle_s = timeouts.idle_s
        self.status = 0
        self.headers: dict[str, str] = {}
        self.upstream_request_id = ""

    async def open(self) -> None:
        """Send the request, wait for the answer's head. Raises an ExchangeError."""
        if self._is_closed:
            raise Closed
        call = self._call
        self._span = tracing.start_span(f"POST {call.path}", tracing.Kind.CLIENT)
        self._span.set("gatebeyz.upstream", self._upstream.name)
        try:
            response = await self._post(call)
        except _FAILURES as error:
            explained = self._explain(error)
            self._span.end(type(explained).__name__)
            raise explained from error
        if self._is_closed:
            response.close()
            raise Closed
        self._response = response
        self.status = response.status
        self._span.set("http.response.status_code", response.status)
        self.headers = _pick(response.headers, INBOUND_HEADERS)
        named = _pick(response.headers, REQUEST_ID_HEADERS)
        self.upstream_request_id = next(iter(named.values()), "")

    async def _post(self, call: Call) -> aiohttp.ClientResponse:
        """The answer's head; TimeoutError where it is late, or ``close`` came before it."""
        self._opening = task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._deadline = self._first_at
        self._timer = self._loop.call_at(self._first_at, self._look_after)
        try:
            return await self._session.post(
                URL(self._upstream.base_url + call.path, encoded=True),
                data=_payload(call.body),
                headers=outbound_headers(self._upstream, call, self._span.traceparent),
                allow_redirects=False,
            )
        except asyncio.CancelledError:
            if self._is_cut and task.uncancel() <= cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._opening = None
            self._deadline = math.inf

    async def read(self, within_s: float | None = None) -> bytes:
        """What the socket has, or b"" at the end. Raises an ExchangeError.

        ``within_s`` shortens the wait for this one read.
        """
        response = self._response
        if self._is_closed or response is None:
            raise Closed
        if self._is_watched and within_s is None:
            self._deadline = self._loop.time() + self._idle_s
        else:
            self._expect_by(within_s)
        try:
            data = await response.content.readany()
        except (Closed, TimedOut):
            raise
        except _FAILURES as error:
            raise self._explain(error) from error
        finally:
            self._deadline = math.inf
        self._has_bytes = True
        return data

    @property
    def at_eof(self) -> bool:
        """Whether the last byte has been read."""
        return self._response is not None and self._response.content.at_eof()

    def close(self) -> None:
        """Close the connection (or give it back, if the answer was whole); wakes the reader."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._span.end()
        if self._response is None:
            self._cut()
        elif not self.at_eof:
            self._response.content.set_exception(Closed())
            self._response.close()

    def _cut(self) -> None:
        """Wake the task that waits for the answer's head, as asyncio.timeout would."""
        if self._opening is not None and not self._is_cut:
            self._is_cut = True
            self._opening.cancel()

    def _expect_by(self, within_s: float | None) -> None:
        """Give a read its deadline, which may be sooner than the timer would look."""
        self._deadline = self._first_at
        if self._has_bytes:
            idle_s = self._idle_s if within_s is None else within_s
            self._deadline = min(self._loop.time() + idle_s, self._end_at)
            self._is_watched = True
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look_after)

    def _look_after(self) -> None:
        """End a wait whose time is over; look again where it has some left, or nobody waits.

        One timer looks after all waits of an exchange: each wait only sets a number.
        """
        self._timer = None
        if self._is_closed:
            return
        now = self._loop.time()
        is_waiting = self._deadline != math.inf
        again_at = now + min(self._idle_s, AGAIN_S)
        ends_at = min(self._deadline, self._end_at) if is_waiting else again_at
        if now < ends_at:
            self._timer = self._loop.call_at(ends_at, self._look_after)
        elif self._response is None:
            self._cut()
        else:
            self._response.content.set_exception(TimedOut())

    def _explain(self, error: Exception) -> ExchangeError:
        """What a failure of the transport means."""
        if self._is_closed:
            return Closed()
        if isinstance(error, _NOT_CONNECTED):
            return ConnectFailed()
        return TimedOut() if isinstance(error, TimeoutError) else Disconnected()


def outbound_headers(upstream: Upstream, call: Call, traceparent: str) -> dict[str, str]:
    """The request's headers: ours, the credential in the dialect's place, the caller's few."""
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if call.stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": "gatebeyz",
        "content-length": str(len(call.body)),
    }
    for name, value in call.headers.items():
        if name.lower() in OUTBOUND_HEADERS and _HEADER_VALUE.fullmatch(value):
            headers[name.lower()] = value
    if traceparent:
        headers[tracing.TRACEPARENT] = traceparent
        if state := tracing.state():
            headers[tracing.TRACESTATE] = state
    secret = upstream.credential.reveal() if upstream.credential else ""
    if upstream.dialect == "anthropic_messages":
        headers.setdefault("anthropic-version", _ANTHROPIC_VERSION)
        if secret:
            headers["x-api-key"] = secret
    elif secret:
        headers["authorization"] = f"Bearer {secret}"
    return headers


def _pick(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """The named headers, as far as they are plain text."""
    found = ((name, headers.get(name)) for name in names)
    return {name: value for name, value in found if value and _HEADER_VALUE.fullmatch(value)}


def _payload(body: bytes) -> aiohttp.payload.Payload | AsyncIterator[bytes]:
    return aiohttp.BytesPayload(body) if len(body) < _LARGE_BODY else _slices(body)


async def _slices(body: bytes) -> AsyncIterator[bytes]:
    """A large body piece by piece, so that writing it does not hold the loop."""
    view = memoryview(body)
    for begin in range(0, len(view), _SLICE):
        yield bytes(view[begin : begin + _SLICE])


def _open_socket(address: Any) -> socket.socket:
    """A socket that notices within about 30 s that its peer has vanished."""
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened


class _PublicResolver(AbstractResolver):
    """Refuses names that resolve to a private address; what is checked is what is connected to."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public_address(result["host"]) for result in found):
            raise OSError(f"{host} resolves to a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()
