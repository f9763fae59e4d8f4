"""Whether the edge can serve: its services answer their health checks."""

from __future__ import annotations

import asyncio
from typing import Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

CHECK_TIMEOUT_S: Final = 1.0


class Readiness:
    """Asks every service it is given; all must be serving."""

    def __init__(self, channels: list[grpc.aio.Channel]) -> None:
        self._stubs = [health_pb2_grpc.HealthStub(channel) for channel in channels]

    async def is_ready(self) -> bool:
        """Whether every service answers SERVING within a second."""
        return all(await asyncio.gather(*(_is_serving(stub) for stub in self._stubs)))


async def _is_serving(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_TIMEOUT_S)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
