"""Images and documents as clients send them: data URIs, and what the bytes themselves say."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_DATA_URI: Final = re.compile(r"data:([^,;]*)((?:;[^,;]*)*?);base64,", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_HEAD_CHARS: Final = 24  # of base64: enough for every signature below

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def is_data_uri(text: str) -> bool:
    """Whether ``text`` claims to be one."""
    return text[:5].lower() == "data:"


def is_https(url: str) -> bool:
    """The only addresses a provider is asked to fetch from."""
    return url[:8].lower() == "https://"


def parse_data_uri(uri: str) -> tuple[str, str]:
    """Media type and base64 text, without blanks; ValueError says what is wrong with it.

    Parameters such as a charset are passed over. A label the bytes contradict is corrected:
    Anthropic refuses a wrong one.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        raise ValueError("A data URI must be base64.")
    data = clean_base64(uri[head.end() :])
    return sniff(data) or head[1].strip().lower() or "application/octet-stream", data


def clean_base64(text: str) -> str:
    """Base64 without the blanks some clients break it with; ValueError where it is none."""
    data = "".join(text.split())
    if not _BASE64.fullmatch(data) or len(data) % 4 == 1:
        raise ValueError("The data is not base64.")
    return data


def sniff(data: str) -> str | None:
    """The media type that the first bytes of base64 ``data`` tell, where they tell one."""
    try:
        begin = base64.b64decode(data[:_HEAD_CHARS])
    except binascii.Error:
        return None
    if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if begin.startswith(magic)), None)
