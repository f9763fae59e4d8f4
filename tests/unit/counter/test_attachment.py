"""Sizes of images and documents, read off real headers and hostile ones."""

from __future__ import annotations

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.counter.attachment import document_of_file, image_of_url, image_size, read_pdf
from services.counter.prompt import Document, Image, Opaque

JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF"
    + b"\0" * 10
    + b"\xff\xc0\x00\x11\x08"
    + struct.pack(">HH", 20, 30)
)
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 550, 368)
WEBP_LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + (99 | 49 << 14).to_bytes(4, "little")
WEBP_EXTENDED = b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + b"\x0f\0\0" + b"\x07\0\0"


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480), (640, 480)),
        (b"GIF89a" + struct.pack("<HH", 12, 34), (12, 34)),
        (JPEG, (30, 20)),
        (WEBP_LOSSY, (550, 368)),
        (WEBP_LOSSLESS, (100, 50)),
        (WEBP_EXTENDED, (16, 8)),
        (b"", (0, 0)),
        (b"\x89PNG\r\n\x1a\n", (0, 0)),
        (b"<svg/>", (0, 0)),
    ],
)
def test_the_size_stands_in_the_header(head: bytes, size: tuple[int, int]) -> None:
    assert image_size(head) == size


@given(st.sampled_from([b"\xff\xd8", b"GIF89a", b"RIFF0000WEBPVP8 ", b""]), st.binary(max_size=60))
def test_any_bytes_have_a_size(magic: bytes, rest: bytes) -> None:
    width, height = image_size(magic + rest)
    assert width >= 0
    assert height >= 0


def test_an_image_by_address_is_opaque() -> None:
    assert image_of_url("https://example.com/a.png") == Opaque()
    assert image_of_url(None) == Opaque()
    assert image_of_url("data:image/png;base64,%%%") == Image(0, 0)


def pdf(content: bytes, pages: int = 1) -> bytes:
    stream = zlib.compress(content)
    kids = b"".join(b"%d 0 obj << /Type /Page >> endobj\n" % at for at in range(pages))
    return (
        b"%PDF-1.4\n<< /Type /Pages >>\n"
        + kids
        + b"<< /Length 9 >> stream\n"
        + stream
        + b"\nendstream\n%%EOF"
    )


def test_pages_and_shown_strings_of_a_pdf() -> None:
    content = b"BT /F1 12 Tf (Hello) Tj [(Wor) -20 (ld)] TJ <00410042> Tj ET"
    assert read_pdf(pdf(content, pages=3)) == (3, "Hello World xx")


def test_strings_that_are_not_shown_do_not_count() -> None:
    assert read_pdf(pdf(b"q (metadata) /Name Q")) == (1, "")


def test_a_file_part() -> None:
    data = base64.b64encode(pdf(b"BT (Hi) Tj ET")).decode()
    part = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}}
    assert document_of_file(part) == Document(1, "Hi")
    assert document_of_file({"file_id": "file-1"}) == Opaque()


@pytest.mark.parametrize(
    "unit", [b"stream\n", b"(", b"[", b"[(", b"BT (a", b"/Type ", b"/Count ", b"<00", b"BT [(a)"]
)
def test_hostile_pdfs_take_linear_time(unit: bytes) -> None:
    pages, _ = read_pdf(b"BT " + unit * (400_000 // len(unit)))
    assert pages >= 1


def test_a_bomb_inflates_to_a_bound() -> None:
    bomb = pdf(b"BT (" + b"a" * 20_000_000 + b") Tj ET")
    _, text = read_pdf(bomb * 3)
    assert len(text) < 5_000_000
