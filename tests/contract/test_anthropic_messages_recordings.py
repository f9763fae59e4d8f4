"""Every recorded Anthropic exchange through the grammar: read, split, written back, tapped."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dialects import json_text
from dialects.anthropic_messages import DIALECT
from dialects.capabilities import Capabilities
from dialects.dialect import AnswerContext, EncodeContext
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
    Grammar,
    NeedData,
    Start,
    State,
    Tick,
    UsageReport,
)
from dialects.usage import Usage
from tests.recordings import Case, load_cases


def read_stream(chunks: list[bytes]) -> list[Event]:
    reader = DIALECT.reader()
    events: list[Event] = []
    for chunk in chunks:
        reader.receive_data(chunk)
        while not isinstance(event := reader.next_event(), NeedData):
            events.append(event)
    reader.close()
    while not isinstance(event := reader.next_event(), NeedData):
        events.append(event)
    return events


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[place : place + size] for place in range(0, len(data), size)]


def context_of(model: str = "client-model") -> AnswerContext:
    numbers = itertools.count()
    return AnswerContext(
        model=model, request_id="req_test", now=1_700_000_000, new_id=lambda: f"{next(numbers):024}"
    )


@dataclass(slots=True)
class Answer:
    """What must survive any journey."""

    blocks: list[list[Any]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    finish: Finish | None = None

    @classmethod
    def of(cls, events: list[Event]) -> Answer:
        answer = cls()
        for event in events:
            match event:
                case Start() | UsageReport():
                    answer.usage = answer.usage.merge(event.usage)
                case BlockOpen():
                    answer.blocks.append([event.kind, event.id, event.name, "", []])
                case BlockDelta():
                    answer.blocks[-1][3] += event.text
                case BlockSignature() | Annotation():
                    answer.blocks[-1][4].append(event.data)
                case Finish():
                    answer.finish = event
        answer.blocks = [
            block
            for block in answer.blocks
            if block[3] or block[4] or block[0] in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)
        ]
        return answer


def good_streams() -> list[Case]:
    """One answer each: a recording of several in a row is taken for its last one."""
    return [
        replace(case, answer=case.answer[case.answer.rindex(b"event: message_start") :])
        for case in load_cases("anthropic.messages", streams=True)
        if case.status == 200
    ]


def check_grammar(events: list[Event]) -> None:
    grammar = Grammar()
    for event in events:
        grammar.check_next(event)
    assert grammar.state is State.DONE


def expected_usage(case: Case) -> dict[str, int]:
    return {k: v for k, v in case.usage.items() if isinstance(v, int)}


def steps_beside(case: Case) -> list[dict[str, Any]]:
    """Steps whose tokens the provider leaves out of its top-level sums."""
    bodies = re.findall(rb"^(?:data:)?\s*(\{.*)", case.answer, re.MULTILINE)
    usages = [json_text.parse(body).get("usage") or {} for body in bodies]
    steps = next((usage["iterations"] for usage in reversed(usages) if usage.get("iterations")), [])
    return [step for step in steps if step["type"] in ("advisor_message", "compaction")]


def check_usage(usage: Usage, case: Case) -> None:
    expected = expected_usage(case)
    for step in steps_beside(case):
        expected["input_tokens_total"] += (
            step["input_tokens"]
            + step["cache_read_input_tokens"]
            + step["cache_creation_input_tokens"]
        )
        expected["output_tokens"] += step["output_tokens"]
        expected["cache_read_input_tokens"] += step["cache_read_input_tokens"]
    if "input_tokens_total" in expected:
        assert usage.total_input == expected["input_tokens_total"]
    if "output_tokens" in expected:
        assert usage.output == expected["output_tokens"]
    if "cache_read_input_tokens" in expected:
        assert (usage.cache_read or 0) == expected["cache_read_input_tokens"]


def test_recorded_streams_obey_the_grammar_and_report_their_usage() -> None:
    for case in good_streams():
        events = read_stream([case.answer])
        check_grammar(events)
        assert isinstance(events[-1], (End, Failure)), case.file
        check_usage(Answer.of(events).usage, case)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_any_split_gives_the_same_events(size: int) -> None:
    for case in good_streams():
        data = case.answer[:20_000] if size == 1 else case.answer
        assert read_stream(cut(data, size)) == read_stream([data]), case.file


def test_recorded_streams_survive_write_and_read() -> None:
    for case in good_streams():
        events = read_stream([case.answer])
        if isinstance(events[-1], Failure):
            continue
        writer = DIALECT.writer(context_of())
        again = read_stream([b"".join(map(writer.send, events))])
        check_grammar(again)
        first, second = Answer.of(events), Answer.of(again)
        assert second.blocks == first.blocks, case.file
        assert second.finish == first.finish, case.file
        assert second.usage.total_input == first.usage.total_input
        assert second.usage.output == first.usage.output


def test_folded_streams_read_back_as_the_same_answer() -> None:
    for case in good_streams():
        events = read_stream([case.answer])
        if isinstance(events[-1], Failure):
            continue
        body = DIALECT.write_answer(events, context_of())
        first, second = Answer.of(events), Answer.of(DIALECT.read_answer(body))
        assert second.finish == first.finish, case.file
        assert len(second.blocks) == len(first.blocks)
        for a, b in zip(first.blocks, second.blocks, strict=True):
            assert a[:3] == b[:3]
            if a[0] is BlockKind.TOOL:
                assert json_text.parse_arguments(a[3]) == json_text.parse_arguments(b[3])
            else:
                assert a[3:] == b[3:], case.file


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_the_tap_sees_the_recorded_usage(size: int) -> None:
    for case in good_streams():
        tap = DIALECT.tap()
        for chunk in cut(case.answer, size):
            tap.receive_data(chunk)
        tap.close()
        check_usage(tap.usage, case)
        events = read_stream([case.answer])
        assert tap.is_complete == isinstance(events[-1], End), case.file
        assert tap.usage == Answer.of(events).usage
        assert tap.failure is None


def test_recorded_bodies_are_read_whole() -> None:
    for case in load_cases("anthropic.messages", streams=False):
        body = json_text.parse(case.answer)
        events = DIALECT.read_answer(body)
        check_grammar(events)
        if case.status == 200:
            check_usage(DIALECT.usage_of(body), case)
            assert isinstance(events[-1], End)
        else:
            assert isinstance(events[-1], Failure)
            fault = DIALECT.parse_fault(case.status, case.answer)
            assert fault.message


def test_a_stream_cut_anywhere_ends_in_a_failure() -> None:
    case = good_streams()[0]
    for end in range(0, len(case.answer) - 30, 13):
        events = read_stream([case.answer[:end]])
        check_grammar(events)
        assert isinstance(events[-1], Failure)
    assert not any(isinstance(event, Tick) for event in events[-1:])


def test_recorded_requests_survive_decoding_and_encoding() -> None:
    taken = Capabilities(
        thinking=frozenset({"enabled", "adaptive", "disabled"}),
        efforts=("low", "medium", "high", "xhigh", "max"),
        prefill=True,
        mid_system=True,
        max_output=1_000_000,
    )
    cases = [
        case for case in load_cases("anthropic.messages") if case.request and case.status == 200
    ]
    for case in cases:
        body = case.request["body"] if case.request else None
        if not isinstance(body, dict) or "model" not in body:
            continue
        context = EncodeContext(model=body["model"], capabilities=taken)
        encoded = DIALECT.encode_request(DIALECT.decode_request(body), context)
        again = DIALECT.encode_request(
            DIALECT.decode_request(encoded), EncodeContext(model=body["model"], capabilities=taken)
        )
        assert again == encoded, case.file
