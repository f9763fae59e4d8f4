"""What a Responses upstream may send, and what it becomes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import FaultClass
from dialects.events import (
    Annotation,
    BlockKind,
    BlockSignature,
    Failure,
    Finish,
    FinishReason,
    Start,
    Tick,
)
from dialects.openai_responses import DIALECT
from tests.unit.dialects.openai_responses_stream import blocks_of, ending_of, frames, read, usage_in

CREATED: dict[str, Any] = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "gpt-5", "created_at": 7, "status": "in_progress"},
}


def item_added(index: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def item_done(index: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, index: int, text: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


def completed(status: str = "completed", **response: Any) -> dict[str, Any]:
    body = {"id": "resp_1", "status": status, "output": [], **response}
    return {"type": f"response.{status}", "response": body}


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": list(parts)}


USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 120,
}


def test_start_says_what_the_upstream_said() -> None:
    events = read(frames(CREATED, completed()))

    assert events[0] == Start("resp_1", "gpt-5", 7)


def test_interleaved_calls_become_blocks_in_single_file() -> None:
    events = read(
        frames(
            CREATED,
            item_added(0, type="function_call", id="fc_1", call_id="a", name="first"),
            item_added(1, type="function_call", id="fc_2", call_id="b", name="second"),
            delta("function_call_arguments", 1, '{"y":'),
            delta("function_call_arguments", 0, '{"x":'),
            delta("function_call_arguments", 1, "2}"),
            item_done(1, type="function_call", call_id="b", name="second", arguments='{"y":2}'),
            delta("function_call_arguments", 0, "1}"),
            item_done(0, type="function_call", call_id="a", name="first", arguments='{"x":1}'),
            completed(),
        )
    )

    assert blocks_of(events) == [
        (BlockKind.TOOL, "a", "first", '{"x":1}'),
        (BlockKind.TOOL, "b", "second", '{"y":2}'),
    ]
    assert ending_of(events) == Finish(FinishReason.TOOL_CALLS)


def test_name_and_arguments_in_one_event_lose_nothing() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"t": 1.0}'}
    events = read(frames(CREATED, item_added(0, **call), item_done(0, **call), completed()))

    assert blocks_of(events) == [(BlockKind.TOOL, "a", "f", '{"t": 1.0}')]


def test_an_item_never_announced_is_taken_from_its_done_event() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    part = {"type": "output_text", "text": "Hi"}
    events = read(
        frames(
            CREATED,
            delta("function_call_arguments", 0, "{}"),
            item_done(0, **call),
            item_done(1, **message(part)),
            completed(),
        )
    )

    assert blocks_of(events) == [
        (BlockKind.TOOL, "a", "f", "{}"),
        (BlockKind.TEXT, None, None, "Hi"),
    ]


def test_only_the_terminal_event_still_gives_the_whole_answer() -> None:
    output = [message({"type": "output_text", "text": "All of it"})]
    events = read(frames(completed(output=output, usage=USAGE)))

    assert blocks_of(events) == [(BlockKind.TEXT, None, None, "All of it")]
    assert usage_in(events).output == 20


def test_a_cut_last_delta_is_completed_from_the_final_object() -> None:
    output = [message({"type": "output_text", "text": "One two three"})]
    events = read(
        frames(
            CREATED,
            item_added(0, type="message", id="msg_1"),
            delta("output_text", 0, "One two", content_index=0),
            completed(output=output),
        )
    )

    assert blocks_of(events)[0][3] == "One two three"


def test_reasoning_keeps_its_id_parts_and_encrypted_content() -> None:
    events = read(
        frames(
            CREATED,
            item_added(0, type="reasoning", id="rs_1", summary=[]),
            delta("reasoning_summary_text", 0, "First.", summary_index=0),
            delta("reasoning_summary_text", 0, "Second.", summary_index=1),
            delta("reasoning_text", 0, "raw words", content_index=0),
            item_done(
                0,
                type="reasoning",
                id="rs_1",
                encrypted_content="gAAA",
                summary=[
                    {"type": "summary_text", "text": "First."},
                    {"type": "summary_text", "text": "Second."},
                ],
            ),
            completed(),
        )
    )

    assert blocks_of(events)[0][3] == "First.\n\nSecond."
    assert BlockSignature(0, "openai", "gAAA") in events


def test_reasoning_without_text_is_a_block_only_if_it_carries_something() -> None:
    silent = item_done(0, type="reasoning", id="rs_1", summary=[])
    carrying = item_done(1, type="reasoning", id="rs_2", summary=[], encrypted_content="gAAA")
    events = read(frames(CREATED, silent, carrying, completed()))

    assert blocks_of(events) == [(BlockKind.REASONING, None, None, "")]


def test_a_custom_call_is_free_form_and_keeps_its_namespace() -> None:
    call = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** x"}
    events = read(
        frames(
            CREATED,
            item_added(0, **{**call, "input": "", "namespace": "files"}),
            delta("custom_tool_call_input", 0, "*** x"),
            item_done(0, **call),
            completed(),
        )
    )

    assert blocks_of(events) == [(BlockKind.CUSTOM_TOOL, "c", "apply_patch", "*** x")]
    assert events[1].namespace == "files"  # type: ignore[union-attr]


def test_text_refusal_and_annotations() -> None:
    citation = {"type": "url_citation", "url": "https://example.org"}
    events = read(
        frames(
            CREATED,
            item_added(0, type="message", id="msg_1"),
            delta("output_text", 0, "Part.", content_index=0),
            {
                "type": "response.output_text.annotation.added",
                "output_index": 0,
                "content_index": 0,
                "annotation": citation,
            },
            delta("refusal", 0, "No.", content_index=1),
            item_done(
                0,
                **message(
                    {"type": "output_text", "text": "Part."}, {"type": "refusal", "refusal": "No."}
                ),
            ),
            completed(),
        )
    )

    assert [block[0] for block in blocks_of(events)] == [BlockKind.TEXT, BlockKind.REFUSAL]
    assert Annotation(0, "openai_responses", citation) in events
    assert ending_of(events) == Finish(FinishReason.REFUSAL, details="No.")


@pytest.mark.parametrize(
    ("terminal", "reason"),
    [
        (completed(), FinishReason.STOP),
        (completed("incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (
            completed("incomplete", incomplete_details={"reason": "content_filter"}),
            "content_filter",
        ),
        (completed("incomplete", incomplete_details=None), FinishReason.LENGTH),
        (
            completed(
                output=[{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]
            ),
            FinishReason.TOOL_CALLS,
        ),
        (
            completed(output=[message({"type": "refusal", "refusal": "No."})]),
            FinishReason.REFUSAL,
        ),
    ],
)
def test_every_way_to_finish(terminal: dict[str, Any], reason: str) -> None:
    ending = ending_of(read(frames(CREATED, terminal)))

    assert isinstance(ending, Finish)
    assert ending.reason == reason


def test_cut_off_in_a_call_stays_cut_off() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x'}
    terminal = completed(
        "incomplete", output=[call], incomplete_details={"reason": "max_output_tokens"}
    )

    assert ending_of(read(frames(CREATED, terminal))) == Finish(FinishReason.LENGTH)


@pytest.mark.parametrize(
    "ending",
    [
        {"type": "error", "code": "server_error", "message": "boom", "param": None},
        {"type": "error", "error": {"code": "server_error", "message": "boom"}},
        {"error": {"type": "server_error", "message": "boom"}},
        completed("failed", error={"code": "server_error", "message": "boom"}),
    ],
)
def test_every_form_of_error_after_the_200_is_a_failure(ending: dict[str, Any]) -> None:
    found = ending_of(read(frames(CREATED, ending)))

    assert isinstance(found, Failure)
    assert found.fault.kind is FaultClass.UPSTREAM_ERROR
    assert found.fault.message == "boom"


def test_overload_and_overflow_keep_their_class() -> None:
    overloaded = completed("failed", error={"code": "server_is_overloaded", "message": "busy"})
    overflow = completed("failed", error={"code": "context_length_exceeded", "message": "long"})

    assert ending_of(read(frames(CREATED, overloaded))).fault.kind is FaultClass.OVERLOADED  # type: ignore[union-attr]
    assert ending_of(read(frames(CREATED, overflow))).fault.kind is FaultClass.CONTEXT_OVERFLOW  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        frames(CREATED),
        frames(CREATED, {"type": "response.done", "response": {"status": "completed"}}),
        frames(CREATED) + b"data: [DONE]\n\n",
    ],
)
def test_the_end_without_a_terminal_event_is_a_failure(data: bytes) -> None:
    assert isinstance(ending_of(read(data)), Failure)


def test_a_whole_body_instead_of_a_stream_is_read_or_told() -> None:
    body = {"object": "response", "status": "completed", "output": []}
    error = {"error": {"code": "rate_limit_exceeded", "message": "try again in 1.5s"}}

    assert ending_of(read(json.dumps(body).encode())) == Finish(FinishReason.STOP)
    failure = ending_of(read(json.dumps(error).encode(), step=1))
    assert isinstance(failure, Failure)
    assert failure.fault.kind is FaultClass.UPSTREAM_RATE_LIMITED
    assert failure.fault.retry_after_s == 2
    assert isinstance(ending_of(read(b"<html>Bad gateway</html>")), Failure)


def test_a_frame_of_json_split_from_its_field_name_is_no_whole_body() -> None:
    reader = DIALECT.reader()
    reader.receive_data(b"data: ")
    reader.receive_data(json.dumps(CREATED).encode() + b"\n\n")

    assert isinstance(reader.next_event(), Start)


def test_signs_of_life_are_ticks_and_unknown_events_nothing() -> None:
    events = read(
        frames(
            CREATED,
            {"type": "keepalive", "sequence_number": 3},
            {"type": "response.web_search_call.searching", "output_index": 0},
            {"type": "response.something.new"},
            completed(),
        )
    )

    assert sum(isinstance(event, Tick) for event in events) == 2


def test_usage_parts_are_disjoint() -> None:
    usage = usage_in(read(frames(CREATED, completed(usage=USAGE))))

    assert (usage.input, usage.cache_read, usage.cache_write_5m) == (30, 60, 10)
    assert usage.total_input == 100
    assert (usage.output, usage.reasoning) == (20, 8)


def test_reasoning_counted_outside_the_output_is_added() -> None:
    report = {**USAGE, "total_tokens": 128}

    assert usage_in(read(frames(CREATED, completed(usage=report)))).output == 28


def test_a_character_cut_in_two_is_joined() -> None:
    halves = [
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"a\\ud83d"}\n\n',
        b'data: {"type":"response.output_text.delta","output_index":0,"delta":"\\ude00b"}\n\n',
    ]
    events = read(
        frames(CREATED, item_added(0, type="message")) + b"".join(halves) + frames(completed())
    )

    assert blocks_of(events)[0][3] == "a😀b"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = st.sampled_from(
    [
        *("response.created", "response.completed", "response.output_item.added"),
        *("response.output_item.done", "response.content_part.done", "response.output_text.delta"),
        *("response.function_call_arguments.delta", "response.reasoning_summary_text.delta"),
        *(
            "response.output_text.annotation.added",
            "response.failed",
            "error",
            "response.refusal.delta",
        ),
    ]
)
FIELDS = (
    "output_index",
    "content_index",
    "item",
    "part",
    "delta",
    "response",
    "annotation",
    "error",
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(KINDS, st.dictionaries(st.sampled_from(FIELDS), JUNK)), max_size=8))
def test_values_of_any_type_never_raise(events: list[tuple[str, dict[str, Any]]]) -> None:
    read(frames(*({"type": kind, **fields} for kind, fields in events)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_end_or_failure(data: bytes) -> None:
    read(data)


FULL = [
    CREATED,
    item_added(0, type="reasoning", id="rs_1", summary=[]),
    delta("reasoning_summary_text", 0, "Hm.", summary_index=0),
    item_done(0, type="reasoning", id="rs_1", encrypted_content="gAAA"),
    item_added(1, type="message", id="msg_1"),
    delta("output_text", 1, "Hi", content_index=0),
    item_done(1, **message({"type": "output_text", "text": "Hi"})),
    item_added(2, type="function_call", call_id="a", name="f"),
    delta("function_call_arguments", 2, "{}"),
    item_done(2, type="function_call", call_id="a", name="f", arguments="{}"),
    completed(usage=USAGE),
]


@pytest.mark.parametrize("seed", range(40))
def test_shuffled_repeated_and_missing_frames_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    chosen = chance.choices(FULL, k=chance.randint(1, 16))
    read(frames(*chosen))
    data = frames(*FULL)
    read(data[: chance.randrange(len(data))])
