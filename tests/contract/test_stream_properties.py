"""What holds for any stream: any cut, any legal order of events, any damage on the way."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.bridge import StreamBridge
from dialects.errors import Fault, FaultClass, LocalDialectError
from dialects.events import (
    TRANSITIONS,
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    NeedData,
    Start,
    State,
    Tick,
    UsageReport,
)
from dialects.registry import DIALECTS
from dialects.usage import Usage
from tests.contract.journeys import CELLS, TOOLS, carry, context_of, read

CARRIERS = {
    "anthropic_messages": "anthropic",
    "openai_chat": "openai",
    "openai_responses": "openai",
}
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.one_of(st.integers(), TEXTS), max_size=3).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)
COUNTS = st.integers(0, 10_000)

Block = tuple[BlockKind, list[str], bool]  # what it is, its pieces, whether it is signed


def pieces_of(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


BLOCKS = st.one_of(
    st.tuples(
        st.sampled_from([BlockKind.TEXT, BlockKind.REFUSAL]),
        st.lists(TEXTS, max_size=3),
        st.just(False),
    ),
    st.tuples(st.just(BlockKind.REASONING), st.lists(TEXTS, max_size=3), st.booleans()),
    st.tuples(
        st.just(BlockKind.TOOL),
        st.builds(pieces_of, ARGUMENTS, st.integers(1, 9)),
        st.just(False),
    ),
    st.tuples(st.just(BlockKind.CUSTOM_TOOL), st.lists(TEXTS, max_size=3), st.just(False)),
)


@st.composite
def answers(draw: Any) -> tuple[list[Block], Usage, bool]:
    """Blocks, what was used, and whether the answer was cut by its length."""
    blocks = draw(st.lists(BLOCKS, max_size=6))
    if any(kind in TOOLS for kind, *_ in blocks):
        blocks = [block for block in blocks if block[0] is not BlockKind.REFUSAL]
    fresh, read, output = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    usage = Usage(fresh, read, 0, None, output, draw(st.integers(0, output)))
    return blocks, usage, draw(st.booleans())


def events_of(answer: tuple[list[Block], Usage, bool], carrier: str) -> list[Event]:
    """The answer as a legal stream, with signs of life and early usage in between."""
    blocks, usage, is_cut = answer
    kinds = {kind for kind, *_ in blocks}
    events: list[Event] = [Start("msg_up", "m", 7, Usage(input=1)), Tick()]
    for n, (kind, pieces, is_signed) in enumerate(blocks):
        is_tool = kind in TOOLS
        name = f"tool_{n}" if is_tool else None
        events.append(BlockOpen(n, kind, f"call_{n}" if is_tool else None, name))
        for piece in pieces:
            events += [BlockDelta(n, piece), Tick()]
        if is_signed:
            events.append(BlockSignature(n, carrier, f"signature {n}"))
        events += [BlockClose(n), UsageReport(Usage(output=1))]
    if is_cut:
        reason = FinishReason.LENGTH
    elif kinds & set(TOOLS):
        reason = FinishReason.TOOL_CALLS
    else:
        is_refused = any(k is BlockKind.REFUSAL and any(p) for k, p, _ in blocks)
        reason = FinishReason.REFUSAL if is_refused else FinishReason.STOP
    return [*events, Finish(reason), UsageReport(usage), Tick(), End()]


def expected(dialect: str, blocks: list[Block]) -> list[tuple[str, str, str | None]]:
    """What a dialect keeps of the blocks: kind, text, signature (the loss table, applied)."""
    kept: list[tuple[str, str, str | None]] = []
    for n, (kind, pieces, is_signed) in enumerate(blocks):
        text, signature = "".join(pieces), f"signature {n}" if is_signed else None
        if dialect == "openai_chat":
            signature = None  # sealed into an envelope; test_dialect_matrix opens it
        if kind is BlockKind.TOOL:
            kept.append(("tool", text or "{}", None))
        elif kind is BlockKind.CUSTOM_TOOL and dialect == "anthropic_messages":
            kept.append(("tool", json.dumps({"input": text}), None))
        elif kind is BlockKind.CUSTOM_TOOL:
            kept.append(("custom_tool", text, None))
        elif text or signature:
            is_text = kind is BlockKind.REFUSAL and dialect == "anthropic_messages"
            kept.append(("text" if is_text else kind.value, text, signature))
    return merge(kept) if dialect == "openai_chat" else kept


def merge(blocks: list[tuple[str, str, str | None]]) -> list[tuple[str, str, str | None]]:
    """Chat has no border between two texts of one kind."""
    merged: list[tuple[str, str, str | None]] = []
    for kind, text, signature in blocks:
        if merged and merged[-1][0] == kind and "tool" not in kind:
            merged[-1] = (kind, merged[-1][1] + text, signature)
        else:
            merged.append((kind, text, signature))
    return merged


def found(events: list[Event]) -> list[tuple[str, str, str | None]]:
    blocks: list[tuple[str, str, str | None]] = []
    for event in events:
        match event:
            case BlockOpen():
                blocks.append((event.kind.value, "", None))
            case BlockDelta():
                blocks[-1] = (blocks[-1][0], blocks[-1][1] + event.text, blocks[-1][2])
            case BlockSignature():
                blocks[-1] = (blocks[-1][0], blocks[-1][1], event.data)
    return blocks


def plain(blocks: list[tuple[str, str, str | None]]) -> list[tuple[str, str, str | None]]:
    """Arguments compared by what they mean: a wrapped free text may be escaped either way."""
    return [
        (kind, json.dumps(json.loads(text)) if kind == "tool" else text, signature)
        for kind, text, signature in blocks
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(answer=answers())
def test_any_legal_stream_survives_being_written_and_read(
    dialect: str, answer: tuple[list[Block], Usage, bool]
) -> None:
    events = events_of(answer, CARRIERS[dialect])
    writer = DIALECTS[dialect].writer(context_of(seal=None))
    again = read(DIALECTS[dialect], b"".join(map(writer.send, events)))
    assert plain(found(again)) == plain(expected(dialect, answer[0]))
    usage = Usage()
    for event in again:
        if isinstance(event, (Start, UsageReport)):
            usage = usage.merge(event.usage)
    assert (usage.total_input, usage.output) == (answer[1].total_input, answer[1].output)
    assert usage.reasoning == answer[1].reasoning
    (reason,) = (event.reason for event in again if isinstance(event, Finish))
    assert reason in {event.reason for event in events if isinstance(event, Finish)}


@pytest.mark.parametrize(("source", "target"), CELLS)
@given(answer=answers(), places=st.lists(st.integers(0, 4_000), max_size=9))
def test_any_cut_of_the_bytes_gives_the_same_stream(
    source: str, target: str, answer: tuple[list[Block], Usage, bool], places: list[int]
) -> None:
    writer = DIALECTS[source].writer(context_of(seal=None))
    data = b"".join(map(writer.send, events_of(answer, CARRIERS[source])))
    edges = [0, *sorted(place for place in places if place < len(data)), len(data)]
    bridge = StreamBridge(DIALECTS[source].reader(), DIALECTS[target].writer(context_of(seal=None)))
    cut = b"".join(bridge.receive_data(data[a:b]) for a, b in itertools.pairwise(edges))
    assert cut + bridge.close() == carry(source, target, data, seal=None)


@pytest.mark.parametrize(("source", "target"), CELLS)
@given(answer=answers(), chance=st.randoms(use_true_random=False))
def test_damaged_streams_never_raise_and_always_end(
    source: str, target: str, answer: tuple[list[Block], Usage, bool], chance: Any
) -> None:
    """Frames lost, doubled, swapped and cut in two; the client's grammar holds all the same."""
    writer = DIALECTS[source].writer(context_of())
    data = b"".join(map(writer.send, events_of(answer, CARRIERS[source])))
    frames = re.findall(rb".*?\n\n", data, re.DOTALL)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(frames))
        match chance.randrange(4):
            case 0:
                frames[place] = b""
            case 1:
                frames.insert(place, frames[place])
            case 2:
                frames[place] = frames[place][: chance.randrange(len(frames[place]) + 1)]
            case _:
                chance.shuffle(frames)
    last = read(DIALECTS[target], carry(source, target, b"".join(frames)))[-1]
    assert isinstance(last, (End, Failure))


@pytest.mark.parametrize(("source", "target"), CELLS)
@given(answer=answers())
def test_what_was_used_is_known_wherever_a_stream_is_left(
    source: str, target: str, answer: tuple[list[Block], Usage, bool]
) -> None:
    """At every event the bridge knows what a reader of the same bytes has been told so far."""
    writer = DIALECTS[source].writer(context_of())
    pieces = [writer.send(event) for event in events_of(answer, CARRIERS[source])]
    bridge = StreamBridge(DIALECTS[source].reader(), DIALECTS[target].writer(context_of()))
    reader, usage = DIALECTS[source].reader(), Usage()
    for piece in pieces:
        bridge.receive_data(piece)
        reader.receive_data(piece)
        while not isinstance(event := reader.next_event(), NeedData):
            if isinstance(event, (Start, UsageReport)):
                usage = usage.merge(event.usage)
        assert bridge.usage == usage
    assert (usage.total_input, usage.output) == (answer[1].total_input, answer[1].output)


EVERY_EVENT: tuple[Event, ...] = (
    Start("msg_1", "m"),
    BlockOpen(0, BlockKind.TEXT),
    BlockDelta(0, "x"),
    BlockSignature(0, "anthropic", "s"),
    Annotation(0, "openai_chat", {"type": "url_citation", "url_citation": {"url": "u"}}),
    BlockClose(0),
    UsageReport(Usage(output=1)),
    Finish(FinishReason.STOP),
    End(),
    Failure(Fault(FaultClass.UPSTREAM_ERROR, "broken")),
    Tick(),
)
# The shortest way into each state.
WAYS: dict[State, tuple[Event, ...]] = {
    State.IDLE: (),
    State.OPEN: EVERY_EVENT[:1],
    State.IN_BLOCK: (EVERY_EVENT[0], BlockOpen(0, BlockKind.TEXT), BlockDelta(0, "x")),
    State.FINISHED: (EVERY_EVENT[0], Finish(FinishReason.STOP)),
    State.DONE: (EVERY_EVENT[0], Finish(FinishReason.STOP), End()),
}


def test_the_table_knows_every_event_and_every_way_leads_where_it_says() -> None:
    assert {type(event) for event in EVERY_EVENT} == {event for _, event in TRANSITIONS}
    for state, way in WAYS.items():
        grammar = Grammar()
        for event in way:
            grammar.check_next(event)
        assert grammar.state is state


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_event_in_each_state_is_written_or_is_one_declared_error(
    dialect: str, state: State, event: Event
) -> None:
    writer = DIALECTS[dialect].writer(context_of())
    for step in WAYS[state]:
        writer.send(step)
    if (state, type(event)) in TRANSITIONS:
        if not isinstance(event, BlockSignature):  # of reasoning; a text has none to carry
            assert isinstance(writer.send(event), bytes)
    else:
        with pytest.raises(LocalDialectError):
            writer.send(event)
