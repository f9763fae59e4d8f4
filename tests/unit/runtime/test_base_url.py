"""Where an upstream may stand."""

from __future__ import annotations

import pytest

from runtime.base_url import check_base_url, is_public_address


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "https://api.openai.com/v1",
        "https://host.example:8443/a/b-c_d~e.f",
        "https://[2606:4700::1111]/v1",
        "https://1.1.1.1",
    ],
)
def test_public_https_is_fine(url: str) -> None:
    assert check_base_url(url, allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "https://localhost/v1",
        "https://api.localhost",
        "https://localhost./v1",
        "https://metadata.google.internal",
        "https://127.0.0.1",
        "https://10.0.0.1/v1",
        "https://169.254.169.254/latest",
        "https://192.168.1.1",
        "https://[::1]/v1",
        "https://[::ffff:127.0.0.1]/v1",
        "https://[fe80::1]",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
    ],
)
def test_private_places_must_be_allowed(url: str) -> None:
    assert check_base_url(url, allow_private=False)
    assert check_base_url(url, allow_private=True) is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "//example.com",
        "https://",
        "https://user:pass@example.com",
        "https://example.com@127.0.0.1",
        "https://example.com\\@127.0.0.1",
        "https:\\\\example.com",
        "https://example.com/v1?x=1",
        "https://example.com/v1#x",
        "https://example.com/a/../b",
        "https://example.com/%2e%2e/",
        "https://example.com/\r\nx: y",
        "https://example.com/ ",
        "https://exämple.com",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://[zz::1]/",
        "https://[::1",
    ],
)
def test_what_two_parsers_may_read_differently_is_refused(url: str) -> None:
    assert check_base_url(url, allow_private=False)
    assert check_base_url(url, allow_private=True)


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("fd00::1", False),
    ],
)
def test_public_addresses(address: str, is_public: bool) -> None:
    assert is_public_address(address) is is_public
