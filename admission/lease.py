"""The holder's side of leases: one open server stream per active key, followed.

A warm request makes no RPC: identity, policy and grant stand in memory, pushed by auth. A stream
that is lost (auth restarts) is opened anew while the lease is still trusted, and nobody notices;
silence for longer than ``TRUST_S`` and it is not. Refusals are remembered a few seconds, by the
full digest. Concurrent first requests of one key share a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import grpc.aio

from admission.allowance import KINDS, Allowance
from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.logs import get_logger

TRUST_S: Final = 5.0
IDLE_S: Final = 60.0
REFUSAL_S: Final = 3.0
MAX_REFUSALS: Final = 10_000
OPEN_TIMEOUT_S: Final = 2.0
DRAW_TIMEOUT_S: Final = 1.0
RETRY_S: Final = 0.2
LOST: Final = frozenset({Reason.OVERLOADED, Reason.STORE_AWAY, Reason.INTERNAL})
"""Ends of a stream that say nothing of the key."""

LeaseKey = tuple[bytes, auth_pb2.Product]


@dataclass(slots=True)
class Lease:
    """What stands in memory for one key. ``grant`` travels with every request to the relay."""

    lease_id: str
    policy: auth_pb2.Policy
    grant: bytes
    expires_at: float
    heard_at: float
    allowance: Allowance = field(default_factory=Allowance)
    fault: ServiceFault | None = None
    running: int = 0
    used_at: float = 0.0
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_trusted(self) -> bool:
        """Whether auth was heard lately and nothing ended the lease."""
        now = time.time()
        fresh = time.monotonic() - self.heard_at < TRUST_S
        return self.fault is None and fresh and now < self.expires_at


def limits_of(limits: auth_pb2.Limits) -> dict[str, int]:
    """A Limits message as amounts by kind, zeros left out."""
    return {kind: amount for kind in KINDS if (amount := getattr(limits, kind))}


class LeaseHolder:
    """All leases of this process. ``admit`` is the only way in."""

    def __init__(self, channel: grpc.aio.Channel, holder_id: str) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)
        self._holder_id = holder_id
        self._leases: dict[LeaseKey, asyncio.Future[Lease]] = {}
        self._refusals: OrderedDict[LeaseKey, tuple[float, ServiceFault]] = OrderedDict()
        self._followers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._leases)

    def silence_s(self) -> float:
        """The longest time since auth was heard on a lease that stands; 0 without any."""
        now = time.monotonic()
        held = [
            future.result()
            for future in tuple(self._leases.values())
            if future.done() and not future.cancelled() and future.exception() is None
        ]
        return max((now - lease.heard_at for lease in held), default=0.0)

    async def lease(self, digest: bytes, product: auth_pb2.Product) -> Lease:
        """The lease of a key; ServiceFault where auth refuses it or cannot be reached."""
        key = (digest, product)
        self._check_refusal(key)
        future = self._leases.get(key)
        if future is not None and future.done() and not self._is_usable(future):
            future = None
        if future is None:
            future = self._leases[key] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._follow(key, future))
            self._followers.add(task)
            task.add_done_callback(self._followers.discard)
        try:
            lease = await asyncio.wait_for(asyncio.shield(future), OPEN_TIMEOUT_S)
        except TimeoutError:
            raise _away() from None
        lease.used_at = time.monotonic()
        return lease

    @contextlib.asynccontextmanager
    async def admit(
        self, lease: Lease, input_tokens: int, output_tokens: int
    ) -> AsyncIterator[None]:
        """Spend from the lease's shares, drawing where they run short; a slot for the duration."""
        wanted = {
            "requests_per_minute": 1,
            "input_tokens_per_minute": input_tokens,
            "output_tokens_per_minute": output_tokens,
            "concurrency": 1,
        }
        if lease.allowance.missing(wanted):
            await self._draw(lease, wanted)
        lease.allowance.spend(wanted)
        lease.running += 1
        try:
            yield
        finally:
            lease.running -= 1
            lease.allowance.add({"concurrency": 1})

    async def close(self) -> None:
        """End every follower."""
        for task in self._followers:
            task.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)

    def _check_refusal(self, key: LeaseKey) -> None:
        refusal = self._refusals.get(key)
        if refusal is None:
            return
        until, fault = refusal
        if time.monotonic() < until:
            raise fault
        del self._refusals[key]

    def _is_usable(self, future: asyncio.Future[Lease]) -> bool:
        if not future.done() or future.cancelled() or future.exception() is not None:
            return False
        return future.result().is_trusted()

    def _refuse(self, key: LeaseKey, fault: ServiceFault) -> None:
        if fault.reason in LOST:
            return
        self._refusals[key] = (time.monotonic() + REFUSAL_S, fault)
        while len(self._refusals) > MAX_REFUSALS:
            self._refusals.popitem(last=False)

    async def _follow(self, key: LeaseKey, future: asyncio.Future[Lease]) -> None:
        """Keep one lease true until it ends, then forget it."""
        try:
            ending = await self._listen(key, future)
            while ending is not None and ending.reason in LOST and self._is_usable(future):
                await asyncio.sleep(RETRY_S)
                ending = await self._listen(key, future)
        finally:
            if self._leases.get(key) is future:
                del self._leases[key]
        if ending is None:
            return
        self._refuse(key, ending)
        if not future.done():
            future.set_exception(ending)
            future.exception()  # nobody may be waiting any more
        elif ending.reason not in LOST:
            future.result().fault = ending
        get_logger().debug("lease ended", reason=str(ending.reason))

    async def _listen(self, key: LeaseKey, future: asyncio.Future[Lease]) -> ServiceFault | None:
        """Follow one stream to its end: why it ended, or None where nobody needs it any more."""
        digest, product = key
        call = self._auth.Lease(
            auth_pb2.LeaseRequest(key_digest=digest, product=product, holder_id=self._holder_id)
        )
        try:
            async for answer in call:
                if not future.done():
                    future.set_result(_lease_of(answer.granted))
                    continue
                lease = future.result()
                _apply(lease, answer)
                if lease.fault is not None:
                    return lease.fault
                if not lease.running and time.monotonic() - lease.used_at > IDLE_S:
                    return None
        except grpc.aio.AioRpcError as error:
            return fault_of(error)
        finally:
            call.cancel()
        return ServiceFault(Reason.OVERLOADED, "The lease ended.", retry_after_s=1)

    async def _draw(self, lease: Lease, wanted: dict[str, int]) -> None:
        """Draw what is missing; concurrent draws of one lease wait for each other."""
        async with lease.drawing:
            missing = lease.allowance.missing(wanted)
            if not missing:
                return
            request = auth_pb2.DrawRequest(
                lease_id=lease.lease_id, wanted=auth_pb2.Limits(**missing)
            )
            try:
                answer = await self._auth.Draw(request, timeout=DRAW_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                raise fault_of(error) from None
            lease.allowance.add(limits_of(answer.drawn))
            if lease.allowance.missing(wanted):
                raise ServiceFault(
                    Reason.RATE_LIMITED,
                    "The rate limit of this account is reached.",
                    retry_after_s=5,
                )


def _away() -> ServiceFault:
    return ServiceFault(
        Reason.STORE_AWAY,
        "The gateway cannot check keys for the moment. Try again.",
        retry_after_s=2,
    )


def _lease_of(granted: auth_pb2.Granted) -> Lease:
    allowance = Allowance(limits_of(granted.policy.limits), limits_of(granted.shares))
    return Lease(
        lease_id=granted.lease_id,
        policy=granted.policy,
        grant=granted.grant,
        expires_at=granted.expires_at.seconds + granted.expires_at.nanos / 1e9,
        heard_at=time.monotonic(),
        allowance=allowance,
        used_at=time.monotonic(),
    )


def _apply(lease: Lease, answer: auth_pb2.LeaseResponse) -> None:
    lease.heard_at = time.monotonic()
    kind = answer.WhichOneof("event")
    if kind == "granted":
        _regrant(lease, _lease_of(answer.granted))
    elif kind == "renewed":
        lease.grant = answer.renewed.grant or lease.grant
        if answer.renewed.HasField("expires_at"):
            expires = answer.renewed.expires_at
            lease.expires_at = expires.seconds + expires.nanos / 1e9
    elif kind == "policy_changed":
        lease.grant = answer.policy_changed.grant
        lease.policy = answer.policy_changed.policy
        lease.allowance.limits = limits_of(lease.policy.limits)
    elif kind == "revoked":
        reason = answer.revoked.reason
        known = Reason(reason) if reason in Reason.__members__ else Reason.KEY_REVOKED
        lease.fault = ServiceFault(known, "The key is not valid.")


def _regrant(lease: Lease, granted: Lease) -> None:
    """Go on under a lease granted anew; what runs under the old one takes its slots along."""
    lease.lease_id, lease.grant = granted.lease_id, granted.grant
    lease.policy, lease.expires_at = granted.policy, granted.expires_at
    lease.allowance.limits = granted.allowance.limits
    lease.allowance.left = granted.allowance.left
    lease.allowance.add({"concurrency": -lease.running})
