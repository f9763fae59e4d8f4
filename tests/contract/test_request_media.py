"""Images and documents on the way to a provider that spells or reads them otherwise."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.contract.carrying import carry, chat, refused, said

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and its pixels").decode()
JPEG = base64.b64encode(b"\xff\xd8\xff and its pixels").decode()


def shown(road: str, uri: Any) -> dict[str, Any]:
    """A client's message with an image."""
    if road[0] == "R":
        return {"input": [said([{"type": "input_image", "image_url": uri}])]}
    return chat(said([{"type": "image_url", "image_url": uri}]))


@pytest.mark.edge(38)
@pytest.mark.parametrize("road", ["C→A", "R→A"])
@pytest.mark.parametrize(
    ("uri", "media_type", "data"),
    [
        (f"data:image/png;base64,{PNG}", "image/png", PNG),
        (f"DATA:image/PNG;BASE64,{PNG}", "image/png", PNG),
        (f"data:image/png;charset=utf-8;base64,{PNG}", "image/png", PNG),
        (f"data:image/png;base64,{PNG[:9]}\r\n {PNG[9:]}\n", "image/png", PNG),
        (f"data:image/png;base64,{JPEG}", "image/jpeg", JPEG),
        (f"data:;base64,{PNG}", "image/png", PNG),
    ],
)
def test_a_data_uri_is_read_however_it_is_written(
    road: str, uri: str, media_type: str, data: str
) -> None:
    for value in (uri, {"url": uri}):
        (block,) = carry(road, shown(road, value)).body["messages"][0]["content"]
        assert block["source"] == {"type": "base64", "media_type": media_type, "data": data}


@pytest.mark.edge(38)
@pytest.mark.parametrize("road", ["C→A", "R→A", "C→R", "R→C"])
@pytest.mark.parametrize(
    "uri",
    ["data:image/png,raw", "data:image/png;base64,***", "data:image/png;base64,", "data:image/png"],
)
def test_a_data_uri_that_is_none_is_refused_by_name(road: str, uri: str) -> None:
    param = refused(road, shown(road, uri)).param or ""
    assert param.endswith("image_url")
    assert param.startswith("input[0]" if road[0] == "R" else "messages.0")


@pytest.mark.edge(38)
@pytest.mark.parametrize("kind", ["image/svg+xml", "image/bmp", "image/tiff"])
def test_an_image_anthropic_does_not_read_is_refused(kind: str) -> None:
    data = base64.b64encode(b"some other image").decode()

    assert refused("C→A", shown("C→A", f"data:{kind};base64,{data}")).param == "messages.0"


@pytest.mark.parametrize("road", ["C→A", "R→A", "C→R", "R→C", "A→C", "A→R"])
def test_an_address_is_handed_on_unread_and_only_if_it_is_https(road: str) -> None:
    def asked(url: str) -> dict[str, Any]:
        if road[0] == "A":
            return chat(said([{"type": "image", "source": {"type": "url", "url": url}}]))
        return shown(road, url)

    assert "https://e.org/a.png" in str(carry(road, asked("https://e.org/a.png")).body)
    assert refused(road, asked("http://169.254.169.254/latest")).param


def test_a_text_file_becomes_words_and_a_pdf_keeps_its_name() -> None:
    text = base64.b64encode("Grüße".encode()).decode()
    pdf = base64.b64encode(b"%PDF-1.4").decode()
    files = [
        {
            "type": "file",
            "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{text}"},
        },
        {"type": "file", "file": {"filename": "b.pdf", "file_data": pdf}},
    ]
    words, paper = carry("C→A", chat(said(files))).body["messages"][0]["content"]

    assert words["source"] == {"type": "text", "media_type": "text/plain", "data": "Grüße"}
    assert paper["source"]["media_type"] == "application/pdf"
    assert [words["title"], paper["title"]] == ["a.txt", "b.pdf"]


def test_a_document_of_blocks_keeps_its_images() -> None:
    image = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "text", "text": "see"}, {"type": "image", "source": image}]
    document = {"type": "document", "title": "T", "source": {"type": "content", "content": content}}
    parts = carry("A→C", chat(said([document]))).body["messages"][0]["content"]

    assert [part["type"] for part in parts] == ["text", "text", "image_url"]
    assert parts[0]["text"] == "T"
