"""Half characters: joined where their halves meet, replaced where they stay alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.surrogate import Mender, mend_text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("plain", "plain"),
        ("ü😀", "ü😀"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_text(text: str, mended: str) -> None:
    assert mend_text(text) == mended


@given(st.text(st.sampled_from("aü😀\ud83d\ude00"), max_size=12), st.integers(1, 4))
def test_any_cut_mends_to_the_same_text(text: str, size: int) -> None:
    mender = Mender()
    pieces = [mender.add(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(pieces) + mender.close() == mend_text(text)
