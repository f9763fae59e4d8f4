"""Leases: what keeps a holder's picture of one key true.

One stream per holder and key. First Granted; then Renewed, at least each ``HEARTBEAT_S`` and with
a new grant each ``RENEW_S``; PolicyChanged when access changes; Revoked as the last event. The
holder stops trusting a silent lease, so the heartbeat is also the proof that auth is there.

Three roads bring changes: the change log within milliseconds, the catalog's file as soon as it is
read anew, and a look at the store each ``CHECK_S``, which bounds what a lost entry can cost. What
time alone changes (a key's end, an override's) wakes the lease by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from runtime.catalog import Catalog
from runtime.faults import Reason, ServiceFault
from runtime.grants import Grant, Signer
from services.auth.account import Account, Limits, Product, check_admissible
from services.auth.key import Key, check_usable
from services.auth.policy import Policy, next_change, resolve, tokens_of
from services.auth.quota import QuotaMeter
from services.auth.revocation import Change, ChangeKind, ChangeLog
from services.auth.share import Draw, Shares, first_share, shares_of, shortage
from services.auth.store import Store

GRANT_LIFE_S: Final = 30.0
RENEW_S: Final = 10.0
CHECK_S: Final = 3.0
HEARTBEAT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """Digests of one key: under the current pepper, and under the one before while it lasts."""

    digest: bytes
    previous: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """A key, its account, and what both may do: read together from the store."""

    key: Key
    account: Account
    policy: Policy

    def ends_at(self) -> float:
        """When time ends the key or its account; infinity where it never does."""
        moments = (self.key.expires_at, self.account.expires_at)
        return min((moment for moment in moments if moment is not None), default=float("inf"))


@dataclass(frozen=True, slots=True)
class Granted:
    """First event; what ``shares`` drew may be spent before more is drawn."""

    lease_id: str
    grant: bytes
    policy: Policy
    shares: Shares
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

    def __init__(self, lease_id: str, standing: Standing) -> None:
        self.lease_id = lease_id
        self.standing = standing
        self.grant = b""
        self.expires_at = 0.0
        self.renewed_at = 0.0
        self.checked_at = 0.0
        # When time alone changes the policy: known since the last signature.
        self.changes_at = float("inf")
        self.is_suspect = False
        self.revoked: str | None = None
        self.is_ended = False
        self._stirred = asyncio.Event()

    def notice(self, change: Change) -> None:
        """Take a change of the log to heart."""
        key = self.standing.key
        if not change.touches(key.account_id, key.key_id):
            return
        if change.is_revocation():
            self.revoked = change.reason
        self.stir()

    def stir(self) -> None:
        """Look at the store and the catalog soon: something may have changed."""
        self.is_suspect = True
        self._stirred.set()

    def seconds_left(self, now: float) -> float:
        """Until time alone changes the policy; infinity where it never does."""
        return max(0.0, self.changes_at - now)

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
        catalog: Callable[[], Catalog],
        *,
        grace_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._signer = signer
        self._catalog = catalog
        self._meter = QuotaMeter(store)
        self._grace_s = grace_s
        self._clock = clock
        self._open: dict[tuple[str, str], Lease] = {}
        self._limits: dict[str, Limits] = {}
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """End every lease, so that holders go to another replica."""
        self._is_closed = True
        for lease in tuple(self._open.values()):
            lease.end()

    def stir(self) -> None:
        """Every lease looks again: the catalog changed."""
        for lease in tuple(self._open.values()):
            lease.stir()

    async def lease(
        self, credentials: Credentials, product: Product, holder_id: str
    ) -> AsyncIterator[LeaseEvent]:
        """The events of one lease; ServiceFault where the key is refused."""
        if self._is_closed:
            raise ServiceFault(Reason.DRAINING, "This process is going away.", retry_after_s=1)
        standing = await self._admit(credentials, product)
        lease = Lease(f"{standing.account.account_id}/{secrets.token_hex(12)}", standing)
        slot = (holder_id, standing.key.key_id)
        if (previous := self._open.get(slot)) is not None:
            previous.end()
        self._open[slot] = lease
        try:
            with self._log.listening(lease.notice):
                yield await self._grant_first(lease)
                async for event in self._keep(lease, product):
                    yield event
        finally:
            self._limits.pop(lease.lease_id, None)
            if self._open.get(slot) is lease:
                del self._open[slot]

    async def _admit(self, credentials: Credentials, product: Product) -> Standing:
        digest = credentials.digest
        key = await self._store.find_digest(digest)
        if key is None and credentials.previous:
            digest = credentials.previous
            key = await self._store.find_digest(digest)
        # The look-up was exact already; the comparison also holds if the index ever lied.
        if key is None or not key.is_known_by(digest):
            raise unknown_key()
        standing = await self._check(key, product)
        if digest is not credentials.digest:
            await self._store.move_digest(key, credentials.digest)
        return standing

    async def _check(self, key: Key | None, product: Product) -> Standing:
        """The standing of a key as the store has it now; ServiceFault where it is refused."""
        if key is None:
            raise unknown_key()
        now = self._clock()
        check_usable(key, now)
        account = await self._store.find_account(key.account_id)
        if account is None:
            raise unknown_key()
        check_admissible(account, product, now)
        catalog = self._catalog()
        used = await self._meter.used(account, now) if tokens_of(account, catalog) else 0
        return Standing(key, account, resolve(account, key, catalog, now, used))

    async def _grant_first(self, lease: Lease) -> Granted:
        policy = lease.standing.policy
        answer = await self._store.take_shares(
            policy.account_id,
            lease.lease_id,
            policy.limits,
            Draw(hoped=first_share(policy.limits)),
            life_s=GRANT_LIFE_S,
            phase="open",
        )
        now = self._clock()
        await self._store.touch_key(policy.key_id, now)
        self._sign(lease, now)
        lease.checked_at = now
        shares = shares_of(answer[1:])
        return Granted(lease.lease_id, lease.grant, policy, shares, lease.expires_at)

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
        if not is_due and now < lease.changes_at:
            return Renewed(lease.grant, lease.expires_at)
        # Before the look: what is noticed during it must be looked at again.
        lease.is_suspect = False
        try:
            standing = await self._look(lease, product, now)
        except ServiceFault as fault:
            if fault.reason is Reason.STORE_AWAY:
                return self._go_on(lease, now, fault)
            if fault.reason in (Reason.KEY_EXPIRED, Reason.ACCOUNT_EXPIRED):
                await self._announce_expiry(lease.standing.key, fault.reason)
            return Revoked(fault.reason.value)
        before, lease.standing = lease.standing, standing
        lease.checked_at = now
        if standing.policy != before.policy or standing.ends_at() != before.ends_at():
            self._sign(lease, now)
            return PolicyChanged(lease.grant, standing.policy)
        return self._renew(lease, now)

    async def _look(self, lease: Lease, product: Product, now: float) -> Standing:
        """The standing as it is now, and the lease kept alive in the store when that is due."""
        check_usable(lease.standing.key, now)
        if self._log.is_away:
            raise ServiceFault(Reason.STORE_AWAY, "The store is away.", retry_after_s=2)
        key_id = lease.standing.key.key_id
        standing = await self._check(await self._store.find_key(key_id), product)
        if now - lease.renewed_at >= RENEW_S:
            account_id = standing.account.account_id
            await self._store.keep_lease(account_id, lease.lease_id, GRANT_LIFE_S)
            await self._store.touch_key(key_id, now)
        return standing

    def _go_on(self, lease: Lease, now: float, fault: ServiceFault) -> LeaseEvent:
        """Nothing is known against the key: the lease goes on for the configured grace."""
        lease.is_suspect = True
        if now - lease.checked_at > self._grace_s:
            raise fault
        return self._renew(lease, now)

    def _renew(self, lease: Lease, now: float) -> Renewed:
        if now - lease.renewed_at >= RENEW_S:
            self._sign(lease, now)
        return Renewed(lease.grant, lease.expires_at)

    async def _announce_expiry(self, key: Key, reason: Reason) -> None:
        """Time ends keys and accounts without a word; relays must hear of it to end what runs."""
        if reason is Reason.KEY_EXPIRED:
            change = Change("", ChangeKind.KEY, key.key_id, key.account_id, reason.value)
        else:
            change = Change("", ChangeKind.ACCOUNT, "", key.account_id, reason.value)
        with contextlib.suppress(ServiceFault):
            await self._store.announce(change)

    def _sign(self, lease: Lease, now: float) -> None:
        """A new grant; it never outlives the key or its account."""
        standing, policy = lease.standing, lease.standing.policy
        expires_at = min(now + GRANT_LIFE_S, standing.ends_at())
        lease.renewed_at, lease.expires_at = now, expires_at
        lease.changes_at = next_change(standing.account, standing.key, now)
        self._limits[lease.lease_id] = policy.limits
        lease.grant = self._signer.sign(
            Grant(
                account_id=policy.account_id,
                key_id=policy.key_id,
                lease_id=lease.lease_id,
                product=policy.product.value,
                models=policy.models,
                thinking=policy.thinking,
                upstreams=policy.upstreams,
                expires_at=expires_at,
                prepaid=policy.product is Product.CREDITS,
            )
        )

    async def draw(self, lease_id: str, draw: Draw) -> Shares:
        """More of an account's limits for a lease, which may be open in any replica.

        NOT_FOUND for a lease that is over; RATE_LIMITED or CONCURRENCY_LIMITED when less than the
        least wanted is left of a limit, with the time until it may be there.
        """
        return shares_of(await self._take(lease_id, draw, "draw"))

    async def release(self, lease_id: str, unused: Limits) -> None:
        """End a lease in the store; what it did not use is free at once."""
        await self._take(lease_id, Draw(held=unused), "end")

    async def _take(self, lease_id: str, draw: Draw, phase: str) -> list[int]:
        account_id = lease_id.partition("/")[0]
        limits = await self._limits_of(lease_id, account_id)
        status, *amounts = await self._store.take_shares(
            account_id, lease_id, limits, draw, life_s=GRANT_LIFE_S, phase=phase
        )
        if status < 0:
            raise _unknown_lease()
        if status > 0:
            raise shortage(status - 1, amounts[0] / 1000)
        return amounts

    async def _limits_of(self, lease_id: str, account_id: str) -> Limits:
        """From memory where the lease is open in this replica."""
        if (limits := self._limits.get(lease_id)) is not None:
            return limits
        account = await self._store.find_account(account_id)
        if account is None:
            raise _unknown_lease()
        return resolve(account, None, self._catalog(), self._clock(), 0).limits


def unknown_key() -> ServiceFault:
    """The refusal of a key nobody has."""
    return ServiceFault(Reason.KEY_UNKNOWN, "The key is not valid.")


def _unknown_lease() -> ServiceFault:
    return ServiceFault(Reason.NOT_FOUND, "There is no such lease.")
