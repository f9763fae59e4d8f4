"""A revoked key runs nothing: running exchanges are known by key and closed when told to.

Nothing cancels an RPC's own task (its client would hang, grpc/grpc#29248). A revocation closes
the *upstream* of each running exchange; the reader wakes with ``Closed`` and ends its RPC itself.

A grant that was signed before its key was revoked may still be on its way, so revocations are
remembered for as long as such a grant lives. When it was signed follows from when it expires.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, Protocol

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.faults import Reason, ServiceFault
from runtime.grants import Grant
from runtime.logs import get_logger

GRANT_LIFE_S: Final = 30.0  # as the auth service signs them; shorter where the key expires
SILENCE_S: Final = 2.5  # heartbeats come each second
# The first word comes at once; a replica that owes it is left for another one, so that a lost
# stream, its silence included, costs less than what a revocation may take.
FIRST_WORD_S: Final = 0.75
TRUST_S: Final = 5.0  # what a grant is worth while nobody tells of revocations
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0)
REVOKED: Final = ServiceFault(Reason.REVOKED, "The key was revoked.")


class Closable(Protocol):
    """An exchange, as far as this module knows it."""

    def close(self) -> None: ...


class Ticket:
    """The place of one running RPC in the registry."""

    __slots__ = ("_exchange", "account_id", "fault", "key_id")

    def __init__(self, account_id: str, key_id: str) -> None:
        self.account_id = account_id
        self.key_id = key_id
        self.fault: ServiceFault | None = None
        self._exchange: Closable | None = None

    def hold(self, exchange: Closable) -> None:
        """Name the exchange that is running now."""
        self._exchange = exchange
        if self.fault:
            exchange.close()

    def end(self, fault: ServiceFault) -> None:
        """Close the running exchange, and any that would follow; its RPC ends with the fault."""
        self.fault = self.fault or fault
        self.close()

    def close(self) -> None:
        """Close the running exchange."""
        if self._exchange is not None:
            self._exchange.close()


class Registry:
    """Every running RPC by key and by account. ``now`` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._revoked_at: dict[str, float] = {}
        self._by_key: defaultdict[str, set[Ticket]] = defaultdict(set)
        self._by_account: defaultdict[str, set[Ticket]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def count_by_account(self) -> dict[str, int]:
        """How many run for each account that has any."""
        return {name: len(tickets) for name, tickets in self._by_account.items()}

    def enter(self, grant: Grant) -> Ticket:
        """A ticket; give it back with ``leave``. ServiceFault REVOKED for an overtaken grant."""
        signed_at = grant.expires_at - GRANT_LIFE_S
        for name in (grant.key_id, grant.account_id):
            if signed_at <= self._revoked_at.get(name, -math.inf):
                raise REVOKED.with_traceback(None)
        ticket = Ticket(grant.account_id, grant.key_id)
        self._by_key[ticket.key_id].add(ticket)
        self._by_account[ticket.account_id].add(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Forget a ticket; doing so twice is fine."""
        for index, name in (
            (self._by_key, ticket.key_id),
            (self._by_account, ticket.account_id),
        ):
            if tickets := index.get(name):
                tickets.discard(ticket)
                if not tickets:
                    del index[name]

    def revoke(self, key_id: str, account_id: str) -> int:
        """Close what runs for a key, or for an account where no key is named; give their number."""
        index, name = (self._by_key, key_id) if key_id else (self._by_account, account_id)
        self._remember(name)
        tickets = list(index.get(name, ()))
        for ticket in tickets:
            ticket.end(REVOKED)
        return len(tickets)

    def _remember(self, name: str) -> None:
        now = self._now()
        kept = {n: at for n, at in self._revoked_at.items() if now - at < 2 * GRANT_LIFE_S}
        self._revoked_at = {**kept, name: now}


class RevocationWatch:
    """Follows AuthService.WatchRevocations for the life of the process."""

    def __init__(
        self,
        stub: auth_pb2_grpc.AuthServiceStub,
        registry: Registry,
        *,
        now: Callable[[], float],
    ) -> None:
        self._stub = stub
        self._registry = registry
        self._now = now
        self._after = ""
        self._heard_at = float("-inf")

    @property
    def is_fresh(self) -> bool:
        """Whether a revocation of TRUST_S ago would be known."""
        return self._now() - self._heard_at < TRUST_S

    def silence_s(self) -> float:
        """Seconds since auth was heard; infinite before the first time."""
        return self._now() - self._heard_at

    def check_fresh(self, grant: Grant, now: float) -> None:
        """ServiceFault OVERLOADED for an older grant while revocations cannot be followed."""
        is_recent = grant.expires_at - GRANT_LIFE_S > now - TRUST_S
        if not is_recent and not self.is_fresh:
            message = "The gateway cannot check keys for the moment. Try again."
            raise ServiceFault(Reason.OVERLOADED, message, retry_after_s=1.0)

    async def run(self) -> None:
        """Follow for ever, from where the last stream ended."""
        failures = 0
        while True:
            heard_at = self._heard_at
            try:
                await self._follow()
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                code = error.code().name if isinstance(error, grpc.aio.AioRpcError) else "SILENT"
                get_logger().warning("revocations lost", code=code)
            failures = 0 if self._heard_at > heard_at else failures + 1
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])

    async def _follow(self) -> None:
        request = auth_pb2.WatchRevocationsRequest(after=self._after)
        call = self._stub.WatchRevocations(request, wait_for_ready=True)
        patience_s = FIRST_WORD_S
        try:
            while True:
                async with asyncio.timeout(patience_s):
                    response = await call.read()
                if response is grpc.aio.EOF:
                    return
                self.take(response)
                patience_s = SILENCE_S
        finally:
            call.cancel()

    def take(self, response: auth_pb2.WatchRevocationsResponse) -> None:
        """Act on one message of the stream."""
        self._heard_at = self._now()
        if response.sequence:
            self._after = response.sequence
        if response.HasField("revocation"):
            revocation = response.revocation
            closed = self._registry.revoke(revocation.key_id, revocation.account_id)
            get_logger().info(
                "revoked",
                key_id=revocation.key_id,
                account_id=revocation.account_id,
                reason=revocation.reason,
                closed=closed,
            )
