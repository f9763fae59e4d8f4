"""Every recorded stream of dialect X through X → hub → Y → hub → X, for every Y.

What must survive: text, reasoning, refusals, tool names, ids and arguments byte for byte, the stop
reason, the usage. What a way through Y loses by nature is named in LOSSES, and nothing else.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from dialects.bridge import StreamBridge, fold
from dialects.dialect import AnswerContext, Dialect, ToolAlias
from dialects.envelope import Sealer
from dialects.events import (
    BlockDelta,
    BlockKind,
    BlockOpen,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    NeedData,
    Start,
    State,
    UsageReport,
)
from dialects.registry import DIALECTS, dialect_of
from dialects.usage import Usage
from tests.recordings import Case, load_cases

RECORDED = {
    "anthropic.messages": "anthropic_messages",
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
}
CELLS = [(x, y) for x in DIALECTS for y in DIALECTS]
SEALER = Sealer(keys={"k1": b"k" * 32}, current="k1", family="test", account="a")

# How each dialect tells an end it has no word of its own for.
LOSSES: dict[str, dict[FinishReason, FinishReason]] = {
    "anthropic_messages": {FinishReason.CONTENT_FILTER: FinishReason.REFUSAL},
    "openai_chat": {
        FinishReason.STOP_SEQUENCE: FinishReason.STOP,
        FinishReason.CONTEXT_WINDOW: FinishReason.LENGTH,
        FinishReason.PAUSE: FinishReason.STOP,
        FinishReason.REFUSAL: FinishReason.CONTENT_FILTER,
    },
    "openai_responses": {
        FinishReason.STOP_SEQUENCE: FinishReason.STOP,
        FinishReason.CONTEXT_WINDOW: FinishReason.LENGTH,
        FinishReason.PAUSE: FinishReason.STOP,
    },
}


def context_of(customs: Iterable[str] = ()) -> AnswerContext:
    """``customs`` are free-form tools that travelled as functions, as the encoder would note."""
    numbers = itertools.count()
    return AnswerContext(
        model="client-model",
        request_id="req_test",
        now=1_700_000_000,
        new_id=lambda: f"{next(numbers):024}",
        include_usage=True,
        include_encrypted=True,
        seal=SEALER.seal,
        tools={name: ToolAlias(name, is_custom=True) for name in customs},
    )


@dataclass(slots=True)
class Answer:
    """What a stream says, without how its dialect orders it."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    finish: FinishReason | None = None
    usage: Usage = field(default_factory=Usage)
    is_failed: bool = False


def answer_of(events: list[Event]) -> Answer:
    answer, kind = Answer(), BlockKind.TEXT
    for event in events:
        match event:
            case Start() | UsageReport():
                answer.usage = answer.usage.merge(event.usage)
            case BlockOpen():
                kind = event.kind
                if kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL):
                    answer.calls.append([event.id or "", event.name or "", ""])
            case BlockDelta() if kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL):
                answer.calls[-1][2] += event.text
            case BlockDelta() if kind is BlockKind.REASONING:
                answer.reasoning += event.text
            case BlockDelta():
                answer.text += event.text
            case Finish():
                answer.finish = event.reason
            case Failure():
                answer.is_failed = True
    return answer


def read(dialect: Dialect, data: bytes) -> list[Event]:
    reader = dialect.reader()
    grammar = Grammar()
    events: list[Event] = []
    for act in (lambda: reader.receive_data(data), reader.close):
        act()
        while not isinstance(event := reader.next_event(), NeedData):
            grammar.check_next(event)
            events.append(event)
    assert grammar.state is State.DONE
    return events


def bridge(source: Dialect, target: Dialect, data: bytes, customs: Iterable[str] = ()) -> bytes:
    carried, size = StreamBridge(source.reader(), target.writer(context_of(customs))), 4_096
    out = [carried.receive_data(data[place : place + size]) for place in range(0, len(data), size)]
    return b"".join(out) + carried.close()


def customs_of(events: list[Event]) -> list[str]:
    opened = [event for event in events if isinstance(event, BlockOpen)]
    return [event.name or "" for event in opened if event.kind is BlockKind.CUSTOM_TOOL]


def recorded_streams(dialect: str) -> list[Case]:
    name = next(key for key, value in RECORDED.items() if value == dialect)
    return [case for case in load_cases(name, streams=True) if case.status == 200]


def expected_finish(reason: FinishReason, source: str, via: str) -> set[FinishReason]:
    """The reason as it was, or as the losses of the way there and then of the way back leave it."""
    there = LOSSES[via].get(reason, reason)
    return {reason, there, LOSSES[source].get(there, there)}


def each_good(source: str) -> list[tuple[Case, list[Event]]]:
    cases = [(case, read(dialect_of(source), case.answer)) for case in recorded_streams(source)]
    return [(case, events) for case, events in cases if isinstance(events[-1], End)]


@pytest.mark.parametrize(("source", "via"), CELLS)
def test_recorded_streams_survive_the_way_there_and_back(source: str, via: str) -> None:
    passed: Counter[str] = Counter()
    broken: list[str] = []
    for case, events in each_good(source):
        there = bridge(dialect_of(source), dialect_of(via), case.answer)
        back = bridge(dialect_of(via), dialect_of(source), there, customs_of(events))
        fault = difference(
            answer_of(events), answer_of(read(dialect_of(source), back)), source, via
        )
        passed["ok" if fault is None else "broken"] += 1
        if fault is not None:
            broken.append(f"{case.file}: {fault}")
    print(f"{source} -> {via} -> {source}: {passed['ok']} recorded streams")
    assert not broken, f"{len(broken)} broken:\n" + "\n".join(broken[:20])
    assert passed["ok"] > 20


def difference(before: Answer, after: Answer, source: str, via: str) -> str | None:
    """What the journey changed, in words; None where nothing."""
    checks: list[tuple[str, Callable[[Answer], object]]] = [
        ("failed", lambda answer: answer.is_failed),
        ("text", lambda answer: answer.text),
        ("reasoning", lambda answer: answer.reasoning),
        ("calls", lambda answer: answer.calls),
        ("input", lambda answer: answer.usage.total_input),
        ("cache_read", lambda answer: answer.usage.cache_read or 0),
        ("output", lambda answer: answer.usage.output or 0),
        ("reasoning tokens", lambda answer: answer.usage.reasoning or 0),
    ]
    for name, pick in checks:
        if pick(before) != pick(after):
            return f"{name}: {pick(before)!r:.300} became {pick(after)!r:.300}"
    assert before.finish is not None
    if after.finish not in expected_finish(before.finish, source, via):
        return f"finish: {before.finish} became {after.finish}"
    return None


@pytest.mark.parametrize(("source", "target"), CELLS)
def test_a_folded_stream_says_what_the_stream_says(source: str, target: str) -> None:
    for case, events in each_good(source):
        body = fold(dialect_of(source), dialect_of(target), [case.answer], context_of())
        read_back = answer_of(dialect_of(target).read_answer(body))
        before = answer_of(events)
        assert read_back.text == before.text, case.file
        assert read_back.reasoning == before.reasoning, case.file
        assert [call[:2] for call in read_back.calls] == [call[:2] for call in before.calls]
