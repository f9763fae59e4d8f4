"""The holder's side of leases: one open server stream per active key, followed.

A warm request makes no RPC: identity, policy and grant stand in memory, pushed by auth. A stream
that is lost (auth restarts) is opened anew while the lease is still trusted, and nobody notices;
silence for longer than ``TRUST_S`` and it is not. Refusals are remembered a few seconds, by the
full digest. Concurrent first requests of one key share a stream.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from admission.allowance import INPUT, Allowance, Amounts
from admission.draw import Drawer, amounts_of
from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.logs import get_logger

TRUST_S: Final = 3.0
IDLE_S: Final = 60.0
REFUSAL_S: Final = 3.0
MAX_REFUSALS: Final = 10_000
OPEN_TIMEOUT_S: Final = 1.0
TEND_S: Final = 5.0
RETRY_S: Final = 0.2
LOST: Final = frozenset({Reason.OVERLOADED, Reason.STORE_AWAY, Reason.INTERNAL})
"""Ends of a stream that say nothing of the key."""

LeaseKey = tuple[bytes, auth_pb2.Product]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class Lease:
    """What stands in memory for one key. ``grant`` travels with every request to the relay."""

    lease_id: str
    policy: auth_pb2.Policy
    grant: bytes
    expires_at: float
    heard_at: float
    drawer: Drawer
    allowance: Allowance = field(default_factory=Allowance)
    fault: ServiceFault | None = None
    used_at: float = 0.0
    tended_at: float = 0.0
    # Tokens of the month used here since auth last told the sum.
    used_tokens: int = 0
    _networks: tuple[Network, ...] = ()

    def check_address(self, address: str) -> None:
        """ServiceFault ADDRESS_NOT_ALLOWED where the key may not be used from there."""
        if not self.policy.networks:
            return
        if not self._networks:
            self._networks = tuple(map(ipaddress.ip_network, self.policy.networks))
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            found = None
        if found is None or not any(found in network for network in self._networks):
            raise ServiceFault(
                Reason.ADDRESS_NOT_ALLOWED, "This key may not be used from this network address."
            )

    def check_quota(self) -> None:
        """ServiceFault QUOTA_EXHAUSTED where the month's tokens are used up."""
        quota = self.policy.quota
        if not quota.tokens or quota.used + self.used_tokens < quota.tokens:
            return
        resets_at = datetime.fromtimestamp(quota.resets_at.seconds, UTC).isoformat()
        raise ServiceFault(
            Reason.QUOTA_EXHAUSTED,
            f"The {quota.tokens:,} tokens of this month are used up. "
            f"They begin anew at {resets_at.replace('+00:00', 'Z')}.",
        )

    def replace_policy(self, policy: auth_pb2.Policy) -> None:
        """What auth says now holds for the next request."""
        self.policy, self._networks, self.used_tokens = policy, (), 0
        self.allowance.limit_to(amounts_of(policy.limits))

    def is_trusted(self) -> bool:
        """Whether auth was heard lately and nothing ended the lease."""
        now = time.time()
        fresh = time.monotonic() - self.heard_at < TRUST_S
        return self.fault is None and fresh and now < self.expires_at


class Admission:
    """One admitted request while its context lasts; tell it what was used once that is known.

    Entering spends from the lease's shares, and draws where they run short. ``input_tokens`` is a
    guess that ``settle`` replaces by what was used.
    """

    __slots__ = ("_input_tokens", "_is_settled", "lease")

    def __init__(self, lease: Lease, input_tokens: int) -> None:
        self.lease = lease
        self._input_tokens = input_tokens
        self._is_settled = False

    async def __aenter__(self) -> Self:
        self.lease.check_quota()
        allowance = self.lease.allowance
        wanted = allowance.wanted_for(self._input_tokens)
        self._input_tokens = wanted[INPUT]
        if allowance.is_short_of(wanted):
            await _begin_short(self.lease, wanted)
        else:
            allowance.begin(wanted, time.monotonic())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.lease.allowance.end()

    def settle(self, usage: inference_pb2.Usage) -> None:
        """Count what was really used in the place of the guess; the second time does nothing.

        Input read from a cache counts for the quota of the month and not per minute.
        """
        if self._is_settled:
            return
        self._is_settled = True
        written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        fresh = usage.input_tokens + written
        self.lease.allowance.correct(fresh - self._input_tokens, usage.output_tokens)
        self.lease.used_tokens += fresh + usage.cache_read_tokens + usage.output_tokens


class LeaseHolder:
    """All leases of this process. ``admit`` is the only way in."""

    def __init__(self, channel: grpc.aio.Channel, holder_id: str) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)
        self._holder_id = holder_id
        self._leases: dict[LeaseKey, asyncio.Future[Lease]] = {}
        self._refusals: OrderedDict[LeaseKey, tuple[float, ServiceFault]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._leases)

    def silence_s(self) -> float:
        """The longest time since auth was heard on a lease that stands; 0 without any."""
        now = time.monotonic()
        return max((now - lease.heard_at for lease in self._standing()), default=0.0)

    def standing_of(self, digest: bytes, product: auth_pb2.Product) -> Lease | None:
        """The lease of a key that is known and trusted now, from memory."""
        future = self._leases.get((digest, product))
        if future is None or not self._is_usable(future):
            return None
        lease = future.result()
        lease.used_at = time.monotonic()
        return lease

    async def lease(self, digest: bytes, product: auth_pb2.Product, previous: bytes = b"") -> Lease:
        """The lease of a key; ServiceFault where auth refuses it or cannot be reached.

        ``previous`` is its digest under the pepper before, while one is being replaced.
        """
        key = (digest, product)
        self._check_refusal(key)
        future = self._leases.get(key)
        if future is not None and future.done() and not self._is_usable(future):
            future = None
        if future is None:
            future = self._leases[key] = asyncio.get_running_loop().create_future()
            self._spawn(self._follow(key, previous, future))
        lease = future.result() if future.done() else await _opened(future)
        lease.used_at = time.monotonic()
        return lease

    def admit(self, lease: Lease, input_tokens: int) -> Admission:
        """Let a request in, and give it a slot, while the admission's context lasts."""
        return Admission(lease, input_tokens)

    async def close(self) -> None:
        """End every follower, and every lease with it."""
        tasks = tuple(self._tasks)
        releases = [
            lease.drawer.release(lease.lease_id, _unspent(lease.allowance))
            for lease in self._standing()
        ]
        await asyncio.gather(*releases)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _standing(self) -> list[Lease]:
        return [
            future.result()
            for future in tuple(self._leases.values())
            if future.done() and not future.cancelled() and future.exception() is None
        ]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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

    async def _follow(self, key: LeaseKey, previous: bytes, future: asyncio.Future[Lease]) -> None:
        """Keep one lease true until it ends, then forget it."""
        try:
            ending = await self._listen(key, previous, future)
            while ending is not None and ending.reason in LOST and self._is_usable(future):
                await asyncio.sleep(RETRY_S)
                ending = await self._listen(key, previous, future)
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

    async def _listen(
        self, key: LeaseKey, previous: bytes, future: asyncio.Future[Lease]
    ) -> ServiceFault | None:
        """Follow one stream to its end: why it ended, or None where nobody needs it any more."""
        digest, product = key
        call = self._auth.Lease(
            auth_pb2.LeaseRequest(
                key_digest=digest,
                product=product,
                holder_id=self._holder_id,
                previous_digest=previous,
            )
        )
        try:
            async for answer in call:
                if not future.done():
                    future.set_result(self._lease_of(answer.granted))
                    continue
                lease = future.result()
                self._apply(lease, answer)
                if lease.fault is not None:
                    return lease.fault
                if not lease.allowance.running and time.monotonic() - lease.used_at > IDLE_S:
                    await lease.drawer.release(lease.lease_id, _unspent(lease.allowance))
                    return None
        except grpc.aio.AioRpcError as error:
            return fault_of(error)
        finally:
            call.cancel()
        return ServiceFault(Reason.OVERLOADED, "The lease ended.", retry_after_s=1)

    def _lease_of(self, granted: auth_pb2.Granted) -> Lease:
        now = time.monotonic()
        allowance = Allowance(
            limits=amounts_of(granted.policy.limits),
            left=list(amounts_of(granted.shares)),
            remaining=amounts_of(granted.remaining),
        )
        return Lease(
            lease_id=granted.lease_id,
            policy=granted.policy,
            grant=granted.grant,
            expires_at=_seconds(granted.expires_at),
            heard_at=now,
            drawer=Drawer(self._auth, allowance),
            allowance=allowance,
            used_at=now,
            tended_at=now,
        )

    def _apply(self, lease: Lease, answer: auth_pb2.LeaseResponse) -> None:
        """Take in one event of a lease's stream."""
        now = lease.heard_at = time.monotonic()
        kind = answer.WhichOneof("event")
        if kind == "granted":
            self._regrant(lease, answer.granted)
        elif kind == "renewed":
            lease.grant = answer.renewed.grant or lease.grant
            if answer.renewed.HasField("expires_at"):
                lease.expires_at = _seconds(answer.renewed.expires_at)
        elif kind == "policy_changed":
            lease.grant = answer.policy_changed.grant
            lease.replace_policy(answer.policy_changed.policy)
        elif kind == "revoked":
            reason = answer.revoked.reason
            known = Reason(reason) if reason in Reason.__members__ else Reason.KEY_REVOKED
            lease.fault = ServiceFault(known, _LOST_MESSAGES.get(known, "The key is not valid."))
        if now - lease.tended_at > TEND_S:
            lease.tended_at = now
            self._spawn(self._tend(lease))

    def _regrant(self, lease: Lease, granted: auth_pb2.Granted) -> None:
        """Go on under a lease granted anew; what runs under the old one takes its slots along."""
        self._spawn(lease.drawer.release(lease.lease_id, _unspent(lease.allowance)))
        anew = self._lease_of(granted)
        lease.lease_id, lease.grant = anew.lease_id, anew.grant
        lease.expires_at = anew.expires_at
        lease.replace_policy(anew.policy)
        lease.allowance.regrant(anew.allowance)

    async def _tend(self, lease: Lease) -> None:
        try:
            await lease.drawer.tend(lease.lease_id)
        except ServiceFault:
            lease.heard_at = float("-inf")  # the store forgot the lease: the next one is new


async def _opened(future: asyncio.Future[Lease]) -> Lease:
    """A lease that is being opened, perhaps for several requests. ServiceFault."""
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            return await asyncio.shield(future)
    except TimeoutError:
        raise _away() from None


async def _begin_short(lease: Lease, wanted: Amounts) -> None:
    try:
        await lease.drawer.begin(lease.lease_id, wanted)
    except ServiceFault as fault:
        if fault.reason is Reason.NOT_FOUND:
            lease.heard_at = float("-inf")  # the store forgot the lease: the next one is new
            raise _away() from None
        raise


# Why a lease that stood is over, where that is not the key's own end.
_LOST_MESSAGES: Final = {
    Reason.ACCOUNT_SUSPENDED: "The account is suspended.",
    Reason.ACCOUNT_EXPIRED: "The account has expired.",
}


def _unspent(allowance: Allowance) -> Amounts:
    requests, input_tokens, output_tokens, _ = (max(0, left) for left in allowance.left)
    return requests, input_tokens, output_tokens, 0


def _seconds(moment: Timestamp) -> float:
    return float(moment.seconds + moment.nanos / 1e9)


def _away() -> ServiceFault:
    return ServiceFault(
        Reason.STORE_AWAY,
        "The gateway cannot check keys for the moment. Try again.",
        retry_after_s=2,
    )
