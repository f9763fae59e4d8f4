"""The way in for whoever shows a key: the same for the public edge and for direct gRPC callers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from admission.credential import API, CREDITS, digest, product_of
from admission.failure import Failures
from admission.lease import Lease, LeaseHolder
from gatebeyz.auth.v1 import auth_pb2
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault

PRODUCTS: Final = {API: auth_pb2.PRODUCT_API, CREDITS: auth_pb2.PRODUCT_CREDITS}
BAD_KEY: Final = frozenset({Reason.KEY_UNKNOWN, Reason.KEY_REVOKED, Reason.KEY_EXPIRED})


@dataclass(frozen=True, slots=True)
class Peppers:
    """What keys are digested with: now, and before while one is being replaced."""

    current: bytes
    previous: bytes = b""

    @classmethod
    def of(cls, current: SecretText, previous: SecretText | None) -> Peppers:
        """From a process's configuration."""
        return cls(current.reveal().encode(), previous.reveal().encode() if previous else b"")


class Door:
    """Lets callers in by their key; ``leases`` is where they are known from then on."""

    def __init__(self, leases: LeaseHolder, peppers: Peppers) -> None:
        self.leases = leases
        self._peppers = peppers
        self._failures = Failures()

    async def enter(self, key: str, product: auth_pb2.Product, address: str) -> Lease:
        """The lease of a well-formed key; ServiceFault where it is not good here, or not now.

        A key of the other product is told by its prefix alone, which says nothing of whether the
        key exists.
        """
        if PRODUCTS.get(product_of(key) or "") != product:
            raise ServiceFault(Reason.WRONG_PRODUCT, "The key belongs to another product.")
        known_as = digest(key, self._peppers.current)
        lease = self.leases.standing_of(known_as, product)
        if lease is None:
            lease = await self._ask(key, known_as, product, address)
        lease.check_address(address)
        return lease

    async def _ask(
        self, key: str, known_as: bytes, product: auth_pb2.Product, address: str
    ) -> Lease:
        now = time.monotonic()
        self._failures.check(address, known_as, now)
        previous = digest(key, self._peppers.previous) if self._peppers.previous else b""
        try:
            lease = await self.leases.lease(known_as, product, previous)
        except ServiceFault as fault:
            if fault.reason in BAD_KEY:
                self._failures.note(address, known_as, now)
            raise
        self._failures.forget(known_as)
        return lease
