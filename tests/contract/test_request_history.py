"""Conversations so far, on the way to a provider with other rules for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dialects import json_text
from dialects.envelope import TEXT_CARRIER, Sealer
from tests.contract.carrying import (
    called,
    carry,
    chat,
    function,
    gave,
    kinds,
    refused,
    result,
    said,
    use,
)

SEALER = Sealer({"k": b"k" * 32}, "k", family="anthropic", origin="up_1", account="gb_1")
TO_OPENAI = Sealer({"k": b"k" * 32}, "k", family="openai", origin="up_2", account="gb_1")
TO_OPEN = Sealer({"k": b"k" * 32}, "k", family="generic", origin="up_3", account="gb_1")
PNG = "iVBORw0KGgo="
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "EqQBCgIYAhIM"}


def messages_of(carried: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = carried.body["messages"]
    return found


@pytest.mark.edge(12)
@pytest.mark.reported(9)
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-4-8", ["user", "system", "assistant", "user"]),
        ("claude-sonnet-4-5", ["user", "assistant", "user"]),
    ],
)
def test_a_later_system_message_stays_where_it_was(model: str, expected: list[str]) -> None:
    history = [
        {"role": "developer", "content": "First."},
        said("Hi"),
        {"role": "developer", "content": "Be brief."},
        said("Hello.", "assistant"),
        said("Bye"),
    ]
    for road, body in (("C→A", chat(*history)), ("R→A", {"input": history})):
        carried = carry(road, body, model)
        sent = messages_of(carried)
        assert [message["role"] for message in sent] == expected
        assert carried.body["system"] == [{"type": "text", "text": "First."}]
        place = next(n for n, message in enumerate(sent) if "Be brief." in str(message))
        assert place == (1 if "system" in expected else 0)
        assert carried.warnings == []


@pytest.mark.edge(12)
def test_a_later_system_message_is_legal_beside_tool_results_and_before_a_user_turn() -> None:
    between = chat(
        said("Hi"), called(("a", "f", "{}")), gave("a"), said("Mind the time.", "system"),
        said("And?"), said("Well.", "assistant"), said("Go on"),
        tools=[function("f")],
    )  # fmt: skip
    for model in ("claude-opus-4-8", "claude-sonnet-4-5"):
        sent = messages_of(carry("C→A", between, model))
        assert [message["role"] for message in sent] == ["user", "assistant"] * 2 + ["user"]
        assert kinds(sent[2]) == ["tool_result", "text", "text"]
        assert "Mind the time." in sent[2]["content"][1]["text"]


@pytest.mark.edge(13)
def test_each_system_message_stays_a_block_of_its_own() -> None:
    billing = "x-anthropic-billing-header: cc_version=2"
    system = [said(text, "system") for text in (billing, "Be brief.", "")]
    carried = carry("C→A", chat(*system, said("Hi")))

    assert [block["text"] for block in carried.body["system"]] == [billing, "Be brief."]
    blocks = [{"type": "text", "text": billing}, {"type": "text", "text": "Be brief."}]
    joined = messages_of(carry("A→C", {**chat(), "system": blocks}))[0]["content"]
    assert joined == f"{billing}\n\nBe brief."


@pytest.mark.edge(14)
def test_tool_results_stand_first_and_together_in_the_order_of_their_calls() -> None:
    body = chat(
        said("Hi"), called(("a", "f", "{}"), ("b", "f", "{}")),
        gave("b", "2"), gave("a", "1"), said("And?"),
        tools=[function("f")],
    )  # fmt: skip
    sent = messages_of(carry("C→A", body))

    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [block.get("tool_use_id") for block in sent[2]["content"]] == ["a", "b", None]


@pytest.mark.edge(14)
def test_results_in_two_user_messages_become_one() -> None:
    body = {
        "input": [
            said("Hi"),
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            said("wait"),
            {"type": "function_call_output", "call_id": "b", "output": "2"},
        ]
    }
    sent = messages_of(carry("R→A", body))

    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert kinds(sent[2]) == ["tool_result", "tool_result", "text"]


@pytest.mark.edge(15)
@pytest.mark.reported(8)
def test_what_a_tool_shows_reaches_models_whose_tool_messages_hold_text_only() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    paper = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
    found = {"type": "text", "text": "found"}
    body = chat(
        said("Hi"),
        said([use("a", "f"), use("b", "f")], "assistant"),
        said([result("a", [found, image]), result("b", [{"type": "document", "source": paper}])]),
    )
    sent = messages_of(carry("A→C", body))

    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert sent[2]["content"] == "found\n[image attached below]"
    assert [part["type"] for part in sent[4]["content"]] == ["image_url", "file"]
    items = carry("A→R", body).body["input"]
    outputs = [item["output"] for item in items if item["type"] == "function_call_output"]
    assert [part["type"] for part in outputs[0]] == ["input_text", "input_image"]
    assert [part["type"] for part in outputs[1]] == ["input_file"]


@pytest.mark.edge(15)
@pytest.mark.reported(8)
def test_an_array_as_a_tool_result_is_carried_whole() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    shown = [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]
    call = called(("a", "f", "{}"))
    sent = messages_of(carry("C→A", chat(said("Hi"), call, gave("a", parts))))
    assert [block["text"] for block in sent[2]["content"][0]["content"]] == ["one", "two"]

    items = [
        said("Hi"),
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": shown},
    ]
    to_claude = messages_of(carry("R→A", {"input": items}))
    assert to_claude[2]["content"][0]["content"][0]["type"] == "image"
    assert messages_of(carry("R→C", {"input": items}))[-1]["content"][0]["type"] == "image_url"


@pytest.mark.edge(16)
def test_an_empty_text_makes_no_block_and_an_empty_last_turn_a_fixed_one() -> None:
    answers = said("", "assistant"), said(" \n"), said("Hello", "assistant")
    carried = carry("C→A", chat(said("Hi"), *answers, said("")))

    texts = [block["text"] for message in messages_of(carried) for block in message["content"]]
    assert texts == ["Hi", "Hello", "(no content)"]
    assert carried.warnings == ["messages=changed"]


@pytest.mark.edge(17)
@pytest.mark.parametrize("road", ["C→A", "C→R"])
def test_an_answer_of_nothing_leaves_no_turn(road: str) -> None:
    nothing = {"role": "assistant", "content": None}
    bare = carry(road, chat(said("Hi"), said("Still there?")))
    carried = carry(road, chat(said("Hi"), nothing, said("Still there?")))

    assert carried.body == bare.body
    assert carried.warnings == []


@pytest.mark.edge(18)
@pytest.mark.parametrize("call_id", ["functions.Bash:0", "call|fc_1", "x" * 70, "ü"])
def test_an_id_no_provider_takes_is_changed_on_the_call_and_its_result_alike(call_id: str) -> None:
    body = chat(said("Hi"), called((call_id, "f", "{}")), gave(call_id), tools=[function("f")])
    _, call, answer = messages_of(carry("C→A", body))
    items = carry("C→R", body).body["input"]

    sent = call["content"][0]["id"]
    assert sent == answer["content"][0]["tool_use_id"]
    assert sent.isascii()
    assert sent.replace("_", "").isalnum()
    assert len(sent) <= 64
    assert [item["call_id"] for item in items[1:]] == [sent, sent]


@pytest.mark.edge(20)
def test_servers_that_count_calls_anew_each_turn_are_told_apart() -> None:
    body = chat(
        said("Hi"),
        called(("call_0", "f", '{"n":1}'), ("call_0", "f", '{"n":2}')),
        gave("call_0", "one"), gave("call_0", "two"),
        called(("call_0", "f", '{"n":3}')),
        gave("call_0", "three"),
    )  # fmt: skip
    sent = messages_of(carry("C→A", body))
    calls = {block["id"]: block["input"]["n"] for n in (1, 3) for block in sent[n]["content"]}
    results = {
        block["tool_use_id"]: block["content"] for n in (2, 4) for block in sent[n]["content"]
    }

    assert list(calls) == ["call_0", "call_0_2", "call_0_3"]
    assert {calls[key]: results[key] for key in calls} == {1: "one", 2: "two", 3: "three"}


@pytest.mark.edge(21)
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a":', {"_raw": '{"a":'}),
        ("[1]", {"_raw": "[1]"}),
        ("null", {"_raw": "null"}),
        ('{"a":NaN}', {"_raw": '{"a":NaN}'}),
        ('{"a":1}', {"a": 1}),
    ],
)
def test_arguments_that_are_no_object_are_kept_in_one(arguments: str, expected: Any) -> None:
    body = chat(said("Hi"), called(("a", "f", arguments)), gave("a"))
    call = messages_of(carry("C→A", body))[1]["content"][0]
    assert call["input"] == expected

    # On the way back the text is what it was, and no text is an empty object.
    back = chat(said("Hi"), said([call], "assistant"), said([result("a")]))
    told = messages_of(carry("A→C", back))[1]["tool_calls"][0]["function"]["arguments"]
    assert told == (arguments.strip() or "{}")


@pytest.mark.edge(22)
@pytest.mark.parametrize("road", ["C→R", "R→C"])
def test_argument_text_passes_as_it_was_written(road: str) -> None:
    written = '{ "b": 1.0,\n "a": "\\u00fc" }'
    items = [
        said("Hi"),
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": written},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
    ]
    body = {"input": items} if road[0] == "R" else chat(said("Hi"), called(("a", "f", written)))
    sent = carry(road, body).body
    call = sent["input"][1] if road[-1] == "R" else sent["messages"][1]["tool_calls"][0]["function"]

    assert call["arguments"] == written


@pytest.mark.edge(22)
@pytest.mark.parametrize("road", ["C→A", "R→A"])
def test_arguments_that_come_as_an_object_are_not_lost(road: str) -> None:
    given = {"b": "ü", "a": 1}
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": given}
    told = called(("a", "f", "{}"))
    told["tool_calls"][0]["function"]["arguments"] = given
    body = {"input": [said("Hi"), call]} if road[0] == "R" else chat(said("Hi"), told)

    sent = messages_of(carry(road, body))[1]["content"][0]["input"]
    assert list(sent.items()) == list(given.items())


@pytest.mark.edge(22)
def test_argument_objects_keep_their_order_and_their_letters() -> None:
    body = chat(said("Hi"), said([use("a", "f", b="ü", a=1)], "assistant"), said([result("a")]))
    for _ in range(2):
        told = messages_of(carry("A→C", body))[1]["tool_calls"][0]["function"]["arguments"]
        assert told == '{"b":"ü","a":1}'


@pytest.mark.edge(23)
@pytest.mark.parametrize(
    "number", ["1.0", "9223372036854775808", "123456789012345678901234567890", "-0.0", "1e400"]
)
def test_numbers_in_arguments_keep_their_form(number: str) -> None:
    arguments = f'{{"n":{number}}}'
    body = chat(said("Hi"), called(("a", "f", arguments)), gave("a"))
    call = messages_of(carry("C→A", body))[1]["content"][0]
    there = json_text.render(call)
    assert number.encode() in there

    back = json_text.parse_request(there)
    told = messages_of(carry("A→C", chat(said("Hi"), said([back], "assistant"))))[1]
    assert told["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.edge(31)
def test_reasoning_goes_before_what_it_led_to_and_brings_no_foreign_id() -> None:
    sealed = [SEALER_OF["openai"](f"gAAAA{n}", f"rs_{n}") for n in (1, 2)]
    body = chat(
        said("Hi"),
        said(
            [
                {"type": "thinking", "thinking": "first", "signature": sealed[0]},
                {"type": "text", "text": "Let me see."},
                {"type": "thinking", "thinking": "second", "signature": sealed[1]},
                use("toolu_1", "f"),
            ],
            "assistant",
        ),
        said([result("toolu_1")]),
    )
    items = carry("A→R", body, "gpt-5.2", sealer=TO_OPENAI).body["input"]

    order = [item["type"] for item in items]
    assert order[1:5] == ["reasoning", "message", "reasoning", "function_call"]
    assert [item.get("id") for item in items] == [None, "rs_1", None, "rs_2", None, None]
    assert [items[n]["encrypted_content"] for n in (1, 3)] == ["gAAAA1", "gAAAA2"]


SEALER_OF = {
    "openai": lambda data, item: TO_OPENAI.seal("openai", data, "summary", item),
    "anthropic": lambda data, item: SEALER.seal("anthropic", data, "thought", item),
}


@pytest.mark.edge(32)
def test_reasoning_items_say_summary_and_no_empty_content() -> None:
    silent = TO_OPENAI.seal("openai", "gAAAA", "", "rs_1")
    thought = {"type": "thinking", "thinking": "", "signature": silent}
    answer = said([thought, {"type": "text", "text": "Yes."}], "assistant")
    body = chat(said("Hi"), answer, said("?"))
    item = carry("A→R", body, "gpt-5.2", sealer=TO_OPENAI).body["input"][1]

    assert item == {
        "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA",
    }  # fmt: skip


@pytest.mark.edge(33)
@pytest.mark.reported(7)
def test_models_that_want_their_reasoning_back_get_it_or_are_told_not_to_think() -> None:
    text = TO_OPEN.seal(TEXT_CARRIER, "", "because", None)
    thought = {"type": "thinking", "thinking": "b…", "signature": text}
    loop = [said([thought, use("a", "f")], "assistant"), said([result("a")])]
    whole = carry("A→C", chat(said("Hi"), *loop), "deepseek-chat", sealer=TO_OPEN)
    assert messages_of(whole)[1]["reasoning_content"] == "because"
    assert whole.warnings == []

    lost = carry("A→C", chat(said("Hi"), said([use("a", "f")], "assistant"), said([result("a")])),
                 "deepseek-chat")  # fmt: skip
    assert lost.body["thinking"] == {"type": "disabled"}
    assert lost.warnings == ["thinking=off"]


@pytest.mark.reported(7)
def test_reasoning_of_nothing_that_is_there_is_not_reasoning_that_is_absent() -> None:
    empty = {**called(("a", "f", "{}")), "reasoning_content": ""}
    carried = carry("C→C", chat(said("Hi"), empty, gave("a")), "deepseek-chat")

    assert messages_of(carried)[1]["reasoning_content"] == ""
    assert "thinking" not in carried.body


@pytest.mark.edge(34)
@pytest.mark.reported(6)
@pytest.mark.parametrize(
    "thought",
    [
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
        {"type": "thinking", "thinking": "other", "signature": SEALER_OF["openai"]("gAAAA", "r")},
        {"type": "thinking", "thinking": "forged", "signature": "gb1.k.AAAA.AAAA"},
        {"type": "thinking", "thinking": "unknown key", "signature": "gb1.z.AAAA.AAAA"},
    ],
)
def test_thinking_nobody_signed_for_this_model_goes_and_its_calls_stay(
    thought: dict[str, Any],
) -> None:
    body = chat(said("Hi"), said([thought, use("a", "f")], "assistant"), said([result("a")]))
    sent = messages_of(carry("A→A", body, "claude-opus-4-8", sealer=SEALER))

    assert kinds(sent[1]) == ["tool_use"]
    assert kinds(sent[2]) == ["tool_result"]


@pytest.mark.edge(34)
@pytest.mark.reported(5)
@pytest.mark.parametrize("text", ["a thought", ""])
def test_thinking_sealed_for_this_model_comes_back_byte_for_byte(text: str) -> None:
    sealed = SEALER.seal("anthropic", "EqQBCgIYAhIM", text, None)
    redacted = SEALER.seal("anthropic_redacted", "EmwKAhgBEgy", "", None)
    items = [
        said("Hi"),
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "trimmed"}],
         "encrypted_content": sealed},
        {"type": "reasoning", "summary": [], "encrypted_content": redacted},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
    ]  # fmt: skip
    sent = messages_of(carry("R→A", {"input": items}, "claude-opus-4-8", sealer=SEALER))

    assert sent[1]["content"][:2] == [
        {"type": "thinking", "thinking": text, "signature": "EqQBCgIYAhIM"},
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy"},
    ]


@pytest.mark.edge(34)
@pytest.mark.reported(6)
@pytest.mark.parametrize("road", ["A→R", "A→C"])
def test_a_signature_of_anthropics_own_means_nothing_elsewhere(road: str) -> None:
    told = said([SIGNED, use("a", "f")], "assistant")
    carried = carry(road, chat(said("Hi"), told, said([result("a")])), "gpt-5.2")

    assert "EqQBCgIYAhIM" not in json.dumps(carried.body)
    assert "hm" not in json.dumps(carried.body)
    assert carried.warnings == []


@pytest.mark.edge(34)
def test_thinking_carries_no_cache_mark() -> None:
    marked = {**SIGNED, "cache_control": {"type": "ephemeral"}}
    body = chat(said("Hi"), said([marked, {"type": "text", "text": "Yes"}], "assistant"), said("?"))

    assert messages_of(carry("A→A", body, "claude-opus-4-8"))[1]["content"][0] == SIGNED


@pytest.mark.reported(6)
def test_a_budget_is_not_asked_for_where_the_loop_lost_its_thinking() -> None:
    body = chat(said("Hi"), called(("a", "f", "{}")), gave("a"), reasoning_effort="high")
    manual, adaptive = carry("C→A", body), carry("C→A", body, "claude-opus-4-8")

    assert "thinking" not in manual.body
    assert manual.warnings == ["reasoning_effort=dropped"]
    assert adaptive.body["thinking"]["type"] == "adaptive"


def test_a_model_bound_to_its_history_may_drop_what_changed() -> None:
    sealed = SEALER.seal("anthropic", "EqQBCgIYAhIM", "hm", None)
    items = [
        said("Hi"),
        {"type": "reasoning", "summary": [], "encrypted_content": sealed},
        said("Yes.", "assistant"),
        said("And?"),
    ]
    body = carry("R→A", {"input": items}, "claude-opus-5-5", sealer=SEALER).body

    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert "thinking" not in carry("R→A", {"input": items}, "claude-opus-5-5").body


def test_what_a_client_would_have_continued_is_refused_or_told() -> None:
    body = chat(said("Hi"), said("The answer is", "assistant"))

    for road in ("A→C", "A→R"):
        assert refused(road, body).param == "messages.1"
        assert carry(road, body, prefill=True).warnings == ["messages=changed"]
    open_call = chat(said("Hi"), said([use("a", "f")], "assistant"))
    for road in ("A→C", "A→R"):
        assert carry(road, open_call).warnings == ["messages=changed"]
