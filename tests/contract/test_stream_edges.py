"""The edge cases of streams that break clients (translation matrix §8, 43 to 65), one by one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dialects.bridge import StreamBridge
from dialects.events import (
    BlockOpen,
    Event,
    Failure,
    FinishReason,
    Start,
    Tick,
)
from dialects.registry import DIALECTS
from dialects.usage import Usage
from tests.contract.journeys import (
    CELLS,
    answer_of,
    call,
    carry,
    chat,
    context_of,
    frames_of,
    messages,
    named,
    read,
    text_block,
    thinking_block,
    tool_block,
)

A, C, R = DIALECTS
THINK = {"reasoning_content": "hm "}


def blocks_of(data: bytes) -> list[str]:
    """The types of the blocks of a Messages stream, in the order of their indexes."""
    opened = [e for e in frames_of(data) if e["type"] == "content_block_start"]
    assert [event["index"] for event in opened] == list(range(len(opened)))
    return [event["content_block"]["type"] for event in opened]


def deltas_of(data: bytes) -> list[dict[str, Any]]:
    return [f["choices"][0]["delta"] for f in frames_of(data) if f.get("choices")]


def ending_of(data: bytes) -> dict[str, Any]:
    """The last message_delta of a Messages stream, which must be the only one."""
    (ending,) = (e for e in frames_of(data) if e["type"] == "message_delta")
    return dict(ending)


def response_item(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"{kind[:2]}_{index}", "status": "completed", **fields}


def responses(*events: dict[str, Any], **ending: Any) -> bytes:
    """A Responses upstream's stream around these events."""
    response = {"id": "resp_up", "object": "response", "created_at": 7, "model": "up-1"}
    usage = {"input_tokens": 15, "output_tokens": 9, "total_tokens": 24}
    end = {**response, "status": "completed", "output": [], "usage": usage, **ending}
    return named(
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        *events,
        {"type": "response.completed", "response": end},
    )


@pytest.mark.edge(43)
def test_a_sign_of_life_is_what_each_clients_parser_takes() -> None:
    signs = {}
    for name, dialect in DIALECTS.items():
        writer = dialect.writer(context_of())
        writer.send(Start("x", "m"))
        signs[name] = writer.send(Tick())
    assert signs[A] == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert re.fullmatch(rb": [^\n]*\n\n", signs[C])  # an event or id line crashes Python's SDK
    assert signs[R].startswith(b"event: keepalive\ndata: ")  # Codex does not see comments


@pytest.mark.edge(44)
@pytest.mark.parametrize("source", DIALECTS)
def test_every_messages_frame_has_its_event_line(source: str) -> None:
    data = carry(source, A, written(source))
    for frame in data.decode().strip().split("\n\n"):
        event, _, body = frame.partition("\ndata: ")
        assert event == f"event: {json.loads(body)['type']}"


def written(dialect: str) -> bytes:
    """A stream of reasoning, text and two calls, as that dialect's provider writes it."""
    source = messages(
        thinking_block("hm ", "ok"),
        text_block("Hel", "lo"),
        tool_block("f", '{"a":', "1}"),
        tool_block("g", call_id="toolu_2"),
        stop_reason="tool_use",
    )
    return source if dialect == A else carry(A, dialect, source)


@pytest.mark.edge(45)
def test_indexes_stay_dense_where_a_providers_own_blocks_are_left_out() -> None:
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    data = messages(text_block("a"), (search, []), (found, []), text_block("b"))
    assert blocks_of(carry(A, A, data)) == ["text", "text"]


@pytest.mark.edge(46)
@pytest.mark.parametrize("source", DIALECTS)
def test_chats_call_indexes_count_calls_alone(source: str) -> None:
    pieces = [p for d in deltas_of(carry(source, C, written(source)))
              for p in d.get("tool_calls", [])]  # fmt: skip
    assert [p["index"] for p in pieces if "id" in p] == [0, 1]
    assert {p["index"] for p in pieces} == {0, 1}


@pytest.mark.edge(47)
def test_a_calls_id_and_name_are_said_once_however_often_they_came() -> None:
    data = chat(call(0, '{"a"', "f", "c1"), call(0, ":1}", "f", "c1"), finish="tool_calls")
    pieces = [d["tool_calls"][0] for d in deltas_of(carry(C, C, data)) if "tool_calls" in d]
    assert [p.get("id") for p in pieces] == ["c1", None, None]
    assert [p["function"].get("name") for p in pieces] == ["f", None, None]
    assert "".join(p["function"]["arguments"] for p in pieces) == '{"a":1}'


@pytest.mark.edge(48)
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
def test_a_call_without_arguments_has_an_empty_object(source: str, target: str) -> None:
    empty = {
        A: messages(tool_block("f", "", ""), stop_reason="tool_use"),
        C: chat(call(0, "", "f", "c1"), finish="tool_calls"),
        R: responses(
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": response_item(0, "function_call", call_id="c1", name="f", arguments=""),
            }
        ),
    }[source]
    ((_, name, arguments),) = answer_of(read(DIALECTS[target], carry(source, target, empty))).calls
    assert (name, arguments) == ("f", "{}")


@pytest.mark.edge(49)
@pytest.mark.reported(1)
@pytest.mark.parametrize("target", DIALECTS)
def test_the_first_bytes_of_a_new_block_are_not_lost(target: str) -> None:
    data = chat(
        {**THINK, "content": "Te"},
        {"content": "xt", **call(0, '{"a":', "f", "c1")},
        call(0, "1}"),
        finish="tool_calls",
    )
    answer = answer_of(read(DIALECTS[target], carry(C, target, data)))
    assert (answer.reasoning, answer.text) == ("hm ", "Text")
    assert answer.calls == [["c1", "f", '{"a":1}']]


@pytest.mark.edge(49)
@pytest.mark.parametrize("target", DIALECTS)
def test_a_call_is_announced_before_its_first_argument(target: str) -> None:
    bridge = StreamBridge(DIALECTS[C].reader(), DIALECTS[target].writer(context_of()))
    begun = chat(call(0, "", "get_price", "c1"), finish=None, done=False)
    assert b"get_price" in bridge.receive_data(begun)


@pytest.mark.edge(50)
@pytest.mark.parametrize("target", DIALECTS)
def test_no_empty_text_stands_before_the_thinking(target: str) -> None:
    data = chat({"content": ""}, {"content": None, **THINK}, {"content": "", **THINK},
                {"content": "Hi"})  # fmt: skip
    kinds = [e.kind.value for e in read(DIALECTS[target], carry(C, target, data)) if opens(e)]
    assert kinds == ["reasoning", "text"]


def opens(event: Event) -> bool:
    return isinstance(event, BlockOpen)


@pytest.mark.edge(51)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_reasoning_reaches_the_client_as_it_comes(source: str, target: str) -> None:
    whole = messages(thinking_block("first thought", "second thought"), text_block("x"))
    data = whole if source == A else carry(A, source, whole)
    bridge = StreamBridge(DIALECTS[source].reader(), DIALECTS[target].writer(context_of()))
    begun = data[: data.index(b"\n\n", data.index(b"first thought")) + 2]
    assert b"first thought" in bridge.receive_data(begun)


@pytest.mark.edge(52)
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_all_deltas_of_a_thought_are_one_block(field: str) -> None:
    data = carry(C, A, chat({field: "a"}, {field: "b"}, {field: "c"}, {"content": "x"}))
    assert blocks_of(data) == ["thinking", "text"]


@pytest.mark.edge(53)
@pytest.mark.parametrize("source", DIALECTS)
def test_a_block_is_signed_once_right_before_it_stops(source: str) -> None:
    kinds = [
        e["delta"]["type"] if e["type"] == "content_block_delta" else e["type"]
        for e in frames_of(carry(source, A, written(source)))
    ]
    assert kinds.count("signature_delta") == 1
    assert kinds[kinds.index("signature_delta") + 1] == "content_block_stop"


@pytest.mark.edge(54)
@pytest.mark.parametrize("target", DIALECTS)
def test_usage_after_the_finish_counts_and_nothing_follows_the_end(target: str) -> None:
    usage = {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}
    data = chat({"content": "x"}, done=False)
    head = b'data: {"id":"c","choices":[],"usage":%b}\n\n' % json.dumps(usage).encode()
    out = carry(C, target, data + head + b"data: [DONE]\n\n" + chat({"content": "late"}))
    answer = answer_of(read(DIALECTS[target], out))
    assert (answer.usage.total_input, answer.usage.output) == (15, 9)
    assert b"late" not in out
    if target == A:
        assert ending_of(out)["usage"]["output_tokens"] == 9


@pytest.mark.edge(55)
@pytest.mark.parametrize("target", DIALECTS)
def test_content_in_the_chunk_of_the_finish_is_kept(target: str) -> None:
    last = {"choices": [{"index": 0, "delta": {"content": "end"}, "finish_reason": "length"}]}
    out = carry(C, target, chat({"content": "the "}, last, finish=None))
    answer = answer_of(read(DIALECTS[target], out))
    assert (answer.text, answer.finish) == ("the end", FinishReason.LENGTH)


@pytest.mark.edge(56)
@pytest.mark.reported(4)
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize(
    ("said", "has_call", "meant"),
    [
        ("stop", True, FinishReason.TOOL_CALLS),
        ("tool_calls", False, FinishReason.STOP),
        ("tool_calls", True, FinishReason.TOOL_CALLS),
        ("function_call", True, FinishReason.TOOL_CALLS),
        ("length", True, FinishReason.LENGTH),
        ("content_filter", False, FinishReason.CONTENT_FILTER),
        ("eos", False, FinishReason.STOP),
        ("end_turn", True, FinishReason.TOOL_CALLS),
    ],
)
def test_the_end_is_judged_by_what_was_streamed(
    said: str, has_call: bool, meant: FinishReason, target: str
) -> None:
    deltas = [{"content": "x"}, *([call(0, "{}", "f", "c1")] if has_call else [])]
    out = carry(C, target, chat(*deltas, finish=said))
    found = answer_of(read(DIALECTS[target], out)).finish
    filtered = {FinishReason.CONTENT_FILTER, FinishReason.REFUSAL}
    assert found == meant or {found, meant} == filtered


@pytest.mark.edge(57)
@pytest.mark.reported(14)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_a_stream_that_breaks_off_never_ends_well(source: str, target: str) -> None:
    data = written(source)
    ends = [match.end() for match in re.finditer(rb"\n\n", data)]
    for end in ends[: -3 if source == C else -1]:
        out = carry(source, target, data[:end])
        last = read(DIALECTS[target], out)[-1]
        assert isinstance(last, Failure)
        assert not re.search(rb"message_stop|\[DONE\]|response\.(?:completed|incomplete)", out)


@pytest.mark.edge(58)
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("done", [b"", b"data: [DONE]", b"data: [DONE] \n\n", b"data:[DONE]\n\n"])
def test_done_may_be_missing_or_odd_and_is_written_exactly(done: bytes, target: str) -> None:
    out = carry(C, target, chat({"content": "x"}, done=False) + done)
    assert answer_of(read(DIALECTS[target], out)).finish is FinishReason.STOP
    assert out.endswith(b"data: [DONE]\n\n") == (target == C)


@pytest.mark.edge(58)
def test_done_after_a_messages_stream_does_no_harm() -> None:
    data = messages(text_block("x")) + b"data: [DONE]\n\n"
    assert answer_of(read(DIALECTS[A], data)).finish is FinishReason.STOP


@pytest.mark.edge(59)
@pytest.mark.reported(12)
@pytest.mark.parametrize("source", DIALECTS)
def test_a_response_keeps_one_id_and_numbers_without_gaps(source: str) -> None:
    events = frames_of(carry(source, R, written(source)))
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert len({e["response"]["id"] for e in events if "response" in e}) == 1
    assert events[-1]["type"] == "response.completed"
    calls = [i for i in events[-1]["response"]["output"] if i["type"] == "function_call"]
    assert all(item["id"] and item["status"] == "completed" for item in calls)


@pytest.mark.edge(60)
@pytest.mark.parametrize("source", DIALECTS)
def test_reasoning_is_written_as_summaries_that_every_client_shows(source: str) -> None:
    kinds = [event["type"] for event in frames_of(carry(source, R, written(source)))]
    assert "response.reasoning_summary_text.delta" in kinds
    assert not [kind for kind in kinds if "reasoning_text" in kind]


@pytest.mark.edge(61)
def test_interleaved_items_are_written_to_messages_one_after_the_other() -> None:
    def args(index: int, text: str) -> dict[str, Any]:
        kind = "response.function_call_arguments.delta"
        return {"type": kind, "item_id": f"fu_{index}", "output_index": index, "delta": text}

    added = [
        {
            "type": "response.output_item.added",
            "output_index": n,
            "item": response_item(n, "function_call", call_id=f"c{n}", name="f", arguments=""),
        }
        for n in (0, 1)
    ]
    data = responses(*added, args(0, '{"a"'), args(1, '{"b"'), args(0, ":1}"), args(1, ":2}"))
    chatty = chat(
        call(0, '{"a"', "f", "c0"), call(1, '{"b"', "f", "c1"), call(0, ":1}"), call(1, ":2}"),
        finish="tool_calls",
    )  # fmt: skip
    for source, stream in ((R, data), (C, chatty)):
        out = carry(source, A, stream)
        assert blocks_of(out) == ["tool_use", "tool_use"]
        calls = answer_of(read(DIALECTS[A], out)).calls
        assert calls == [["c0", "f", '{"a":1}'], ["c1", "f", '{"b":2}']]


@pytest.mark.edge(62)
@pytest.mark.reported(2)
@pytest.mark.parametrize("source", [C, R])
def test_the_first_event_names_input_tokens_and_the_last_the_truth(source: str) -> None:
    usage = {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}
    data = chat({"content": "x"}, {"choices": [], "usage": usage}) if source == C else responses()
    out = carry(source, A, data, input_estimate=77)
    starts = [e for e in frames_of(out) if e["type"] == "message_start"]
    assert [e["message"]["usage"]["input_tokens"] for e in starts] == [77]
    assert ending_of(out)["usage"]["input_tokens"] == 15
    assert answer_of(read(DIALECTS[A], out)).usage.total_input == 15


@pytest.mark.edge(63)
@pytest.mark.reported(16)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_cached_and_reasoning_tokens_are_parts_and_not_additions(source: str, target: str) -> None:
    usages = {
        A: {"input_tokens": 5, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 4,
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 3}},
        C: {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24,
            "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3}},
        R: {"input_tokens": 15, "output_tokens": 9, "total_tokens": 24,
            "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 3}},
    }  # fmt: skip
    usage = usages[source]
    data = {
        A: lambda: messages(text_block("x")).replace(
            b'"usage": {"output_tokens": 9}', b'"usage": ' + json.dumps(usage).encode()
        ),
        C: lambda: chat({"content": "x"}, {"choices": [], "usage": usage}),
        R: lambda: responses(usage=usage),
    }[source]()
    out = carry(source, target, data)
    expected = Usage(5, 6, 4, None, 9, 3)
    found = answer_of(read(DIALECTS[target], out)).usage
    assert found.total_input == expected.total_input == 15
    assert (found.cache_read, found.cache_write_5m, found.output, found.reasoning) == (6, 4, 9, 3)


@pytest.mark.edge(64)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_a_character_cut_into_two_escapes_arrives_whole(source: str, target: str) -> None:
    halves = chat({"content": "<1>"}, {"content": "<2>"})
    whole = {A: messages(text_block("<1>", "<2>")), C: halves, R: carry(C, R, halves)}[source]
    data = whole.replace(b"<1>", b"\\ud83d").replace(b"<2>", b"\\ude00")
    answer = answer_of(read(DIALECTS[target], carry(source, target, data)))
    assert answer.text == "😀"


@pytest.mark.edge(64)
@pytest.mark.parametrize("cut", range(1, 12))
def test_free_text_is_unwrapped_from_arguments_cut_anywhere(cut: int) -> None:
    arguments = '{"input": "a\\n\\ud83d\\ude00ü\\"b"}'
    pieces = [arguments[i : i + cut] for i in range(0, len(arguments), cut)]
    deltas = [call(0, "", "patch", "c1"), *(call(0, piece) for piece in pieces)]
    for target in (C, R):
        out = carry(C, target, chat(*deltas, finish="tool_calls"), customs=["patch"])
        ((_, _, text),) = answer_of(read(DIALECTS[target], out)).calls
        assert text == 'a\n😀ü"b'


@pytest.mark.edge(65)
@pytest.mark.parametrize("cut", range(1, 9))
def test_a_stop_sequence_is_found_across_deltas_and_never_shown(cut: int) -> None:
    text = "one END two"
    pieces = [{"content": text[i : i + cut]} for i in range(0, len(text), cut)]
    out = carry(C, A, chat(*pieces), stops=["END", "\n\nHuman:"])
    answer = answer_of(read(DIALECTS[A], out))
    assert (answer.text, answer.finish) == ("one ", FinishReason.STOP_SEQUENCE)
    assert ending_of(out)["delta"]["stop_sequence"] == "END"
    assert answer.usage.output == len(pieces[: -(-(text.index("END") + 3) // cut)])


@pytest.mark.edge(65)
@pytest.mark.parametrize("target", DIALECTS)
def test_a_stop_word_in_reasoning_or_arguments_is_none(target: str) -> None:
    deltas = [{"reasoning_content": "END"}, {"content": "EN"}, call(0, '{"a":"END"}', "f", "c1")]
    out = carry(C, target, chat(*deltas, finish="tool_calls"), stops=["END"])
    answer = answer_of(read(DIALECTS[target], out))
    assert (answer.reasoning, answer.text) == ("END", "EN")
    assert answer.calls[0][2] == '{"a":"END"}'
    assert answer.finish is FinishReason.TOOL_CALLS


@pytest.mark.reported(3)
@pytest.mark.parametrize("source", DIALECTS)
def test_thought_text_thought_call_are_four_blocks(source: str) -> None:
    data = messages(
        thinking_block("a"), text_block("b"), thinking_block("c"), tool_block("f", "{}"),
        stop_reason="tool_use",
    )  # fmt: skip
    out = carry(source, A, data if source == A else carry(A, source, data))
    assert blocks_of(out) == ["thinking", "text", "thinking", "tool_use"]


@pytest.mark.reported(10)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_an_error_in_the_stream_ends_it_with_the_clients_own_terminator(
    source: str, target: str
) -> None:
    errors = {
        A: named({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}),
        C: b'data: {"error":{"message":"Busy","code":"server_is_overloaded"}}\n\n',
        R: named({"type": "error", "code": "server_is_overloaded", "message": "Busy"}),
    }
    data = written(source)
    begun = data[: data.index(b"\n\n", data.index(b"Hel")) + 2]
    out = carry(source, target, begun + errors[source])
    last = out.strip().split(b"\n\n")[-1]
    ends = {A: b"event: error\n", C: b'data: {"error"', R: b"event: response.failed\n"}
    assert last.startswith(ends[target])
    assert b"Busy" in last
    (failure,) = (e for e in read(DIALECTS[target], out) if isinstance(e, Failure))
    assert failure.fault.kind == "overloaded"


@pytest.mark.reported(15)
@pytest.mark.parametrize("target", DIALECTS)
def test_cumulative_usage_is_never_added_up(target: str) -> None:
    data = messages(text_block("x"))
    more = named(*({"type": "message_delta", "delta": {}, "usage": {"output_tokens": n}}
                   for n in (3, 6)))  # fmt: skip
    place = data.index(b"event: message_delta")
    out = carry(A, target, data[:place] + more + data[place:])
    usage = answer_of(read(DIALECTS[target], out)).usage
    assert (usage.total_input, usage.cache_read, usage.output) == (15, 4, 9)


@pytest.mark.reported(17)
@pytest.mark.parametrize("target", DIALECTS)
def test_reasoning_counted_outside_the_output_is_brought_inside(target: str) -> None:
    usage = {"prompt_tokens": 15, "completion_tokens": 1, "total_tokens": 306,
             "completion_tokens_details": {"reasoning_tokens": 290}}  # fmt: skip
    out = carry(C, target, chat({"content": "x"}, {"choices": [], "usage": usage}))
    found = answer_of(read(DIALECTS[target], out)).usage
    assert (found.output, found.reasoning) == (291, 290)


@pytest.mark.reported(21)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_an_errors_words_are_not_output(source: str, target: str) -> None:
    bridge = StreamBridge(DIALECTS[source].reader(), DIALECTS[target].writer(context_of()))
    bridge.receive_data(b'{"error":{"message":"%b"}}' % (b"many words " * 500))
    bridge.close()
    assert bridge.failed is not None
    assert not bridge.usage.is_reported
    assert not bridge.has_content
