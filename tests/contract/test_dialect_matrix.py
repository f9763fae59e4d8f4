"""Every recorded stream of dialect X through X → hub → Y → hub → X, for every Y.

What must survive: text, reasoning, refusals, tool names, ids and arguments byte for byte, the
stop reason, the usage; a signature arrives sealed and opens to what it was. What a way through Y
loses by nature is named in ``losses.py``, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache

import pytest

from dialects.bridge import carry_answer, fold
from dialects.envelope import TEXT_CARRIER, is_envelope
from dialects.events import (
    Annotation,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Start,
)
from dialects.json_text import RAW_KEY, parse_arguments, render_text
from dialects.registry import dialect_of
from tests.contract.journeys import (
    CELLS,
    SEALER,
    TOOLS,
    Answer,
    answer_of,
    bridge,
    context_of,
    read,
)
from tests.contract.losses import FINISHES, LOSSES, UNREAD, Loss, Unread
from tests.recordings import Case, load_cases

RECORDED = {
    "anthropic.messages": "anthropic_messages",
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
}


def customs_of(events: list[Event]) -> list[str]:
    opened = [event for event in events if isinstance(event, BlockOpen)]
    return [event.name or "" for event in opened if event.kind is BlockKind.CUSTOM_TOOL]


def recorded_streams(dialect: str) -> list[Case]:
    name = next(key for key, value in RECORDED.items() if value == dialect)
    return [case for case in load_cases(name, streams=True) if case.status == 200]


def expected_finish(reason: FinishReason, source: str, via: str) -> set[FinishReason]:
    """The reason as it was, or as the losses of the way there and then of the way back leave it."""
    there = FINISHES[via].get(reason, reason)
    return {reason, there, FINISHES[source].get(there, there)}


@cache
def read_whole(source: str) -> tuple[list[tuple[Case, list[Event]]], list[str]]:
    """The recorded streams that ended well, with their events, and why the others did not."""
    good: list[tuple[Case, list[Event]]] = []
    bad: list[str] = []
    for case in recorded_streams(source):
        events = read(dialect_of(source), case.answer)
        last = events[-1]
        if isinstance(last, Failure):
            bad.append(f"{case.file}: {last.fault.message}")
        else:
            good.append((case, events))
    return good, bad


# Recorded streams that end in an error or break off: no answer to carry, read to a Failure all the
# same. A change of these numbers is a change of the recordings, or a fault of a reader.
NOT_WHOLE = {"anthropic_messages": 0, "openai_chat": 3, "openai_responses": 1}


@pytest.mark.parametrize(("source", "via"), CELLS)
def test_recorded_streams_survive_the_way_there_and_back(
    source: str, via: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = read_whole(source)
    broken: list[str] = []
    for case, events in good:
        there = bridge(dialect_of(source), dialect_of(via), case.answer)
        back = bridge(dialect_of(via), dialect_of(source), there, customs_of(events))
        before, after = answer_of(events), answer_of(read(dialect_of(source), back))
        middle = read(dialect_of(via), there)
        fault = difference(before, after, source, via) or unsealed(events, middle, source, via)
        if fault is not None:
            broken.append(f"{case.file}: {fault}")
    report(capsys, source, via, "streams", len(good) - len(broken), bad)
    assert not broken, f"{len(broken)} broken:\n" + "\n".join(broken[:20])
    assert len(bad) == NOT_WHOLE[source], bad


def report(
    capsys: pytest.CaptureFixture[str],
    source: str,
    via: str,
    what: str,
    passed: int,
    bad: list[str],
) -> None:
    with capsys.disabled():
        reasons = Counter(reason.partition(": ")[2][:60] for reason in bad)
        left_out = f"; {len(bad)} not whole: {dict(reasons)}" if bad else ""
        print(f"\n{source} -> {via} -> {source}: {passed} recorded {what}{left_out}")


def signatures_of(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.carrier, event.data) for event in events if isinstance(event, BlockSignature)]


def unsealed(before: list[Event], middle: list[Event], source: str, via: str) -> str | None:
    """What became of signatures on the way there: sealed, each opens to what it was."""
    given = signatures_of(before)
    if source == via and source != "openai_chat":
        shown = [one for one in signatures_of(middle) if not is_envelope(one[1])]
    else:
        shown = [opened for seal in sealed_in(middle) if (opened := open_seal(seal)) is not None]
    return None if shown == given else f"signatures: {given!r:.200} became {shown!r:.200}"


def sealed_in(events: list[Event]) -> list[str]:
    """The envelopes in a stream: as a signature, as encrypted content, as Chat's details."""
    data = [data for _, data in signatures_of(events)]
    return [seal for text in data for seal in re.findall(r"gb1\.[A-Za-z0-9_.-]+", text)]


def open_seal(seal: str) -> tuple[str, str] | None:
    """Carrier and data; None for reasoning that never had a signature."""
    opened = SEALER.open(seal)
    assert opened is not None
    return None if opened[0] == TEXT_CARRIER else opened[:2]


def difference(before: Answer, after: Answer, source: str, via: str) -> str | None:
    """What the journey changed, in words; None where nothing."""
    counts: list[tuple[str, Callable[[Answer], object]]] = [
        ("input", lambda answer: answer.usage.total_input),
        ("cache_read", lambda answer: answer.usage.cache_read or 0),
        ("output", lambda answer: answer.usage.output or 0),
        ("reasoning tokens", lambda answer: answer.usage.reasoning or 0),
    ]
    checks: list[tuple[str, Callable[[Answer], object]]] = [
        ("failed", lambda answer: answer.is_failed),
        ("text", lambda answer: answer.text),
        ("reasoning", lambda answer: answer.reasoning),
        ("calls", lambda answer: answer.calls),
        *(counts if before.usage.output is not None else []),
    ]
    is_filtered = before.finish is FinishReason.CONTENT_FILTER and not before.text
    if is_filtered and "anthropic_messages" in (source, via):
        before.text = after.text  # it has one word for both, and a refusal says that it is one
    for name, pick in checks:
        if pick(before) != pick(after):
            return f"{name}: {pick(before)!r:.300} became {pick(after)!r:.300}"
    if before.usage.output is None and not after.usage.output:
        return "nobody counted the output"
    assert before.finish is not None
    if after.finish not in expected_finish(before.finish, source, via):
        return f"finish: {before.finish} became {after.finish}"
    return None


@pytest.mark.parametrize(("source", "target"), CELLS)
def test_a_folded_stream_says_what_the_stream_says(source: str, target: str) -> None:
    for case, events in read_whole(source)[0]:
        body = fold(dialect_of(source), dialect_of(target), [case.answer], context_of())
        after = answer_of(dialect_of(target).read_answer(body))
        fault = difference_of_bodies(answer_of(events), after, target)
        assert fault is None, f"{case.file}: {fault}"


@pytest.mark.parametrize(("source", "via"), CELLS)
def test_recorded_whole_answers_survive_the_way_there_and_back(
    source: str, via: str, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = dialect_of(source), dialect_of(via)
    name = next(key for key, value in RECORDED.items() if value == source)
    passed, bad = 0, []
    for case in load_cases(name, streams=False):
        if case.status != 200:
            bad.append(f"{case.file}: an error with a status of its own")
            continue
        body = json.loads(case.answer)
        events = x.read_answer(body)
        if isinstance(last := events[-1], Failure):
            bad.append(f"{case.file}: {last.fault.message}")
            continue
        there = carry_answer(x, y, body, context_of())
        back = carry_answer(y, x, there, context_of(customs_of(events)))
        after = answer_of(x.read_answer(back))
        fault = difference_of_bodies(answer_of(events), after, source, via)
        assert fault is None, f"{case.file}: {fault}"
        passed += 1
    report(capsys, source, via, "whole answers", passed, bad)
    assert passed > 100


def difference_of_bodies(before: Answer, after: Answer, *dialects: str) -> str | None:
    """As ``difference``; where a dialect holds arguments as an object they mean the same."""
    if "anthropic_messages" in dialects:
        for call in (*before.calls, *after.calls):
            held = parse_arguments(call[2])
            call[2] = render_text({"input": held[RAW_KEY]} if RAW_KEY in held else held)
    return difference(before, after, dialects[0], dialects[-1])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.via}: {loss.what}")
def test_each_loss_of_the_table_is_what_it_says(loss: Loss) -> None:
    context = context_of()
    context.seal = None
    writer = dialect_of(loss.via).writer(context)
    is_call = any(isinstance(e, BlockOpen) and e.kind in TOOLS for e in loss.sent)
    reason = FinishReason.TOOL_CALLS if is_call else FinishReason.STOP
    if any(isinstance(e, BlockOpen) and e.kind is BlockKind.REFUSAL for e in loss.sent):
        reason = FinishReason.REFUSAL
    events = [Start("msg_1", "m"), *loss.sent, Finish(reason), End()]
    data = b"".join(map(writer.send, events))
    assert shown_blocks(read(dialect_of(loss.via), data)) == list(loss.left)


@pytest.mark.parametrize("unread", UNREAD, ids=lambda unread: f"{unread.source}: {unread.what}")
def test_what_only_its_provider_knows_is_left_out_and_nothing_else(unread: Unread) -> None:
    text = {"type": "text", "text": "Found it."}
    if unread.source == "anthropic_messages":
        usage = {"input_tokens": 1, "output_tokens": 5}
        body = {"id": "msg_1", "type": "message", "content": [unread.block, text], "usage": usage}
    else:
        part = {**text, "type": "output_text"}
        message = {"type": "message", "id": "msg_1", "content": [part]}
        usage = {"input_tokens": 1, "output_tokens": 5}
        output = [unread.block, message]
        body = {"id": "r", "object": "response", "status": "completed", "output": output,
                "usage": usage}  # fmt: skip
    events = dialect_of(unread.source).read_answer(body)
    assert shown_blocks(events) == [("text", "Found it.", ())]
    assert answer_of(events).usage.output == 5


def shown_blocks(events: list[Event]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Kind, text and what is attached, block by block."""
    blocks: list[tuple[str, str, tuple[str, ...]]] = []
    for event in events:
        match event:
            case BlockOpen():
                blocks.append((event.kind.value, "", ()))
            case BlockDelta():
                kind, text, attached = blocks[-1]
                blocks[-1] = (kind, text + event.text, attached)
            case BlockSignature() | Annotation():
                kind, text, attached = blocks[-1]
                blocks[-1] = (kind, text, (*attached, type(event).__name__))
    return blocks
