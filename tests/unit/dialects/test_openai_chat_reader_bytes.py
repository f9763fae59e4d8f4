"""Any bytes, however they are cut or broken, are read to an end."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dialects.events import (
    NEED_DATA,
    End,
    Failure,
)
from dialects.openai_chat import DIALECT
from tests.unit.dialects.openai_chat_stream import (
    DONE,
    call,
    chunk,
    cut,
    frame,
    read,
    read_stream,
    texts,
)

ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
TOOLS = chunk({}, "tool_calls")


def test_encrypted_details_alone_make_a_block_without_text() -> None:
    detail = {"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1"}

    answer = read(chunk({"reasoning_details": [detail]}), chunk({"content": "t"}), STOP, DONE)

    assert texts(answer) == [("reasoning", ""), ("text", "t")]
    assert "gAAA" in answer.blocks[0][4][0]


def test_nothing_comes_after_the_end() -> None:
    reader = DIALECT.reader()
    reader.receive_data(STOP + DONE + chunk({"content": "late"}))
    while reader.next_event() is not NEED_DATA:
        pass
    reader.receive_data(chunk({"content": "later"}))
    reader.close()

    assert reader.next_event() is NEED_DATA


MIXED = b"".join(
    [
        b"\xef\xbb\xbf: OPENROUTER PROCESSING\r\n\r\n",
        ROLE,
        chunk({"reasoning": "öß"}).replace(b"data: ", b"data:"),
        chunk({"content": "日本 😀\u2028"}).replace(b"\n", b"\r\n"),
        call(0, "c1", "f", '{"a":"é"'),
        call(1, "c2", "g", "{}"),
        call(0, None, None, "}"),
        chunk({}, "tool_calls", usage={"prompt_tokens": 3, "completion_tokens": 2}),
        DONE,
    ]
)


@given(st.lists(st.integers(0, len(MIXED)), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(places: list[int]) -> None:
    edges = [0, *sorted(places), len(MIXED)]

    parts = [MIXED[a:b] for a, b in itertools.pairwise(edges)]

    assert read_stream(parts) == read_stream([MIXED])


def test_a_split_at_every_byte_gives_the_same_events() -> None:
    assert read_stream(cut(MIXED, 1)) == read_stream([MIXED])


@given(
    st.lists(
        st.sampled_from(
            [
                *(ROLE, STOP, TOOLS, DONE, MIXED[:90], MIXED[90:200]),
                *(call(0, "c", "f", "{"), call(1, "d", None, "}"), call(None, None, None, "}")),
                chunk({"content": [{"type": "x"}, 3], "tool_calls": [{}, None, 7]}),
                chunk([]),
                frame({"choices": {"a": 1}, "usage": [], "id": 4, "created": "x", "model": {}}),
                b"data: nope\n\n",
                b"\x00\xff\n\n",
            ]
        ),
        max_size=12,
    )
)
def test_shuffled_and_broken_frames_never_raise_and_always_end(parts: list[bytes]) -> None:
    assert isinstance(read_stream(parts)[-1], End | Failure)


@given(st.binary(max_size=200))
def test_noise_never_raises(data: bytes) -> None:
    assert isinstance(read_stream([data])[-1], End | Failure)
