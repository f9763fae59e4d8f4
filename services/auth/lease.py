"""Leases: what keeps a holder's picture of one key true.

One stream per holder and key. First Granted; then Renewed, at least each ``HEARTBEAT_S`` and with
a new grant each ``RENEW_S``; PolicyChanged when access changes; Revoked as the last event. The
holder stops trusting a silent lease, so the heartbeat is also the proof that auth is there.

Two roads bring changes: the change log within milliseconds, and a look at the store each
``CHECK_S``, which bounds what a lost entry can cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault
from runtime.grants import Grant, Signer
from services.auth.account import Account, Limits, Product, check_admissible
from services.auth.key import Key, check_usable
from services.auth.revocation import Change, ChangeKind, ChangeLog
from services.auth.share import check_wanted, first_share, shortage
from services.auth.store import Store

GRANT_LIFE_S: Final = 30.0
RENEW_S: Final = 10.0
CHECK_S: Final = 3.0
HEARTBEAT_S: Final = 1.5


class Policy(msgspec.Struct, frozen=True):
    """What a key may do now."""

    key: Key
    account: Account


@dataclass(frozen=True, slots=True)
class Granted:
    """First event; ``shares`` may be spent before anything is drawn."""

    lease_id: str
    grant: bytes
    policy: Policy
    shares: Limits
    expires_at: float


@dataclass(frozen=True, slots=True)
class Renewed:
    """The lease lives on; the grant is the last one while no new one was due."""

    grant: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Applies to the next request."""

    grant: bytes
    policy: Policy


@dataclass(frozen=True, slots=True)
class Revoked:
    """Last event."""

    reason: str


LeaseEvent = Granted | Renewed | PolicyChanged | Revoked


class Lease:
    """One open stream's state; the registry drives it."""

    def __init__(self, lease_id: str, policy: Policy) -> None:
        self.lease_id = lease_id
        self.policy = policy
        self.grant = b""
        self.expires_at = 0.0
        self.renewed_at = 0.0
        self.checked_at = 0.0
        self.is_suspect = False
        self.revoked: str | None = None
        self.is_ended = False
        self._stirred = asyncio.Event()

    def notice(self, change: Change) -> None:
        """Take a change of the log to heart."""
        key = self.policy.key
        if not change.touches(key.account_id, key.key_id):
            return
        if change.is_revocation():
            self.revoked = change.reason
        self.is_suspect = True
        self._stirred.set()

    def seconds_left(self, now: float) -> float:
        """Until the key's own end; a long time where it has none."""
        expires_at = self.policy.key.expires_at
        return float("inf") if expires_at is None else max(0.0, expires_at - now)

    def end(self) -> None:
        """End the stream without a verdict: the holder opens another."""
        self.is_ended = True
        self._stirred.set()

    async def wait(self, limit_s: float) -> None:
        """Until something stirs, or the time is up."""
        try:
            async with asyncio.timeout(limit_s):
                await self._stirred.wait()
        except TimeoutError:
            return
        self._stirred.clear()


class LeaseRegistry:
    """Every lease open in this process."""

    def __init__(
        self,
        store: Store,
        log: ChangeLog,
        signer: Signer,
        *,
        grace_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._signer = signer
        self._grace_s = grace_s
        self._clock = clock
        self._open: dict[tuple[str, str], Lease] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """End every lease, so that holders go to another replica."""
        self._is_closed = True
        for lease in tuple(self._open.values()):
            lease.end()

    async def lease(
        self, digest: bytes, product: Product, holder_id: str
    ) -> AsyncIterator[LeaseEvent]:
        """The events of one lease; ServiceFault where the key is refused."""
        if self._is_closed:
            raise ServiceFault(Reason.DRAINING, "This process is going away.", retry_after_s=1)
        policy = await self._admit(digest, product)
        lease = Lease(f"{policy.account.account_id}/{secrets.token_hex(12)}", policy)
        slot = (holder_id, policy.key.key_id)
        if (previous := self._open.get(slot)) is not None:
            previous.end()
        self._open[slot] = lease
        try:
            with self._log.listening(lease.notice):
                yield await self._grant_first(lease)
                async for event in self._keep(lease, product):
                    yield event
        finally:
            if self._open.get(slot) is lease:
                del self._open[slot]

    async def _admit(self, digest: bytes, product: Product) -> Policy:
        key = await self._store.find_digest(digest)
        # The look-up was exact already; the comparison also holds if the index ever lied.
        if key is None or not hmac.compare_digest(key.digest, digest.hex()):
            raise unknown_key()
        return await self._check(key, product)

    async def _check(self, key: Key | None, product: Product) -> Policy:
        """The policy of a key as the store has it now; ServiceFault where it is refused."""
        if key is None:
            raise unknown_key()
        check_usable(key, self._clock())
        account = await self._store.find_account(key.account_id)
        if account is None:
            raise unknown_key()
        check_admissible(account, product)
        return Policy(key, account)

    async def _grant_first(self, lease: Lease) -> Granted:
        account = lease.policy.account
        limits = account.limits
        _, taken = await self._store.take_shares(
            account.account_id,
            lease.lease_id,
            limits,
            first_share(limits),
            life_s=GRANT_LIFE_S,
            opening=True,
        )
        now = self._clock()
        self._sign(lease, now)
        lease.checked_at = now
        return Granted(lease.lease_id, lease.grant, lease.policy, Limits(*taken), lease.expires_at)

    async def _keep(self, lease: Lease, product: Product) -> AsyncIterator[LeaseEvent]:
        while True:
            await lease.wait(min(HEARTBEAT_S, lease.seconds_left(self._clock())))
            if lease.revoked is not None:
                yield Revoked(lease.revoked)
                return
            if lease.is_ended:
                return
            event = await self._review(lease, product)
            yield event
            if isinstance(event, Revoked):
                return

    async def _review(self, lease: Lease, product: Product) -> LeaseEvent:
        """Look at the store when it is time, and say what the holder must know."""
        now = self._clock()
        is_due = lease.is_suspect or now - lease.checked_at >= CHECK_S
        if not is_due and lease.seconds_left(now) > 0:
            return Renewed(lease.grant, lease.expires_at)
        try:
            policy = await self._look(lease, product, now)
        except ServiceFault as fault:
            if fault.reason is Reason.STORE_AWAY:
                return self._go_on(lease, now, fault)
            if fault.reason is Reason.KEY_EXPIRED:
                await self._announce_expiry(lease.policy.key)
            return Revoked(fault.reason.value)
        lease.checked_at, lease.is_suspect = now, False
        if policy != lease.policy:
            lease.policy = policy
            self._sign(lease, now)
            return PolicyChanged(lease.grant, policy)
        return self._renew(lease, now)

    async def _look(self, lease: Lease, product: Product, now: float) -> Policy:
        """The policy as it is now, and the lease kept alive in the store when that is due."""
        check_usable(lease.policy.key, now)
        if self._log.is_away:
            raise ServiceFault(Reason.STORE_AWAY, "The store is away.", retry_after_s=2)
        key_id = lease.policy.key.key_id
        policy = await self._check(await self._store.find_key(key_id), product)
        if now - lease.renewed_at >= RENEW_S:
            account_id = policy.account.account_id
            await self._store.keep_lease(account_id, lease.lease_id, GRANT_LIFE_S)
        return policy

    def _go_on(self, lease: Lease, now: float, fault: ServiceFault) -> LeaseEvent:
        """Nothing is known against the key: the lease goes on for the configured grace."""
        if now - lease.checked_at > self._grace_s:
            raise fault
        return self._renew(lease, now)

    def _renew(self, lease: Lease, now: float) -> Renewed:
        if now - lease.renewed_at >= RENEW_S:
            self._sign(lease, now)
        return Renewed(lease.grant, lease.expires_at)

    async def _announce_expiry(self, key: Key) -> None:
        """Time ends a key without a word; relays must hear of it to end what still runs."""
        reason = Reason.KEY_EXPIRED.value
        change = Change("", ChangeKind.KEY, key.key_id, key.account_id, reason)
        with contextlib.suppress(ServiceFault):
            await self._store.announce(change)

    def _sign(self, lease: Lease, now: float) -> None:
        """A new grant; it never outlives the key."""
        account, key = lease.policy.account, lease.policy.key
        expires_at = now + GRANT_LIFE_S
        if key.expires_at is not None:
            expires_at = min(expires_at, key.expires_at)
        lease.renewed_at, lease.expires_at = now, expires_at
        lease.grant = self._signer.sign(
            Grant(
                account_id=account.account_id,
                key_id=key.key_id,
                lease_id=lease.lease_id,
                product=account.product.value,
                models=account.models,
                thinking=account.thinking,
                upstreams=account.upstreams,
                expires_at=expires_at,
            )
        )

    async def draw(self, lease_id: str, wanted: Limits) -> Limits:
        """More of an account's limits for a lease, which may be open in any replica.

        NOT_FOUND for a lease that is over; RATE_LIMITED or CONCURRENCY_LIMITED when nothing is
        left of a wanted limit, with the time until something is.
        """
        check_wanted(wanted)
        account = await self._store.find_account(_account_of(lease_id))
        if account is None:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such lease.")
        status, amounts = await self._store.take_shares(
            account.account_id,
            lease_id,
            account.limits,
            wanted,
            life_s=GRANT_LIFE_S,
            opening=False,
        )
        if status < 0:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such lease.")
        if status > 0:
            raise shortage(status - 1, amounts[0] / 1000)
        return Limits(*amounts)

    async def release(self, lease_id: str, unused: Limits) -> None:
        """Take unused shares and slots back."""
        check_wanted(unused)
        await self._store.return_shares(_account_of(lease_id), lease_id, unused)


def unknown_key() -> ServiceFault:
    """The refusal of a key nobody has."""
    return ServiceFault(Reason.KEY_UNKNOWN, "The key is not valid.")


def _account_of(lease_id: str) -> str:
    """The account stands in the lease id, so that any replica finds a lease's partition."""
    return lease_id.partition("/")[0]
