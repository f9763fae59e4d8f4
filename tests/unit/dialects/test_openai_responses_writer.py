"""What a Responses client gets, event by event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.dialect import ToolAlias
from dialects.errors import Fault, FaultClass, LocalDialectError, RemoteDialectError
from dialects.events import (
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
    Start,
    Tick,
    UsageReport,
)
from dialects.openai_responses import DIALECT
from dialects.usage import Usage
from tests.unit.dialects.openai_responses_stream import (
    blocks_of,
    check_stream,
    context,
    ending_of,
    parse_frames,
    read,
    write,
)

START = Start("msg_upstream", "upstream-model", 5, Usage(input=10))
USAGE = UsageReport(Usage(input=7, cache_read=3, cache_write_5m=2, output=9, reasoning=4))


def block(n: int, kind: BlockKind, *texts: str, **fields: Any) -> list[Event]:
    return [BlockOpen(n, kind, **fields), *(BlockDelta(n, text) for text in texts), BlockClose(n)]


def answer(*events: Event, reason: FinishReason = FinishReason.STOP, **fields: Any) -> list[Event]:
    return [START, *events, Finish(reason, **fields), USAGE, End()]


def final(data: bytes) -> dict[str, Any]:
    response: dict[str, Any] = parse_frames(data)[-1]["response"]
    return response


def test_text_in_canonical_order() -> None:
    events = check_stream(write(answer(*block(0, BlockKind.TEXT, "Hel", "lo"))))

    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert all(
        "logprobs" in event for event in events if event["type"].startswith("response.output_text")
    )
    response = events[-1]["response"]
    assert response["model"] == "shown-model"
    assert response["store"] is False
    assert response["output"][0]["content"][0]["text"] == "Hello"
    assert response["usage"] == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 21,
    }


def test_reasoning_is_summary_events_so_that_every_sdk_shows_it() -> None:
    events = check_stream(write(answer(*block(0, BlockKind.REASONING, "Hm", "."))))
    kinds = [event["type"] for event in events]

    assert "response.reasoning_summary_part.added" in kinds
    assert "response.reasoning_text.delta" not in kinds
    assert events[-1]["response"]["output"][0]["summary"] == [
        {"type": "summary_text", "text": "Hm."}
    ]


def test_reasoning_text_reasoning_tool_are_four_items() -> None:
    events: list[Event] = [
        *block(0, BlockKind.REASONING, "a"),
        *block(1, BlockKind.TEXT, "b"),
        *block(2, BlockKind.REASONING, "c"),
        *block(3, BlockKind.TOOL, "{}", id="t", name="f"),
    ]
    written = check_stream(write(answer(*events, reason=FinishReason.TOOL_CALLS)))

    assert [item["type"] for item in written[-1]["response"]["output"]] == [
        "reasoning",
        "message",
        "reasoning",
        "function_call",
    ]


def test_adjacent_text_and_refusal_share_a_message() -> None:
    data = write(
        answer(
            *block(0, BlockKind.TEXT, "Well"),
            *block(1, BlockKind.REFUSAL, "No."),
            reason=FinishReason.REFUSAL,
        )
    )
    check_stream(data)

    response = final(data)
    assert response["status"] == "completed"
    assert [part["type"] for part in response["output"][0]["content"]] == ["output_text", "refusal"]


def test_parallel_calls_keep_arguments_ids_and_names() -> None:
    calls = [
        *block(0, BlockKind.TOOL, '{"a"', ": 1.0}", id="toolu_1", name="f"),
        *block(1, BlockKind.TOOL, id="toolu_2", name="g"),
    ]
    data = write(answer(*calls, reason=FinishReason.TOOL_CALLS))
    check_stream(data)

    first, second = final(data)["output"]
    assert (first["call_id"], first["name"], first["arguments"]) == ("toolu_1", "f", '{"a": 1.0}')
    assert second["arguments"] == "{}"
    assert first["id"].startswith("fc_")
    assert first["status"] == "completed"


def test_an_empty_call_id_is_made_up() -> None:
    data = write(answer(*block(0, BlockKind.TOOL, name="f"), reason=FinishReason.TOOL_CALLS))

    assert final(data)["output"][0]["call_id"].startswith("call_id")


def test_aliases_bring_back_names_namespaces_and_free_form() -> None:
    tools = {
        "mcp__read": ToolAlias("read", "mcp"),
        "apply_patch": ToolAlias("apply_patch", None, True),
    }
    events = [
        *block(0, BlockKind.TOOL, "{}", id="a", name="mcp__read"),
        *block(1, BlockKind.TOOL, '{"inp', 'ut": "line\\n', 'two"}', id="b", name="apply_patch"),
    ]
    data = write(answer(*events, reason=FinishReason.TOOL_CALLS), tools=tools)
    check_stream(data)

    read_call, patch = final(data)["output"]
    assert (read_call["namespace"], read_call["name"]) == ("mcp", "read")
    assert patch["type"] == "custom_tool_call"
    assert patch["input"] == "line\ntwo"


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.STOP_SEQUENCE, "completed", None),
        (FinishReason.TOOL_CALLS, "completed", None),
        (FinishReason.PAUSE, "incomplete", "max_output_tokens"),
        (FinishReason.LENGTH, "incomplete", "max_output_tokens"),
        (FinishReason.CONTEXT_WINDOW, "incomplete", "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, "incomplete", "content_filter"),
        (FinishReason.REFUSAL, "incomplete", "content_filter"),
    ],
)
def test_every_finish_reason_after_text(
    reason: FinishReason, status: str, details: str | None
) -> None:
    data = write(answer(*block(0, BlockKind.TEXT, "Some"), reason=reason))
    check_stream(data)

    response = final(data)
    assert response["status"] == status
    assert (response["incomplete_details"] or {}).get("reason") == details
    assert response["output"][0]["status"] == status


def test_a_refusal_without_words_gets_a_part_of_its_own() -> None:
    data = write(answer(reason=FinishReason.REFUSAL, details="Not that."))
    check_stream(data)

    response = final(data)
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "Not that."}]


def test_an_empty_answer_is_complete() -> None:
    data = write(answer())
    check_stream(data)

    assert final(data)["output"] == []


def seal(carrier: str, data: str, text: str, item_id: str | None) -> str:
    return f"gb1.{carrier}|{data}|{text}|{item_id}"


def encrypted(*events: Event, **fields: Any) -> list[str | None]:
    data = write(answer(*events), **fields)
    check_stream(data)
    return [item.get("encrypted_content") for item in final(data)["output"]]


def signed(text: str, carrier: str, data: str) -> list[Event]:
    texts = [BlockDelta(0, text)] if text else []
    opening = BlockOpen(0, BlockKind.REASONING, id="rs_up")
    return [opening, *texts, BlockSignature(0, carrier, data), BlockClose(0)]


def test_carriers_are_sealed_except_openais_own() -> None:
    asked = {"include_encrypted": True, "seal": seal}

    assert encrypted(*signed("t", "openai", "gAAA"), **asked) == ["gAAA"]
    assert encrypted(*signed("t", "anthropic", "sig"), **asked) == ["gb1.anthropic|sig|t|rs_up"]
    assert encrypted(*signed("", "anthropic_redacted", "x"), **asked) == [
        "gb1.anthropic_redacted|x||rs_up"
    ]
    assert encrypted(*block(0, BlockKind.REASONING, "t"), **asked) == ["gb1.text||t|None"]


def test_no_carrier_unless_asked_and_nothing_for_empty_reasoning() -> None:
    assert encrypted(*signed("t", "anthropic", "sig"), seal=seal) == [None]
    assert encrypted(*signed("", "anthropic", "sig")) == []
    assert encrypted(*block(0, BlockKind.REASONING), include_encrypted=True, seal=seal) == []


def test_citations_of_every_dialect() -> None:
    events: list[Event] = [
        BlockOpen(0, BlockKind.TEXT),
        BlockDelta(0, "Paris"),
        Annotation(0, "openai_responses", {"type": "file_citation", "file_id": "f"}),
        Annotation(0, "openai_chat", {"type": "url_citation", "url_citation": {"url": "u"}}),
        Annotation(
            0,
            "anthropic_messages",
            {"type": "web_search_result_location", "url": "w", "title": "W", "cited_text": "c"},
        ),
        Annotation(0, "anthropic_messages", {"type": "char_location"}),
        BlockClose(0),
    ]
    data = write(answer(*events))
    check_stream(data)

    assert final(data)["output"][0]["content"][0]["annotations"] == [
        {"type": "file_citation", "file_id": "f"},
        {"type": "url_citation", "url": "u"},
        {"type": "url_citation", "url": "w", "title": "W", "start_index": 0, "end_index": 5},
    ]


def test_a_tick_is_a_keepalive_with_a_number_of_its_own() -> None:
    data = write([Tick(), *answer(Tick(), *block(0, BlockKind.TEXT, "x"))])

    assert data.startswith(b": keep-alive\n\n")
    events = check_stream(data)
    assert events[2] == {"type": "keepalive", "sequence_number": 2}


def test_a_failure_says_it_twice_under_one_id() -> None:
    fault = Fault(FaultClass.OVERLOADED, "Too much.")
    data = write(
        [START, BlockOpen(0, BlockKind.TEXT), BlockDelta(0, "half"), Failure(fault)],
        input_estimate=10,
    )
    events = check_stream(data)

    error, failed = events[-2:]
    assert (error["type"], error["code"]) == ("error", "server_is_overloaded")
    assert error["error"]["message"] == error["message"] == "Too much."
    assert failed["response"]["error"] == {"code": "server_is_overloaded", "message": "Too much."}
    assert failed["response"]["id"] == events[0]["response"]["id"]


def test_echoes_of_the_request_and_the_estimate() -> None:
    request = {"instructions": "Be brief.", "temperature": None, "store": True, "tools": [{"x": 1}]}
    data = write(
        [START, Finish(FinishReason.STOP), UsageReport(Usage(output=3)), End()], request=request
    )

    response = final(data)
    assert response["instructions"] == "Be brief."
    assert response["tools"] == [{"x": 1}]
    assert response["temperature"] is None
    assert response["store"] is False
    assert response["usage"]["input_tokens"] == 10


def test_out_of_order_is_our_own_fault() -> None:
    writer = DIALECT.writer(context())

    with pytest.raises(LocalDialectError):
        writer.send(BlockOpen(0, BlockKind.TEXT))


def test_a_whole_answer_with_a_failure_raises_its_fault() -> None:
    with pytest.raises(RemoteDialectError):
        DIALECT.write_answer([START, Failure(Fault(FaultClass.TIMEOUT, "Late."))], context())
    with pytest.raises(LocalDialectError):
        DIALECT.write_answer([START], context())


TEXTS = st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    kinds = draw(st.lists(st.sampled_from(BlockKind), max_size=6))
    events: list[Event] = []
    for n, kind in enumerate(kinds):
        is_tool = kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)
        fields = {"id": f"call_{n}", "name": f"f{n}"} if is_tool else {}
        events += block(n, kind, *draw(TEXTS), **fields)
        if draw(st.booleans()):
            events.append(Tick())
    has_call = any(kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL) for kind in kinds)
    usual = FinishReason.STOP
    if has_call:
        usual = FinishReason.TOOL_CALLS
    elif BlockKind.REFUSAL in kinds:
        usual = FinishReason.REFUSAL
    return answer(*events, reason=draw(st.sampled_from([usual, FinishReason.LENGTH])))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(answers(), st.integers(1, 50))
def test_what_is_written_reads_back(events: list[Event], step: int) -> None:
    data = write(events)
    check_stream(data)
    again = read(data, step)

    assert blocks_of(again) == blocks_of(events)
    assert ending_of(again).reason == ending_of(events).reason  # type: ignore[union-attr]
    assert json.loads(json.dumps(DIALECT.write_answer(events, context()))) == final(data)
