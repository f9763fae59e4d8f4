"""Bodies as strangers send them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dialects.body import BodyError, find_places, find_repeated, splice, top_level
from edge.body import MAX_DEPTH, ClientGoneError, parse_body, read_body
from runtime.faults import Reason, ServiceFault

LIMIT = 1_000
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Sender:
    """A client's body in pieces; ``leaves`` closes the connection after them."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        last = {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""}
        self._messages.append(last)

    async def __call__(self) -> dict[str, Any]:
        return self._messages.pop(0)


async def read(*pieces: bytes, limit: int = LIMIT, **headers: bytes) -> bytes:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return await read_body(Sender(*pieces), named, limit)  # type: ignore[arg-type]


async def refused(*pieces: bytes, **headers: bytes) -> Reason:
    with pytest.raises(ServiceFault) as caught:
        await read(*pieces, **headers)
    return caught.value.reason


async def test_pieces_are_joined() -> None:
    assert await read(b"ab", b"", b"c") == b"abc"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
async def test_compressed_bodies(compress: Any) -> None:
    encoding = b"gzip" if compress is gzip.compress else b"zstd"
    data = compress(b"x" * LIMIT)

    assert await read(data, content_encoding=encoding) == b"x" * LIMIT
    assert await refused(compress(b"x" * 10**7), content_encoding=encoding) is Reason.TOO_LARGE
    assert await refused(b"plain", content_encoding=encoding) is Reason.INVALID_REQUEST


async def test_a_declared_size_is_refused_before_a_byte_is_read() -> None:
    sender = Sender(b"never read")
    with pytest.raises(ServiceFault):
        await read_body(sender, {b"content-length": b"1001"}, LIMIT)  # type: ignore[arg-type]

    assert (await sender())["body"] == b"never read"


async def test_bodies_without_a_declared_size_are_cut_at_the_limit() -> None:
    assert await refused(*[b"x" * 100] * 11) is Reason.TOO_LARGE


async def test_unknown_encodings_are_named() -> None:
    assert await refused(b"x", content_encoding=b"br") is Reason.INVALID_REQUEST


async def test_a_client_that_leaves() -> None:
    with pytest.raises(ClientGoneError):
        await read_body(Sender(b"half", leaves=True), {}, LIMIT)  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH + 1, 1_000, 5_000])
def test_nesting_has_a_limit(depth: int) -> None:
    body = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    if depth < MAX_DEPTH:
        parse_body(body)
        return
    with pytest.raises(ServiceFault):
        parse_body(body)


def test_a_message_about_bad_json_does_not_quote_it() -> None:
    with pytest.raises(ServiceFault) as caught:
        parse_body(b'{"secret": "a very private thing", oops}')

    assert "private" not in caught.value.message
    assert "line 1" in caught.value.message


@pytest.mark.parametrize("key", [b'"model"', b'"mod\\u0065l"'])
def test_a_deciding_key_stands_once(key: bytes) -> None:
    with pytest.raises(ServiceFault, match="more than once"):
        parse_body(b'{"model": "a", "x": {"model": 1}, ' + key + b': "b"}')
    parse_body(b'{"model": "a", "x": {"model": 1, "model": 2}, "y": "\\"model\\""}')


@given(st.dictionaries(st.text(), VALUES), st.booleans())
def test_the_scan_sees_what_a_parser_sees(body: dict[str, Any], is_ascii: bool) -> None:
    text = json.dumps(body, ensure_ascii=is_ascii, indent=1).encode("utf-8", "replace")

    found = {key: json.loads(text[begin:end]) for key, begin, end in top_level(text)}

    assert found == json.loads(text)


@given(st.dictionaries(st.text(), VALUES), st.text(st.characters(codec="utf-8")))
def test_only_the_model_changes(body: dict[str, Any], model: str) -> None:
    text = json.dumps({**body, "model": "old"}, ensure_ascii=False).encode("utf-8", "replace")
    places = find_places(text, {"model"})
    begin, end = places["model"]
    before, after = text[:begin], text[end:]

    spliced = splice(text, places, {"model": model})

    assert spliced.startswith(before)
    assert spliced.endswith(after)
    assert json.loads(spliced)["model"] == model


@given(st.binary(max_size=60))
def test_noise_is_refused_or_scanned_and_nothing_else(data: bytes) -> None:
    for noise in (data, b'{"model":"m",' + data, b'{"a":[' + data):
        try:
            find_repeated(noise, frozenset({"model"}))
            find_places(noise, {"model"})
        except BodyError:
            pass
