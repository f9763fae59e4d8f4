"""Where an upstream may stand: https on the public Internet, unless private is allowed.

The letters of a base URL are restricted to those every parser reads alike; a gateway was once
bypassed by two parsers that disagreed on a backslash. What a name resolves to is judged again by
whoever connects.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

# Letters that no two URL parsers read differently: no userinfo, backslash, escape, query, blank.
_URL: Final = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?[\w./~-]*", re.A
)

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def check_base_url(url: str, *, allow_private: bool) -> str | None:
    """What is wrong with a base URL, as the rest of a sentence; None if nothing is."""
    if not _URL.fullmatch(url):
        return "must be http(s)://host[:port][/path] without user, query, escapes or backslashes"
    parts = urlsplit(url)
    try:
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "has a port that cannot be"
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        return "must not hold . or .. in its path"
    if allow_private:
        return None
    if parts.scheme != "https":
        return "must be https (or say allow_private: true)"
    if is_private_host(host):
        return "names a private address (or say allow_private: true)"
    return None


def is_private_host(host: str) -> bool:
    """Whether a URL's host is this machine or an address literal that is not public.

    Names are judged again when they resolve; numbers in any other notation (decimal, octal) count
    as private, for a resolver would read them as addresses.
    """
    name = host.rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public_address(name)
    except ValueError:
        last = name.rpartition(".")[2]
        return last.isdigit() or last.startswith("0x")


def is_public_address(address: str) -> bool:
    """Whether an IP address is on the public Internet; ValueError where it is none."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        found = _embedded(found) or found
    return found.is_global and not found.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, NAT64."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
