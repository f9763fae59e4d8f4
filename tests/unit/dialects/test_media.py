"""Data URIs and the bytes in them."""

from __future__ import annotations

import base64

import pytest

from dialects.media import clean_base64, is_data_uri, is_https, parse_data_uri, sniff


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"BM", None),
        (b"", None),
    ],
)
def test_bytes_tell_what_they_are(begin: bytes, kind: str | None) -> None:
    assert sniff(base64.b64encode(begin + b"\x00" * 9).decode()) == kind


def test_a_label_stands_where_the_bytes_tell_nothing() -> None:
    assert parse_data_uri("data:Text/Plain;charset=utf-8;base64,SGk=") == ("text/plain", "SGk=")
    assert parse_data_uri("data:;base64,SGk=") == ("application/octet-stream", "SGk=")


@pytest.mark.parametrize("text", ["", "a", "A===", "A B!", "é", "====", "AAAAA"])
def test_what_is_not_base64_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="not base64"):
        clean_base64(text)


def test_only_https_is_an_address() -> None:
    assert is_https("HTTPS://e.org")
    assert not any(map(is_https, ("http://e.org", "file:///etc", "//e.org", " https://e.org", "")))
    assert is_data_uri("DATA:x")
