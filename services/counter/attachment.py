"""Images and documents inside a body: how large they are, read off their own headers."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from services.counter.prompt import Block, Document, Image, Opaque, Text

_HEAD_CHARS = 262_144
_PDF_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PDF_COUNT = re.compile(rb"/Count\s+(\d{1,6})")
_PDF_TEXT = re.compile(rb"\bBT\b")
# A shown string: (literal) or <glyph numbers>, alone before Tj or in an array before TJ.
_PDF_STRING = re.compile(rb"\(((?:[^()\\]|\\.)*+)\)|<([0-9A-Fa-f\s]*+)>", re.DOTALL)
_PDF_SHOW = re.compile(
    rb"(?:\((?:[^()\\]|\\.)*+\)|<[0-9A-Fa-f\s]*+>)\s*+Tj"
    rb"|\[(?:\((?:[^()\\]|\\.)*+\)|[^][()])*+\]\s*+TJ",
    re.DOTALL,
)
_INFLATED_BYTES = 4_194_304


def image_of_source(source: Any, *, is_low_detail: bool = False) -> Image | Opaque:
    """An Anthropic image source; what is not base64 stands at the provider or on the web."""
    if not isinstance(source, dict) or source.get("type") != "base64":
        return Opaque()
    return _image_of_base64(source.get("data"), is_low_detail=is_low_detail)


def image_of_url(url: Any, *, is_low_detail: bool = False) -> Image | Opaque:
    """An OpenAI image: a ``data:`` URL, or something only the provider can fetch."""
    if not isinstance(url, str) or not url.startswith("data:"):
        return Opaque()
    return _image_of_base64(url.partition(",")[2], is_low_detail=is_low_detail)


def _image_of_base64(data: Any, *, is_low_detail: bool) -> Image:
    head = _decode(data[:_HEAD_CHARS]) if isinstance(data, str) else b""
    width, height = image_size(head)
    return Image(width, height, is_low_detail)


def _decode(data: str) -> bytes:
    try:
        return base64.b64decode(data[: len(data) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def image_size(head: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a PNG, JPEG, GIF or WebP; (0, 0) if unknown."""
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", head, 16)
            return width, height
        if head[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack_from("<HH", head, 6)
            return width, height
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _webp_size(head)
        if head.startswith(b"\xff\xd8"):
            return _jpeg_size(head)
    except (struct.error, IndexError):
        pass
    return 0, 0


def _webp_size(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        return (
            1 + int.from_bytes(head[24:27], "little"),
            1 + int.from_bytes(head[27:30], "little"),
        )
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(head: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            at += 1
            continue
        marker = head[at + 1]
        # Start-of-frame markers; C4, C8 and CC among them mean something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return 0, 0


def document_of_block(
    block: dict[str, Any], read_content: Callable[[Any], tuple[Block, ...]]
) -> Document | Opaque:
    """An Anthropic document block: plain text, content blocks, or a PDF."""
    source = block.get("source")
    if not isinstance(source, dict):
        return Opaque()
    citations = block.get("citations")
    has_citations = isinstance(citations, dict) and citations.get("enabled") is True
    caption = "".join(
        text for key in ("title", "context") if isinstance(text := block.get(key), str)
    )
    data = source.get("data")
    match source.get("type"):
        case "text" if isinstance(data, str):
            return Document(0, caption + data, has_citations)
        case "content":
            texts = [
                part.text for part in read_content(source.get("content")) if isinstance(part, Text)
            ]
            return Document(0, caption + "".join(texts), has_citations)
        case "base64" if isinstance(data, str):
            pages, text = read_pdf(_decode(data))
            return Document(pages, caption + text, has_citations)
    return Opaque()


def document_of_file(part: dict[str, Any]) -> Document | Opaque:
    """An OpenAI file part: a ``data:`` URL of a PDF, or a file at the provider."""
    inner = part.get("file")
    data = (inner if isinstance(inner, dict) else part).get("file_data")
    if not isinstance(data, str):
        return Opaque()
    pages, text = read_pdf(_decode(data.partition(",")[2] or data))
    return Document(pages, text)


def read_pdf(data: bytes) -> tuple[int, str]:
    """(pages, text) of a PDF without rendering it: page objects counted, shown strings gathered.

    Both are estimates. Fonts that number their glyphs show as many characters as glyphs.
    """
    streams = list(_inflate_streams(data))
    pages = sum(len(_PDF_PAGE.findall(part)) for part in (data, *streams))
    if not pages:
        counts = [int(count) for part in (data, *streams) for count in _PDF_COUNT.findall(part)]
        pages = max(counts, default=1)
    shown = [_shown_text(part) for part in (*streams, data) if _PDF_TEXT.search(part)]
    return pages, "\n".join(shown)


def _shown_text(content: bytes) -> str:
    """The strings a content stream shows; those of one array are pieces of one line."""
    lines: list[str] = []
    for match in _PDF_SHOW.finditer(content):
        line = b"".join(
            literal or b"x" * (len(glyphs) // 4)
            for literal, glyphs in _PDF_STRING.findall(match[0])
        )
        lines.append(line.decode("latin-1"))
    return " ".join(lines)


def _inflate_streams(data: bytes) -> Iterator[bytes]:
    """The compressed streams of a PDF, inflated up to a bound in all."""
    room = _INFLATED_BYTES
    end = 0
    while room > 0 and (start := data.find(b"stream", end)) >= 0:
        start += len(b"stream")
        end = data.find(b"endstream", start)
        if end < 0:
            return
        try:
            part = zlib.decompressobj().decompress(data[start:end].lstrip(b"\r\n"), room)
        except zlib.error:
            part = b""
        end += len(b"endstream")
        room -= max(len(part), 1)
        if part:
            yield part
