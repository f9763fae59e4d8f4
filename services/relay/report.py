"""What this relay says of itself, to auth: how its upstreams answer, and whose requests run.

A relay knows what no journal tells in time: that an upstream refuses connections now. Others ask
auth for it, which keeps the last word of every relay, because nobody but the name server knows
how many of them there are (docs/adr/0017-relays-report.md).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from gatebeyz.status.v1 import status_pb2
from runtime.logs import get_logger
from services.relay.health import Health, UpstreamState
from services.relay.revocation import Registry

# A panel shows what is some seconds old; a call in two seconds is nothing beside one request.
REPORT_S: Final = 2.0
CALL_S: Final = 2.0
MAX_HOST_LENGTH: Final = 96


class Reporter:
    """Reports for the life of the process. ``now`` is the clock of the health it reads."""

    def __init__(
        self,
        stub: Any,
        health: Health,
        registry: Registry,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = stub
        self._health = health
        self._registry = registry
        self._now = now
        # Replicas on one machine share its name.
        self._relay_id = f"{socket.gethostname()[:MAX_HOST_LENGTH]}-{secrets.token_hex(4)}"
        self._is_heard = True

    async def run(self) -> None:
        """Report for ever; what is lost is said again with the next report."""
        while True:
            try:
                await self._stub.ReportRelay(self.render(time.time()), timeout=CALL_S)
                self._is_heard = True
            except grpc.aio.AioRpcError as error:
                if self._is_heard:
                    get_logger().warning("report lost", code=error.code().name)
                self._is_heard = False
            await asyncio.sleep(REPORT_S)

    def render(self, wall: float) -> status_pb2.ReportRelayRequest:
        """The report of this moment, which is ``wall`` on the clock of walls."""
        ahead = wall - self._now()
        return status_pb2.ReportRelayRequest(
            relay_id=self._relay_id,
            upstreams=[
                _render(name, state, ahead) for name, state in sorted(self._health.states.items())
            ],
            running=self._registry.count_by_account(),
        )


def _render(name: str, state: UpstreamState, ahead: float) -> status_pb2.Upstream:
    def moment(at: float | None) -> Timestamp | None:
        return None if at is None else Timestamp(seconds=int(at + ahead))

    return status_pb2.Upstream(
        name=name,
        condition=_condition(state),
        failures=state.failures,
        last_failure=state.last_failure or "",
        answered_at=moment(state.answered_at),
        failed_at=moment(state.failed_at),
        rests_until=moment(state.rests_until) if state.is_out() else None,
    )


def _condition(state: UpstreamState) -> status_pb2.Condition:
    if state.is_out():
        return status_pb2.CONDITION_DOWN
    return status_pb2.CONDITION_FAILING if state.failures else status_pb2.CONDITION_WELL
