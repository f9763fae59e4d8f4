"""Emulated stop sequences (edge cases 36 and 65)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialects.events import (
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    End,
    Event,
    Finish,
    FinishReason,
    Grammar,
    Start,
    State,
)
from dialects.stop import StopCutter


def events_of(pieces: list[str], kind: BlockKind = BlockKind.TEXT) -> list[Event]:
    return [
        Start("id", "model"),
        BlockOpen(0, kind),
        *(BlockDelta(0, piece) for piece in pieces),
        BlockClose(0),
        Finish(FinishReason.STOP),
        End(),
    ]


def run(events: list[Event], stops: list[str]) -> tuple[str, Finish, StopCutter]:
    cutter, grammar, text, finish = StopCutter(stops), Grammar(), "", None
    for event in events:
        for shown in cutter.pass_event(event):
            grammar.check_next(shown)
            if isinstance(shown, BlockDelta):
                text += shown.text
            elif isinstance(shown, Finish):
                finish = shown
    assert grammar.state is State.DONE
    assert finish is not None
    return text, finish, cutter


@given(
    st.lists(st.text(alphabet="abX", max_size=4), max_size=12),
    st.lists(st.text(alphabet="abX", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_case_65_any_split_cuts_where_the_whole_text_would(
    pieces: list[str], stops: list[str]
) -> None:
    whole = "".join(pieces)
    text, finish, cutter = run(events_of(pieces), stops)
    assert whole.startswith(text)
    if cutter.is_cut:
        assert finish.reason is FinishReason.STOP_SEQUENCE
        assert finish.stop_text in stops
        assert whole[len(text) :].startswith(finish.stop_text or "?")
        assert not any(stop in text for stop in stops)
    else:
        assert text == whole
        assert not any(stop in whole for stop in stops)


def test_case_65_stop_words_in_reasoning_and_arguments_do_not_count() -> None:
    for kind in (BlockKind.REASONING, BlockKind.TOOL):
        text, finish, cutter = run(events_of(["a STOP b"], kind), ["STOP"])
        assert (text, finish.reason, cutter.is_cut) == ("a STOP b", FinishReason.STOP, False)


def test_what_could_begin_a_stop_is_held_only_until_it_cannot() -> None:
    cutter = StopCutter(["STOP"])
    shown = [
        [shown.text for shown in cutter.pass_event(event) if isinstance(shown, BlockDelta)]
        for event in events_of(["one ST", "ill", " ST"])
    ]
    assert shown[2] == ["one "]
    assert shown[3] == ["STill"]
    assert shown[4] == [" "]
    assert shown[5] == ["ST"]
