"""One way to the store, whatever stands behind it: a server, a Sentinel group or a cluster.

::

    redis://[user:password@]host[:port][/db]        one server; rediss:// speaks TLS to it
    unix:///path/of/the.sock[?db=0]                 one server on this machine
    redis+sentinel://[user:password@]host:port,host:port/service[/db][?sentinel_password=…]
    redis+cluster://[user:password@]host:port,host:port
    rediss+sentinel://…, rediss+cluster://…         the same over TLS
    rediss…://…?ssl_ca_certs=/path/ca.crt           by an authority of one's own

Every call answers within its limit or raises ServiceFault STORE_AWAY. A server that was lost is
tried again once at once (a restart closes every pooled connection), and after ``FAILURES`` misses
in a row a breaker refuses calls for ``PAUSE_S`` each, so that a store which hangs costs its
callers nothing but the first few.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import redis.asyncio
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from runtime.faults import Reason, ServiceFault

T = TypeVar("T")

SOCKET_S: Final = 0.25
CALL_S: Final = 0.55
# How long replicas may take to confirm; shorter than the time-out of the exchange that waits.
COPY_S: Final = 0.2
MAX_CONNECTIONS: Final = 64
FAILURES: Final = 5
PAUSE_S: Final = 0.5
AGAIN_S: Final = 0.3

# A server that answers so cannot write now: read-only after a fail-over, disk or memory full.
_AWAY_ANSWERS: Final = ("MISCONF", "NOREPLICAS", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED")
_LOST: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    RedisClusterException,
    MasterNotFoundError,
    ReadOnlyError,
    OutOfMemoryError,
    TimeoutError,
    OSError,
)


class Breaker:
    """Refuses at once what would fail slowly. One call at a time tries again after a pause."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0

    def allows(self) -> bool:
        """Whether a call may be tried now; the one that may after a pause starts the next one."""
        if self._failures < FAILURES:
            return True
        now = self._clock()
        if now < self._closed_until:
            return False
        self._closed_until = now + PAUSE_S
        return True

    def succeed(self) -> None:
        """Note an answer."""
        self._failures = 0

    def fail(self) -> None:
        """Note a miss."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._closed_until = self._clock() + PAUSE_S


class Connection:
    """The client of a URL, and what its absence means. Close it at the end.

    ``timeout_s`` bounds one exchange with a server, ``call_s`` a call of ours. ValueError where
    the URL is not one of ours.
    """

    def __init__(self, url: str, timeout_s: float = SOCKET_S, call_s: float = CALL_S) -> None:
        place = parse_place(url)
        self.is_cluster = place.kind == "cluster"
        self.options = _options(place, timeout_s)
        self.client, self._sentinels = _open(place, self.options)
        self._call_s = call_s
        self._breaker = Breaker()

    async def close(self) -> None:
        """Close every connection."""
        for client in (self.client, *self._sentinels):
            with contextlib.suppress(RedisError, OSError):
                await client.aclose()

    @contextlib.asynccontextmanager
    async def bounded(self, limit_s: float | None = None) -> AsyncIterator[None]:
        """Time and errors of one call: whatever keeps the store from answering is STORE_AWAY."""
        if not self._breaker.allows():
            raise _away(None)
        try:
            async with asyncio.timeout(limit_s or self._call_s):
                yield
        except _LOST as error:
            self._breaker.fail()
            raise _away(error) from error
        except ResponseError as error:
            if str(error).startswith(_AWAY_ANSWERS):
                self._breaker.fail()
                raise _away(error) from error
            raise
        self._breaker.succeed()

    async def patiently(self, call: Callable[[], Awaitable[T]], limit_s: float) -> T:
        """The answer of ``call``, made again and again while the store is away, up to a limit.

        Only for what may be done twice. ``call`` bounds each attempt itself.
        """
        ends_at = time.monotonic() + limit_s
        while True:
            try:
                return await call()
            except ServiceFault as fault:
                is_away = fault.reason is Reason.STORE_AWAY
                if not is_away or time.monotonic() + AGAIN_S > ends_at:
                    raise
            await asyncio.sleep(AGAIN_S)

    def script(self, text: str) -> Script:
        """A Lua script that runs by its digest, and is sent to a server that does not know it."""
        return Script(self, text)

    async def identity(self) -> str:
        """Changes whenever a primary was restarted or replaced, and with it what it remembers.

        Sentinels are asked who leads: a primary that was cut off and replaced goes on answering
        on the connections it has. Calls that begin after this one go to the one that leads.
        """
        async with self.bounded():
            if self._sentinels:
                await self.client.connection_pool.get_master_address()
            if self.is_cluster:
                primaries = self.client.PRIMARIES
                servers = await self.client.info("server", target_nodes=primaries)
                roles = await self.client.info("replication", target_nodes=primaries)
                facts = [f"{name}{_life(servers[name], roles[name])}" for name in sorted(servers)]
            else:
                server = await self.client.info("server")
                facts = [_life(server, await self.client.info("replication"))]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


class Script:
    """See :meth:`Connection.script`."""

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection = connection
        self._script = connection.client.register_script(text)

    async def __call__(
        self, keys: Sequence[str], args: Iterable[str | int | bytes], limit_s: float | None = None
    ) -> Any:
        async with self._connection.bounded(limit_s):
            return await self._script(keys=list(keys), args=list(args))

    async def run_each(self, calls: Iterable[tuple[Sequence[str], Sequence[str | int]]]) -> Any:
        """The answers of many runs, each a step of its own; one round trip where it can be.

        A cluster's nodes are asked one after another.
        """
        if self._connection.is_cluster:
            return [await self(keys, args) for keys, args in calls]
        client = self._connection.client
        async with self._connection.bounded(), client.pipeline(transaction=False) as steps:
            for keys, args in calls:
                await self._script(keys=list(keys), args=list(args), client=steps)
            return await steps.execute()

    async def run_patiently(
        self, keys: Sequence[str], args: Iterable[str | int | bytes], limit_s: float
    ) -> Any:
        """Run it, again and again through a fail-over; only for scripts that may run twice."""
        values = list(args)
        return await self._connection.patiently(lambda: self(keys, values), limit_s)

    async def run_copied(
        self, keys: Sequence[str], args: Iterable[str | int | bytes], replicas: int, limit_s: float
    ) -> Any:
        """Run it, and answer once so many replicas have its effects; else STORE_AWAY."""
        async with self._connection.bounded(limit_s), self._one_connection(keys[0]) as client:
            answer = await self._script(keys=list(keys), args=list(args), client=client)
            copied = await client.wait(replicas, int(COPY_S * 1000)) if replicas else 0
        if copied < replicas:
            raise _away(None)
        return answer

    @contextlib.asynccontextmanager
    async def _one_connection(self, key: str) -> AsyncIterator[Any]:
        """WAIT speaks of what its own connection wrote."""
        client = self._connection.client
        if self._connection.is_cluster:
            await client.initialize()
            node = client.get_node_from_key(key)
            client = redis.asyncio.Redis(
                host=node.host,
                port=int(node.port),
                single_connection_client=True,
                **self._connection.options,
            )
        else:
            client = client.client()
        try:
            yield client
        finally:
            # Gives the one connection back to its pool; the pool itself stays open.
            await client.aclose(close_connection_pool=self._connection.is_cluster)


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL says: ``kind`` is single, sentinel or cluster."""

    kind: str
    url: str
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_password: str | None = None
    is_tls: bool = False
    authority: str | None = None


def parse_place(url: str) -> Place:
    """ValueError, without the password, where the URL is none of those above."""
    scheme, _, kind = url.partition("://")[0].partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in ("", "sentinel", "cluster"):
        raise ValueError("the store's URL begins with redis://, rediss://, unix:// or redis+…://")
    if not kind:
        return Place("single", url)
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if kind == "sentinel" and not service:
        raise ValueError("a Sentinel URL names its service: redis+sentinel://host:26379/service")
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Place(
        kind=kind,
        url=url,
        nodes=tuple(
            _host_port(host, 26379 if kind == "sentinel" else 6379) for host in _list(hosts)
        ),
        service=service,
        database=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        sentinel_password=query.get("sentinel_password"),
        is_tls=scheme == "rediss",
        authority=query.get("ssl_ca_certs"),
    )


def _options(place: Place, timeout_s: float) -> dict[str, Any]:
    """How every server of a place is spoken to."""
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": SOCKET_S,
        # One retry at once replaces a pooled connection that a restarted server closed.
        "retry": Retry(NoBackoff(), 1),
    }
    if place.kind == "single":
        return options  # the rest stands in its URL
    return options | {"username": place.username, "password": place.password} | _security(place)


def _security(place: Place) -> dict[str, Any]:
    return {"ssl": True, "ssl_ca_certs": place.authority} if place.is_tls else {"ssl": False}


def _open(place: Place, options: dict[str, Any]) -> tuple[Any, Sequence[Any]]:
    """The client, and those of the Sentinels that find its primary.

    Typed Any: the client's own types cover every protocol and decoding; ours is text throughout.
    """
    if place.kind == "single":
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            place.url, max_connections=MAX_CONNECTIONS, timeout=SOCKET_S, **options
        )
        return redis.asyncio.Redis.from_pool(pool), ()
    if place.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in place.nodes]
        cluster = redis.asyncio.RedisCluster(
            startup_nodes=nodes, max_connections=MAX_CONNECTIONS, **options
        )
        return cluster, ()
    sentinel_options: dict[str, Any] = {
        "socket_timeout": SOCKET_S,
        "socket_connect_timeout": SOCKET_S,
        "password": place.sentinel_password,
        **_security(place),
    }
    sentinel: Any = Sentinel(place.nodes, sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    primary = sentinel.master_for(
        place.service,
        db=place.database,
        max_connections=MAX_CONNECTIONS,
        connection_pool_class=_PrimaryPool,
        **options,
    )
    return primary, sentinel.sentinels


class _PrimaryPool(SentinelConnectionPool):
    """Gives out no connection to a primary known to be replaced.

    The pool closes its idle connections when Sentinels name another primary; those in use at that
    moment come back to it later, and are closed here.
    """

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and (connection.host, connection.port) != self.master_address:
            await connection.disconnect()
        await super().ensure_connection(connection)


def _life(server: dict[str, Any], replication: dict[str, Any]) -> str:
    return f"{server['run_id']}/{replication['master_replid']}"


def _host_port(text: str, default: int) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        return text, default
    if not port.isascii() or not port.isdigit():
        raise ValueError("a port in the store's URL is not a number")
    return host.strip("[]"), int(port)


def _list(hosts: str) -> list[str]:
    found = [host.strip() for host in hosts.split(",") if host.strip()]
    if not found:
        raise ValueError("the store's URL names no host")
    return found


def _away(error: BaseException | None) -> ServiceFault:
    fault = ServiceFault(
        Reason.STORE_AWAY, "The store of keys and limits is away. Try again.", retry_after_s=2
    )
    fault.__cause__ = error
    return fault
