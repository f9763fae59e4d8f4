"""Drawing shares for a lease: one draw at a time, merged, and refusals remembered for a moment.

Requests that run short at the same time wait for one draw that hopes for all of them. A refused
draw answers those that wait behind it too, and whoever comes within the next moment: auth would
say the same, and its word is not asked once per refused request.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from admission.allowance import FIELDS, KINDS, NOTHING, Allowance, Amounts, Statement, sum_of
from gatebeyz.auth.v1 import auth_pb2
from runtime.faults import Reason, ServiceFault, fault_of

DRAW_TIMEOUT_S: Final = 1.0
REMEMBERED_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused draw: the kind that ran short, how much was too much, and until when it holds."""

    kind: int
    least: int
    until: float
    retry_at: float
    fault: ServiceFault

    def fits(self, needed: Amounts, now: float) -> bool:
        """Whether it refuses a request that needs so much, too."""
        return now < self.until and needed[self.kind] >= self.least

    def fault_at(self, now: float) -> ServiceFault:
        """The refusal with the time that is left of it."""
        fault = self.fault
        wait_s = max(0.05, self.retry_at - now)
        return ServiceFault(
            fault.reason, fault.message, metadata=fault.metadata, retry_after_s=wait_s
        )


class Drawer:
    """Draws for one lease; ``stub`` is AuthService's."""

    def __init__(self, stub: Any, allowance: Allowance) -> None:
        self._stub = stub
        self._allowance = allowance
        self._turn = asyncio.Lock()
        self._pending: Amounts = NOTHING
        self._refusal: Refusal | None = None

    async def begin(self, lease_id: str, wanted: Amounts) -> None:
        """Admit a request that is short of its share; ServiceFault where auth refuses the draw."""
        self._pending = sum_of(self._pending, wanted)
        try:
            async with self._turn:
                if self._allowance.is_short_of(wanted):
                    await self._draw(lease_id, wanted)
                self._allowance.begin(wanted, time.monotonic())
        finally:
            self._pending = sum_of(self._pending, _negative(wanted))

    async def tend(self, lease_id: str) -> None:
        """Say what was spent and give back what nobody needs; failures are made up for later."""
        if self._turn.locked():
            return
        async with self._turn:
            statement = self._allowance.state_rest(time.monotonic())
            if statement is None:
                return
            try:
                await self._state(lease_id, statement)
            except ServiceFault as fault:
                if fault.reason is Reason.NOT_FOUND:
                    raise

    async def release(self, lease_id: str, left: Amounts) -> None:
        """The lease is over; what is left goes back at once. It would within a minute anyway."""
        request = auth_pb2.ReleaseRequest(lease_id=lease_id, unused=limits_message(left))
        try:
            await self._stub.Release(request, timeout=DRAW_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return

    async def _draw(self, lease_id: str, wanted: Amounts) -> None:
        now = time.monotonic()
        statement = self._allowance.state_need(wanted, self._pending, now)
        refusal = self._refusal
        if refusal is not None and refusal.fits(statement.wanted, now):
            raise refusal.fault_at(now)
        try:
            await self._state(lease_id, statement)
        except ServiceFault as fault:
            self._refusal = _refusal_of(fault, statement)
            if self._refusal is not None:
                self._allowance.refuse(statement)
            raise
        self._refusal = None

    async def _state(self, lease_id: str, statement: Statement) -> None:
        request = auth_pb2.DrawRequest(
            lease_id=lease_id,
            wanted=limits_message(statement.wanted),
            hoped=limits_message(statement.hoped),
            held=limits_message(statement.held),
            overspent=limits_message(statement.overspent),
            returned=limits_message(statement.returned),
        )
        try:
            answer = await self._stub.Draw(request, timeout=DRAW_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        self._allowance.apply(
            statement,
            amounts_of(answer.drawn),
            amounts_of(answer.kept),
            amounts_of(answer.remaining),
        )


def amounts_of(limits: auth_pb2.Limits) -> Amounts:
    """A Limits message as amounts."""
    return (
        limits.requests_per_minute,
        limits.input_tokens_per_minute,
        limits.output_tokens_per_minute,
        limits.concurrency,
    )


def limits_message(amounts: Amounts) -> auth_pb2.Limits:
    """Amounts as a Limits message."""
    return auth_pb2.Limits(**dict(zip(FIELDS, amounts, strict=True)))


def _refusal_of(fault: ServiceFault, statement: Statement) -> Refusal | None:
    """What to remember of a refused draw; nothing of one that failed for another cause."""
    limit = fault.metadata.get("limit")
    if fault.retry_after_s is None or limit not in FIELDS:
        return None
    now = time.monotonic()
    kind = FIELDS.index(limit)
    until = now + min(fault.retry_after_s, REMEMBERED_S)
    return Refusal(kind, statement.wanted[kind], until, now + fault.retry_after_s, fault)


def _negative(amounts: Amounts) -> Amounts:
    a, b, c, d = (-amounts[kind] for kind in KINDS)
    return a, b, c, d
