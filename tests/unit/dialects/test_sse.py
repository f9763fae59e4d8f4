"""Bytes into frames: the rules of the standard, whatever way the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import sse
from dialects.errors import RemoteDialectError
from dialects.sse import Frame, FrameSplitter, StreamInlet, render_data, render_frame


def frames_of(*pieces: bytes) -> list[Frame]:
    splitter = FrameSplitter()
    found = [frame for piece in pieces for frame in splitter.receive_data(piece)]
    return found + splitter.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"event: e\ndata: a\n\n", [(b"e", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b": note\n\ndata: a\n\n", [(b"", b"a")]),
        (b": note\ndata: a\n\n", [(b"", b"a")]),
        (b"id: 1\nretry: 3\ndata: a\nevent: e\n\n", [(b"e", b"a")]),
        (b"event: e\n\n", []),
        (b"event: e\n\ndata: a\n\n", [(b"", b"a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: a\n\n\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\r\n\r\nevent: e\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"e", b"b")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"data: a\n\ndata: b", [(b"", b"a"), (b"", b"b")]),
        ("data: a\u2028b\x0bc\n\n".encode(), [(b"", "a\u2028b\x0bc".encode())]),
        (b"event: data: x\ndata: y\n\n", [(b"data: x", b"y")]),
    ],
)
def test_frames(data: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    whole = [(frame.event, frame.data) for frame in frames_of(data)]
    single = [bytes([byte]) for byte in data]
    assert whole == expected
    assert frames_of(*single) == frames_of(data)


LINES = st.sampled_from(
    [
        b"data: x",
        b"data:",
        b"data: {}",
        b"event: e",
        b": c",
        b"",
        b"id: 7",
        b"\xef\xbb\xbf",
        b"\xc3",
    ]
)


@given(
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\n\n", b"\r\n", b"\r"])), max_size=12),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_any_cut_gives_the_same_frames(lines: list[tuple[bytes, bytes]], places: list[int]) -> None:
    data = b"".join(line + end for line, end in lines)
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert frames_of(*pieces) == frames_of(data)


@pytest.mark.parametrize("end", [b"", b"\n\n", b"\r\n"])
def test_a_frame_without_bounds_is_refused(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME_BYTES", 100)
    with pytest.raises(RemoteDialectError):
        frames_of(b"data: " + b"x" * 60, b"x" * 60 + end)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_body_in_place_of_a_stream_is_kept_whole(size: int) -> None:
    for body in (b'{"error": "x"}', b"[1]", b"<html></html>", b"\r\n \xef\xbb\xbf{}"):
        inlet = StreamInlet()
        for at in range(0, len(body), size):
            assert inlet.receive_data(body[at : at + size]) == []
        assert inlet.close() == []
        assert inlet.body == body


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_stream_is_no_body_whatever_comes_first(size: int) -> None:
    data = b"\n\n: hello\n\ndata: {}\n\n"
    inlet = StreamInlet()
    frames = [
        f for at in range(0, len(data), size) for f in inlet.receive_data(data[at : at + size])
    ]
    assert [frame.data for frame in frames + inlet.close()] == [b"{}"]
    assert inlet.body is None


def test_a_body_without_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_BODY_BYTES", 10)
    inlet = StreamInlet()
    with pytest.raises(RemoteDialectError):
        inlet.receive_data(b"{" + b"x" * 20)


def test_what_is_rendered_is_read() -> None:
    data = render_frame("e", b"{}") + render_data(b"[1]")
    assert frames_of(data) == [Frame(b"e", b"{}"), Frame(b"", b"[1]")]
