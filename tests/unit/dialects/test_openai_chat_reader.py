"""What compatible servers send, read into one legal order of events."""

from __future__ import annotations

import pytest

from dialects.errors import FaultClass
from dialects.events import (
    NEED_DATA,
    Annotation,
    BlockKind,
    End,
    Failure,
    FinishReason,
    Start,
    Tick,
)
from dialects.openai_chat import DIALECT
from dialects.usage import Usage
from tests.unit.dialects.openai_chat_stream import (
    DONE,
    answer_of,
    call,
    calls,
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


def test_text_comes_through_and_ends() -> None:
    events = read_stream([ROLE, chunk({"content": "Hel"}), chunk({"content": "lo"}), STOP, DONE])

    assert events[0] == Start(id="chatcmpl-1", model="m", created=7)
    assert isinstance(events[-1], End)
    answer = answer_of(events)
    assert texts(answer) == [("text", "Hello")]
    assert answer.finish
    assert answer.finish.reason is FinishReason.STOP


def test_an_empty_content_delta_opens_no_text_block_before_reasoning() -> None:
    answer = read(ROLE, chunk({"content": "", "reasoning_content": "hm"}), STOP, DONE)

    assert texts(answer) == [("reasoning", "hm")]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "why"},
        {"reasoning": "why"},
        {"reasoning_content": "why", "reasoning": "why"},
        {"reasoning": "why", "reasoning_details": [{"type": "reasoning.text", "text": "why"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "why"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "why"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}]},
        {"content": [{"type": "reasoning", "summary": [{"text": "why"}]}]},
    ],
)
def test_reasoning_is_read_once_under_any_of_its_names(delta: dict[str, object]) -> None:
    answer = read(chunk(delta), chunk({"content": "so"}), STOP, DONE)

    assert texts(answer) == [("reasoning", "why"), ("text", "so")]


def test_interleaved_reasoning_text_and_tool_give_blocks_of_their_own() -> None:
    answer = read(
        chunk({"reasoning_content": "a"}),
        chunk({"content": "b"}),
        chunk({"reasoning_content": "c"}),
        call(0, "call_1", "f", "{}"),
        TOOLS,
        DONE,
    )

    assert texts(answer) == [("reasoning", "a"), ("text", "b"), ("reasoning", "c"), ("tool", "{}")]


def test_one_chunk_may_hold_everything() -> None:
    whole = {
        "reasoning_content": "r",
        "content": "t",
        "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }

    answer = read(chunk(whole, "tool_calls", usage={"prompt_tokens": 3, "completion_tokens": 4}))

    assert texts(answer) == [("reasoning", "r"), ("text", "t"), ("tool", '{"a":1}')]
    assert answer.usage == Usage(input=3, output=4)
    assert answer.finish
    assert answer.finish.reason is FinishReason.TOOL_CALLS


def test_arguments_in_the_first_chunk_of_a_call_are_kept() -> None:
    answer = read(call(0, "c", "f", '{"a"'), call(0, None, None, ":1}"), TOOLS, DONE)

    assert calls(answer) == [("c", "f", '{"a":1}')]


def test_parallel_calls_that_all_have_index_0_are_told_apart_by_their_ids() -> None:
    answer = read(call(0, "c1", "f", '{"a":1}'), call(0, "c2", "g", '{"b":2}'), TOOLS, DONE)

    assert calls(answer) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_calls_without_index_are_told_apart_by_id_or_by_name() -> None:
    by_id = read(call(None, "c1", "f", "{}"), call(None, "c2", "f", "{}"), TOOLS, DONE)
    by_name = read(call(None, None, "f", '{"a":1}'), call(None, None, "f", "{}"), TOOLS, DONE)

    assert [(name, text) for _, name, text in calls(by_id)] == [("f", "{}"), ("f", "{}")]
    assert [text for _, _, text in calls(by_name)] == ['{"a":1}', "{}"]
    assert len({call_id for call_id, _, _ in calls(by_name)}) == 2


def test_a_fresh_id_on_every_delta_does_not_split_a_call() -> None:
    answer = read(call(0, "x1", "f", '{"a":'), call(0, "x2", None, "1}"), TOOLS, DONE)

    assert calls(answer) == [("x1", "f", '{"a":1}')]


def test_id_and_name_repeated_on_later_deltas_count_once() -> None:
    answer = read(call(0, "c", "f", '{"a":'), call(0, "c", "f", "1}"), TOOLS, DONE)

    assert calls(answer) == [("c", "f", '{"a":1}')]


def test_empty_id_and_name_on_later_deltas_are_absence() -> None:
    answer = read(call(0, "c", "f", "{"), call(0, "", "", "}"), TOOLS, DONE)

    assert calls(answer) == [("c", "f", "{}")]


def test_indexes_need_not_start_at_0() -> None:
    answer = read(call(1, "c1", "f", "{}"), call(2, "c2", "g", "{}"), TOOLS, DONE)

    assert calls(answer) == [("c1", "f", "{}"), ("c2", "g", "{}")]


def test_interleaved_calls_are_put_in_a_row() -> None:
    answer = read(
        call(0, "c1", "f", '{"a":'),
        call(1, "c2", "g", '{"b":'),
        call(0, None, None, "1}"),
        call(1, None, None, "2}"),
        TOOLS,
        DONE,
    )

    assert calls(answer) == [("c1", "f", '{"a":1}'), ("c2", "g", '{"b":2}')]


def test_text_between_the_pieces_of_a_call_stands_after_it() -> None:
    answer = read(
        call(0, "c", "f", '{"a":'), chunk({"content": "hm"}), call(0, None, None, "1}"), TOOLS, DONE
    )

    assert texts(answer) == [("tool", '{"a":1}'), ("text", "hm")]


def test_a_whole_call_is_closed_as_soon_as_the_next_begins() -> None:
    reader = DIALECT.reader()
    reader.receive_data(call(0, "c1", "f", '{"a":1}') + call(1, "c2", "g", ""))
    opened = []
    while (event := reader.next_event()) is not NEED_DATA:
        opened.append(getattr(event, "name", None))

    assert opened[-1] == "g"


def test_arguments_wait_for_the_name() -> None:
    answer = read(call(0, "c", None, '{"a":'), call(0, "c", "f", "1}"), TOOLS, DONE)

    assert calls(answer) == [("c", "f", '{"a":1}')]


def test_a_call_that_never_gets_a_name_is_a_failure() -> None:
    answer = read(call(0, "c", None, "{}"), TOOLS, DONE)

    assert answer.failure
    assert answer.failure.fault.kind is FaultClass.UPSTREAM_ERROR


def test_a_call_without_an_id_gets_a_stable_one() -> None:
    first = calls(read(call(0, None, "f", "{}"), TOOLS, DONE))
    second = calls(read(call(0, None, "f", "{}"), TOOLS, DONE))

    assert first == second
    assert first[0][0]
    assert first[0][0].startswith("call_")


def test_ids_repeated_within_an_answer_are_made_unique() -> None:
    answer = read(call(0, "call_0", "f", "{}"), call(1, "call_0", "g", "{}"), TOOLS, DONE)

    assert [call_id for call_id, _, _ in calls(answer)] == ["call_0", "call_0_2"]


def test_arguments_as_an_object_become_text() -> None:
    answer = read(call(0, "c", "f", {"ü": 1}), TOOLS, DONE)

    assert calls(answer) == [("c", "f", '{"ü":1}')]


def test_fields_full_of_emptiness_open_no_call() -> None:
    empty = {"function": {"name": "", "arguments": ""}}
    delta = {"content": "t", "function_call": empty["function"], "tool_calls": [empty]}

    assert texts(read(chunk(delta), STOP, DONE)) == [("text", "t")]


def test_the_deprecated_function_call_is_a_call() -> None:
    answer = read(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"a":1}'}}),
        chunk({}, "function_call"),
        DONE,
    )

    assert [one[1:] for one in calls(answer)] == [("f", '{"a":1}')]
    assert answer.finish
    assert answer.finish.reason is FinishReason.TOOL_CALLS


def test_a_custom_call_keeps_its_free_text() -> None:
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** "}}
    second = {"index": 0, "custom": {"input": "Begin"}}

    answer = read(chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]}), TOOLS, DONE)

    assert answer.blocks == [(BlockKind.CUSTOM_TOOL, "c", "patch", "*** Begin", [])]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("max_tokens", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("tool_calls", FinishReason.STOP),
        ("eos", FinishReason.STOP),
        ("refusal", FinishReason.REFUSAL),
    ],
)
def test_the_reason_of_an_answer_without_calls(word: str, reason: FinishReason) -> None:
    answer = read(chunk({"content": "t"}), chunk({}, word), DONE)

    assert answer.finish
    assert answer.finish.reason is reason


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", FinishReason.TOOL_CALLS),
        ("end_turn", FinishReason.TOOL_CALLS),
        ("", FinishReason.TOOL_CALLS),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
    ],
)
def test_calls_win_over_any_reason_but_a_cut(word: str, reason: FinishReason) -> None:
    answer = read(call(0, "c", "f", "{}"), chunk({}, word), DONE)

    assert answer.finish
    assert answer.finish.reason is reason


def test_the_stop_string_of_vllm_is_told() -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}

    answer = read(frame({"id": "1", "choices": [choice]}), DONE)

    assert answer.finish
    assert answer.finish.reason is FinishReason.STOP_SEQUENCE
    assert answer.finish.stop_text == "END"


def test_a_refusal_is_a_block_and_the_reason() -> None:
    answer = read(chunk({"refusal": "I can"}), chunk({"refusal": "not."}), STOP, DONE)

    assert texts(answer) == [("refusal", "I cannot.")]
    assert answer.finish
    assert answer.finish.reason is FinishReason.REFUSAL


@pytest.mark.parametrize("place", ["finish", "later", "groq", "choice"])
def test_usage_is_found_wherever_it_stands(place: str) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    tail = {
        "finish": chunk({}, "stop", usage=usage),
        "later": STOP + frame({"id": "1", "choices": [], "usage": usage}),
        "groq": chunk({}, "stop", x_groq={"usage": usage}),
        "choice": frame({"choices": [{"index": 0, "finish_reason": "stop", "usage": usage}]}),
    }

    assert read(chunk({"content": "a"}), tail[place], DONE).usage == Usage(input=10, output=5)


def test_the_last_of_cumulative_usages_counts() -> None:
    usages = [{"prompt_tokens": 10, "completion_tokens": n} for n in (1, 2, 3)]

    answer = read(*(chunk({"content": "a"}, usage=usage) for usage in usages), STOP, DONE)

    assert answer.usage == Usage(input=10, output=3)


def test_content_and_usage_after_the_finish_are_kept() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}

    answer = read(STOP, chunk({"content": "late"}), frame({"choices": [], "usage": usage}), DONE)

    assert texts(answer) == [("text", "late")]
    assert answer.usage.output == 1


@pytest.mark.parametrize("end", [b"", DONE, b"data: [DONE] \n\n", b"data:[DONE]", b'data: {"i'])
def test_a_stream_with_a_finish_reason_is_whole_however_it_ends(end: bytes) -> None:
    assert read(chunk({"content": "a"}), STOP, end).failure is None


def test_a_stream_that_ends_without_a_reason_is_truncated() -> None:
    answer = read(ROLE, chunk({"content": "half"}))

    assert answer.finish is None
    assert answer.failure
    assert answer.failure.fault.kind is FaultClass.UPSTREAM_ERROR


def test_done_without_a_reason_is_whole() -> None:
    answer = read(chunk({"content": "a"}), DONE)

    assert answer.finish
    assert answer.finish.reason is FinishReason.STOP


@pytest.mark.parametrize("data", [b"", DONE, b": only a comment\n\n", b"retry: 3\n\n", b"\n\n"])
def test_a_stream_of_nothing_is_a_failure(data: bytes) -> None:
    assert isinstance(read_stream([data])[-1], Failure)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b'data: {"error":{"message":"boom","code":503}}\n\n', FaultClass.OVERLOADED, "boom"),
        (b'data: {"error":"boom"}\n\n', FaultClass.UPSTREAM_ERROR, "boom"),
        (b'data: {"detail":"boom"}\n\n', FaultClass.UPSTREAM_ERROR, "boom"),
        (b'event: error\ndata: {"message":"boom"}\n\n', FaultClass.UPSTREAM_ERROR, "boom"),
        (b'data: {"object":"error","message":"boom"}\n\n', FaultClass.UPSTREAM_ERROR, "boom"),
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
            b'"message":"Overloaded"}   }\n\n',
            FaultClass.OVERLOADED,
            "Overloaded",
        ),
        (b"data: upstream gone\n\n", FaultClass.UPSTREAM_ERROR, "not JSON"),
        (b"data: [1]\n\n", FaultClass.UPSTREAM_ERROR, "not JSON"),
    ],
)
def test_an_error_in_the_stream_ends_it(body: bytes, kind: FaultClass, words: str) -> None:
    answer = read(chunk({"content": "a"}), body, chunk({"content": "never"}), DONE)

    assert texts(answer) == [("text", "a")]
    assert answer.failure
    assert answer.failure.fault.kind is kind
    assert words in answer.failure.fault.message


def test_an_error_in_a_choice_ends_the_stream_and_its_usage_counts() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "boom"}}
    usage = {"prompt_tokens": 9, "completion_tokens": 1}

    answer = read(chunk({"content": "a"}), frame({"choices": [choice], "usage": usage}))

    assert answer.failure is not None
    assert answer.usage == Usage(input=9, output=1)


def test_a_finish_reason_of_error_is_a_failure() -> None:
    assert read(chunk({"content": "a"}), chunk({}, "error"), DONE).failure is not None


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"no","type":"server_error"}}',
        b'\n {"detail":"no"}',
        b'{\n  "error": "no"\n}',
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        b'[{"error":{"message":"no","code":500}}]',
    ],
)
@pytest.mark.parametrize("size", [1, 9, 1000])
def test_an_error_body_or_a_page_under_200_is_a_failure(body: bytes, size: int) -> None:
    events = read_stream(cut(body, size))

    assert isinstance(events[-1], Failure)
    assert "html" not in events[-1].fault.message.lower()


def test_a_whole_answer_instead_of_a_stream_is_read() -> None:
    body = (
        b'{"id":"1","choices":[{"message":{"role":"assistant","content":"hi"},'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    )

    answer = read(*cut(body, 10))

    assert texts(answer) == [("text", "hi")]
    assert answer.usage.output == 2


def test_a_ping_and_a_verdict_on_the_prompt_are_signs_of_life() -> None:
    azure = frame({"id": "", "choices": [], "prompt_filter_results": []})

    events = read_stream([azure, b"event: ping\n\n", b"event: ping\ndata: {}\n\n", STOP, DONE])

    assert events[0] == Tick()
    assert events[1] == Tick()


@pytest.mark.parametrize("choices", [None, [], [None], "x", [{"index": 0, "delta": None}]])
def test_chunks_without_a_usable_choice_are_passed_over(choices: object) -> None:
    answer = read(chunk({"content": "a"}), frame({"id": "1", "choices": choices}), STOP, DONE)

    assert texts(answer) == [("text", "a")]


def test_only_choice_0_is_read() -> None:
    other = {"index": 1, "delta": {"content": "b"}, "finish_reason": None}

    answer = read(chunk({"content": "a"}), frame({"id": "1", "choices": [other]}), STOP, DONE)

    assert texts(answer) == [("text", "a")]


def test_a_surrogate_pair_split_over_two_deltas_becomes_one_character() -> None:
    head, tail = rb'{"content":"a\ud83d"}', rb'{"content":"\ude00b"}'
    chunks = [b'data: {"choices":[{"index":0,"delta":%b}]}\n\n' % one for one in (head, tail)]

    assert texts(read(*chunks, STOP, DONE)) == [("text", "a😀b")]


def test_a_lone_half_of_a_pair_is_replaced() -> None:
    head = rb'data: {"choices":[{"index":0,"delta":{"content":"a\ud83d"}}]}' + b"\n\n"

    assert texts(read(head, STOP, DONE)) == [("text", "a\ufffd")]


def test_citations_stand_on_the_text_block() -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}

    events = read_stream([chunk({"content": "x"}), chunk({"annotations": [citation]}), STOP, DONE])

    assert Annotation(0, "openai_chat", citation) in events


def test_signed_details_come_back_whole() -> None:
    detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    chunks = [
        chunk({"reasoning": "wh", "reasoning_details": [detail | {"text": "wh"}]}),
        chunk({"reasoning": "y", "reasoning_details": [detail | {"text": "y"}]}),
        chunk({"reasoning_details": [detail | {"signature": "sig"}]}),
        chunk({"content": "t"}),
    ]

    answer = read(*chunks, STOP, DONE)

    kind, _, _, text, attached = answer.blocks[0]
    assert (kind, text) == (BlockKind.REASONING, "why")
    assert len(attached) == 1
    assert '"text":"why"' in attached[0]
    assert '"signature":"sig"' in attached[0]
