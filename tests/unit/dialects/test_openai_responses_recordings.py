"""Every recorded Responses exchange: read, split, written back, tapped."""

from __future__ import annotations

import json

import pytest

from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import Event, Failure
from dialects.openai_responses import DIALECT
from dialects.openai_responses.request import decode_request
from tests.recordings import Case, load_cases
from tests.unit.dialects.openai_responses_stream import (
    blocks_of,
    check_stream,
    context,
    ending_of,
    read,
    signatures_of,
    usage_in,
    write,
)


def is_one_answer(case: Case) -> bool:
    """One recording holds the four answers of one loop in a row; no upstream sends that."""
    return case.answer.count(b'"type":"response.created"') <= 1


@pytest.fixture(scope="module")
def answers() -> list[tuple[Case, list[Event]]]:
    cases = [case for case in load_cases("openai.responses") if case.status < 400]
    return [
        (
            case,
            read(case.answer) if case.is_stream else DIALECT.read_answer(json.loads(case.answer)),
        )
        for case in cases
    ]


def test_every_answer_is_read_to_its_end(answers: list[tuple[Case, list[Event]]]) -> None:
    broken = {case.file for case, events in answers if isinstance(ending_of(events), Failure)}

    assert len(answers) > 200
    # two background answers that were only queued, and one that failed upstream
    assert len(broken) == 3, sorted(broken)


def test_usage_equals_the_providers_count(answers: list[tuple[Case, list[Event]]]) -> None:
    compared = 0
    for case, events in answers:
        if not case.usage or not is_one_answer(case):
            continue
        usage = usage_in(events)
        assert usage.total_input == case.usage["input_tokens_total"], case.file
        assert usage.output == case.usage["output_tokens"], case.file
        assert (usage.cache_read or 0) == (case.usage["cached_tokens"] or 0), case.file
        compared += 1
    assert compared > 190


@pytest.mark.parametrize("step", [1, 13])
def test_any_split_gives_equal_events(step: int) -> None:
    cases = sorted(load_cases("openai.responses", streams=True), key=lambda case: len(case.answer))
    for case in cases[: 25 if step == 1 else 60]:
        assert read(case.answer, step) == read(case.answer), case.file


def test_written_and_read_again_nothing_is_lost(answers: list[tuple[Case, list[Event]]]) -> None:
    passed = 0
    for case, events in answers:
        if isinstance(ending_of(events), Failure):
            continue
        data = write(events, include_encrypted=True)
        check_stream(data)
        again = read(data)
        assert blocks_of(again) == blocks_of(events), case.file
        assert signatures_of(again) == signatures_of(events), case.file
        assert ending_of(again) == ending_of(events), case.file
        before, after = usage_in(events), usage_in(again)
        assert (after.total_input, after.output) == (before.total_input, before.output or 0)
        passed += 1
    print(f"openai_responses → hub → openai_responses: {passed} answers")


def test_whole_answers_fold_and_unfold(answers: list[tuple[Case, list[Event]]]) -> None:
    for case, events in answers:
        if isinstance(ending_of(events), Failure):
            continue
        body = DIALECT.write_answer(events, context(include_encrypted=True))
        again = DIALECT.read_answer(body)
        assert blocks_of(again) == blocks_of(events), case.file
        assert ending_of(again) == ending_of(events), case.file
        assert DIALECT.usage_of(body).output == (usage_in(events).output or 0)


@pytest.mark.parametrize("step", [1, 977, 1 << 20])
def test_the_tap_sees_usage_and_end(step: int) -> None:
    cases = sorted(load_cases("openai.responses", streams=True), key=lambda case: len(case.answer))
    for case in cases[:20] if step == 1 else cases:
        tap = DIALECT.tap()
        for at in range(0, len(case.answer), step):
            tap.receive_data(case.answer[at : at + step])
        tap.close()
        assert tap.is_complete, case.file
        if case.usage:
            assert tap.usage.total_input == case.usage["input_tokens_total"], case.file
            assert tap.usage.output == case.usage["output_tokens"], case.file
        assert (tap.failure is not None) == (b"event: response.failed" in case.answer), case.file


def test_recorded_errors_have_a_class() -> None:
    cases = [case for case in load_cases("openai.responses") if case.status >= 400]
    kinds = [DIALECT.parse_fault(case.status, case.answer).kind for case in cases]

    assert len(kinds) == 9
    assert kinds.count(FaultClass.UPSTREAM_ERROR) == 4  # the recorder's own key or credit
    assert kinds.count(FaultClass.UNKNOWN_MODEL) == 2
    assert FaultClass.INTERNAL not in kinds


def test_recorded_requests_decode_or_are_refused_by_name() -> None:
    decoded = 0
    refused: list[tuple[str, Fault]] = []
    for case in load_cases("openai.responses"):
        if case.status >= 400 or not isinstance(case.request, dict):
            continue
        body = case.request.get("body")
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            continue
        try:
            conversation = decode_request(body)
        except RemoteDialectError as error:
            refused.append((case.file, error.fault))
            continue
        assert conversation.turns or conversation.system, case.file
        decoded += 1
    assert decoded > 120
    assert all(fault.param for _, fault in refused), refused
    print(f"decoded {decoded}, refused {len(refused)}")
