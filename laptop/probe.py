"""Ways to see that a process serves: gRPC health, an HTTP path, a store's PONG."""

from __future__ import annotations

from typing import Final

import grpc
import grpc.aio
import httpx
import redis
import redis.asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from laptop.child import Probe

_TIMEOUT_S: Final = 1.0
_FAST_RECONNECT: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)


def grpc_probe(target: str) -> Probe:
    """Serving by the gRPC health protocol, for the server as a whole."""

    async def probe() -> bool:
        async with grpc.aio.insecure_channel(target, options=_FAST_RECONNECT) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return probe


def http_probe(port: int, path: str = "/healthz", host: str = "127.0.0.1") -> Probe:
    """Answering 200 on a port of this machine."""

    async def probe() -> bool:
        # Plain HTTP on this machine: no certificates to load, no proxy to ask.
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:  # noqa: S501
            try:
                answer = await client.get(f"http://{host}:{port}{path}", timeout=_TIMEOUT_S)
            except httpx.HTTPError:
                return False
            return answer.status_code == httpx.codes.OK

    return probe


def store_probe(socket_path: str) -> Probe:
    """Answering PING on a unix socket; a store that still loads its file does not."""

    async def probe() -> bool:
        store = redis.asyncio.Redis(unix_socket_path=socket_path, socket_timeout=_TIMEOUT_S)
        async with store:
            try:
                return bool(await store.ping())
            except redis.RedisError:
                return False

    return probe
