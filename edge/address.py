"""Where a request comes from, behind proxies that are known and no others.

``X-Forwarded-For`` is read only when the connection itself comes from a configured proxy, and from
the right: each known proxy vouches for the entry before its own. The first entry that is no known
proxy is the caller; what stands left of it was written by the caller and means nothing. Loopback is
not known by itself.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from typing import Final

from starlette.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The longest there is, a zone's name included.
MAX_TEXT: Final = 64


def parse_proxies(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; ValueError for anything else."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def client_address(scope: Scope, proxies: tuple[Network, ...]) -> str:
    """The caller's address; "" where the connection has none."""
    client = scope.get("client")
    peer = client[0] if client else ""
    address = _parse(peer)
    if address is None:
        return ""
    if not proxies or not _is_known(address, proxies):
        return _text_of(address)
    hops = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for hop in reversed(hops.split(b",")):
        given = _parse(hop.decode("latin-1").strip())
        if given is None:
            break
        address = given
        if not _is_known(address, proxies):
            break
    return _text_of(address)


def _parse(text: str) -> Address | None:
    return _read(text) if len(text) <= MAX_TEXT else None


@functools.lru_cache(maxsize=4_096)
def _read(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


_text_of = functools.lru_cache(maxsize=4_096)(str)


def _is_known(address: Address, proxies: tuple[Network, ...]) -> bool:
    return any(address in network for network in proxies)
