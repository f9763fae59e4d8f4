"""How often callers may be wrong: buckets that slow down guessing, before auth is asked. Pure.

Two buckets, of failures only: one for an address and a credential together, one for an address
with any credentials. A network of IPv6 addresses (a /64) counts as one address, as one customer
gets them. Whoever shows a key that was good here lately is never held up by others' failures.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from runtime.faults import Reason, ServiceFault

SAME_CREDENTIAL: Final = 10
ANY_CREDENTIAL: Final = 100
PER_S: Final = 60.0
MAX_REMEMBERED: Final = 20_000
_IPV6_PREFIX: Final = 64


class Failures:
    """Failures of the last minute. Moments are of a monotonic clock."""

    def __init__(self) -> None:
        self._by_credential = _Buckets(SAME_CREDENTIAL)
        self._by_address = _Buckets(ANY_CREDENTIAL)
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def check(self, address: str, digest: bytes, now: float) -> None:
        """ServiceFault RATE_LIMITED for a caller that failed too often."""
        if digest in self._good:
            return
        network = network_of(address)
        wait_s = max(
            self._by_credential.wait_s(network.encode() + digest, now),
            self._by_address.wait_s(network.encode(), now),
        )
        if wait_s > 0:
            raise ServiceFault(
                Reason.RATE_LIMITED,
                "Too many requests with keys that are not valid. Check the key.",
                retry_after_s=wait_s,
            )

    def note(self, address: str, digest: bytes, now: float) -> None:
        """A credential was not good."""
        self._good.pop(digest, None)
        network = network_of(address)
        self._by_credential.take(network.encode() + digest, now)
        self._by_address.take(network.encode(), now)

    def forget(self, digest: bytes) -> None:
        """A credential was good; what is known of it is kept for a time."""
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > MAX_REMEMBERED:
            self._good.popitem(last=False)


class _Buckets:
    """Buckets of ``size`` that fill up again evenly within a minute."""

    def __init__(self, size: int) -> None:
        self._size = size
        # name → (what is in it, when that was so)
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: bytes, now: float) -> float:
        """How long until one more may be taken; 0 where one may be now."""
        missing = 1.0 - self._level(name, now)
        return max(0.0, missing * PER_S / self._size)

    def take(self, name: bytes, now: float) -> None:
        """Take one."""
        self._levels[name] = (max(0.0, self._level(name, now) - 1.0), now)
        self._levels.move_to_end(name)
        if len(self._levels) > MAX_REMEMBERED:
            self._levels.popitem(last=False)

    def _level(self, name: bytes, now: float) -> float:
        level, at = self._levels.get(name, (float(self._size), now))
        return min(float(self._size), level + (now - at) * self._size / PER_S)


def network_of(address: str) -> str:
    """The address, or the /64 of an IPv6 one; text that is no address stands for itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
