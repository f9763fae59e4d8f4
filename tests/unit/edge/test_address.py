"""Where a request comes from: known proxies vouch, from the right, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from edge.address import client_address, parse_proxies

PROXIES = parse_proxies(["10.0.0.0/8", "2001:db8:ffff::/48"])


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": (peer, 1) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", ("198.51.100.9",), "192.0.2.1"),  # a stranger vouches for nobody
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.9",), "198.51.100.9"),
        ("10.0.0.1", ("1.1.1.1, 198.51.100.9",), "198.51.100.9"),  # the left is the caller's word
        ("10.0.0.1", ("198.51.100.9, 10.0.0.2",), "198.51.100.9"),
        ("10.0.0.1", ("1.1.1.1", "198.51.100.9"), "198.51.100.9"),
        ("10.0.0.1", ("198.51.100.9, junk, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("::ffff:10.0.0.1", ("2001:db8::1",), "2001:db8::1"),
        ("2001:db8:ffff::1", ("198.51.100.9",), "198.51.100.9"),
        ("127.0.0.1", ("198.51.100.9",), "127.0.0.1"),  # loopback is not known by itself
        (None, ("198.51.100.9",), ""),
    ],
)
def test_the_first_address_no_proxy_vouches_past(
    peer: str | None, forwarded: tuple[str, ...], address: str
) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == address


def test_without_proxies_the_header_means_nothing() -> None:
    assert client_address(scope("10.0.0.1", "198.51.100.9"), ()) == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|host bits"):
        parse_proxies([text])
