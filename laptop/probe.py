"""Ways to see that a process serves: gRPC health, an HTTP path, a store's PONG."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from laptop.child import Probe

Opening = Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]

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
        opened = asyncio.open_connection(host, port)
        request = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
        answer = await _exchange(opened, request.encode())
        return answer.startswith(b"HTTP/1.1 200")

    return probe


def store_probe(socket_path: str) -> Probe:
    """Answering PING on a unix socket; a store that still loads its file does not."""

    async def probe() -> bool:
        opened = asyncio.open_unix_connection(socket_path)
        return (await _exchange(opened, b"PING\r\n")).startswith(b"+PONG")

    return probe


async def _exchange(opened: Opening, request: bytes) -> bytes:
    """The first line of the answer; empty where there is none in time."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await opened
            writer.write(request)
            return await reader.readline()
    except (OSError, TimeoutError, ValueError):
        return b""
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
