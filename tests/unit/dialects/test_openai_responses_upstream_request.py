"""The hub's requests on their way to a Responses upstream."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dialects.capabilities import capabilities_of
from dialects.conversation import (
    Audio,
    Document,
    Image,
    Opaque,
    OutputFormat,
    Reasoning,
    ReasoningConfig,
    ReasoningMode,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from dialects.errors import FaultClass
from dialects.openai_responses import DIALECT
from tests.unit.dialects.openai_responses_upstream import (
    COMPATIBLE,
    assistant,
    context,
    conversation,
    encode,
    refused,
    user,
)


def test_the_least_request() -> None:
    body = encode(conversation(system=[Text("One."), Text("Two.")], max_tokens=100))

    assert body == {
        "model": "gpt-5.2",
        "instructions": "One.\n\nTwo.",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        ],
        "max_output_tokens": 100,
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "stream": True,
    }


def test_a_tool_loop_keeps_its_order_and_has_no_item_ids() -> None:
    body = encode(
        conversation(
            user(),
            assistant(Text("Look."), ToolCall("a", "f", '{"x": 1.0}'), ToolCall("b", "f", "")),
            user(
                Text("and"),
                ToolResult("b", [Text("2")]),
                ToolResult("a", [Text("1")], is_error=True),
            ),
        )
    )

    assert body["input"][1:] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Look."}],
        },
        {"type": "function_call", "name": "f", "arguments": '{"x": 1.0}', "call_id": "a"},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "b"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"type": "function_call_output", "call_id": "a", "output": "Error: 1"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and"}]},
    ]


def test_images_stay_in_the_tool_result() -> None:
    result = ToolResult("a", [Text("see"), Image(media_type="image/png", data="QQ==")])
    body = encode(conversation(user(), assistant(ToolCall("a", "f", "{}")), user(result)))

    assert body["input"][2]["output"] == [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,QQ=="},
    ]


def test_repeated_ids_are_told_apart_and_long_ones_cut() -> None:
    long = "x" * 80
    body = encode(
        conversation(
            assistant(ToolCall("call_0", "f", "{}")),
            user(ToolResult("call_0", [Text("1")])),
            assistant(ToolCall("call_0", "f", "{}"), ToolCall(long, "f", "{}")),
            user(ToolResult("call_0", [Text("2")]), ToolResult(long, [Text("3")])),
            source="openai_chat",
        )
    )

    calls = [item["call_id"] for item in body["input"] if item["type"] == "function_call"]
    outputs = [item["call_id"] for item in body["input"] if item["type"] == "function_call_output"]
    assert calls == outputs
    assert calls[:2] == ["call_0", "call_0_2"]
    assert max(map(len, calls)) <= 64


def test_a_call_without_result_and_a_result_without_call_are_mended() -> None:
    request = conversation(
        assistant(ToolCall("a", "f", "{}")),
        user(Text("never mind"), ToolResult("zz", [Text("late")])),
    )
    body = encode(request)

    assert body["input"][1]["type"] == "function_call_output"
    assert body["input"][2]["content"][-1] == {"type": "input_text", "text": "late"}
    assert request.warnings == ["messages=changed"]


def test_a_system_turn_stays_in_place_as_developer() -> None:
    turns = [user(), Turn(Role.SYSTEM, [Text("Now in French.")]), user(Text("Go"))]

    assert [item["role"] for item in encode(conversation(*turns))["input"]] == [
        "user",
        "developer",
        "user",
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ReasoningConfig(), None),
        (
            ReasoningConfig(ReasoningMode.EFFORT, effort="high"),
            {"effort": "high", "summary": "auto"},
        ),
        (
            ReasoningConfig(ReasoningMode.EFFORT, effort="max"),
            {"effort": "xhigh", "summary": "auto"},
        ),
        (ReasoningConfig(ReasoningMode.BUDGET, budget=1_024), {"effort": "low", "summary": "auto"}),
        (
            ReasoningConfig(ReasoningMode.BUDGET, budget=4_096),
            {"effort": "medium", "summary": "auto"},
        ),
        (
            ReasoningConfig(ReasoningMode.BUDGET, budget=32_000),
            {"effort": "xhigh", "summary": "auto"},
        ),
        (ReasoningConfig(ReasoningMode.AUTO), {"summary": "auto"}),
        (ReasoningConfig(ReasoningMode.AUTO, show=False), None),
        (ReasoningConfig(ReasoningMode.OFF), {"effort": "none"}),
    ],
)
def test_thinking_becomes_effort(config: ReasoningConfig, expected: Any) -> None:
    assert encode(conversation(reasoning=config)).get("reasoning") == expected


def test_thinking_cannot_be_switched_off_where_none_is_no_word() -> None:
    request = conversation(reasoning=ReasoningConfig(ReasoningMode.OFF))
    body = encode(request, context(capabilities=capabilities_of("gpt-5")))

    assert body["reasoning"]["effort"] == "minimal"
    assert request.warnings == ["reasoning.effort=changed"]


def test_openais_own_reasoning_goes_back_and_other_carriers_stay() -> None:
    def open_seal(text: str) -> tuple[str, str, str, str | None] | None:
        return ("openai", "gBBB", "sealed words", "rs_2") if text == "gb1.ours" else None

    turn = assistant(
        Reasoning("plain", "openai", "gAAA", "rs_1"),
        Reasoning("visible", "anthropic", "gb1.ours"),
        Reasoning("visible", "anthropic", "gb1.stolen"),
        Reasoning("thought", "anthropic", "native signature"),
        Reasoning("unsigned"),
        Text("Done"),
    )
    body = encode(conversation(user(), turn, user()), context(open_seal=open_seal))

    assert [item for item in body["input"] if item["type"] == "reasoning"] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "plain"}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "reasoning",
            "id": "rs_2",
            "summary": [{"type": "summary_text", "text": "sealed words"}],
            "encrypted_content": "gBBB",
        },
    ]


def test_servers_that_want_reasoning_text_get_it() -> None:
    turns = [user(), assistant(Reasoning("thought"), Text("Done")), user()]
    body = encode(conversation(*turns), context(capabilities=COMPATIBLE))

    assert body["input"][1]["content"] == [{"type": "reasoning_text", "text": "thought"}]


@pytest.mark.parametrize(
    ("fields", "body", "warnings"),
    [
        ({"max_tokens": 5}, {"max_output_tokens": 16}, ["max_tokens=clamped"]),
        ({"max_tokens": 10**9}, {"max_output_tokens": 128_000}, ["max_tokens=clamped"]),
        ({"temperature": 0.5}, {"temperature": None}, ["temperature=dropped"]),
        ({"top_k": 4}, {"top_k": None}, ["top_k=dropped"]),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, []),
        ({"cache_key": "k"}, {"prompt_cache_key": "k"}, []),
        ({"service_tier": "auto"}, {"service_tier": None}, []),
        ({"extras": {"diagnostics": {}}}, {"diagnostics": None}, ["diagnostics=dropped"]),
        ({"extras": {"metadata": {}, "n": 1, "presence_penalty": 0}}, {"n": None}, []),
    ],
)
def test_scalars(fields: dict[str, Any], body: dict[str, Any], warnings: list[str]) -> None:
    request = conversation(**fields)
    found = encode(request)

    assert {name: found.get(name) for name in body} == body
    assert request.warnings == warnings


def test_sampling_where_it_is_taken() -> None:
    target = context(capabilities=capabilities_of("gpt-4.1"))
    body = encode(conversation(temperature=0.5, top_p=0.9), target)

    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)
    assert "include" not in body


def test_stop_sequences_are_left_to_the_writer() -> None:
    target = context()
    encode(conversation(stops=["END"]), target)

    assert target.stops == ["END"]


@pytest.mark.parametrize(
    ("fields", "turns"),
    [
        ({"max_tokens": 0}, []),
        ({"extras": {"logit_bias": {"1": 2}}}, []),
        ({"extras": {"n": 2}}, []),
        ({"extras": {"modalities": ["audio"]}}, []),
        ({"extras": {"mcp_servers": [{}]}}, []),
        ({}, [user(Opaque("anthropic_messages", {"type": "container_upload"}))]),
        ({}, [user(Image(url="http://e.org/a.png"))]),
        ({}, [user(Image(file_id="file_1"))]),
        ({}, [user(), assistant(Text("The answer is"))]),
    ],
)
def test_what_cannot_be_carried_is_refused(fields: dict[str, Any], turns: list[Turn]) -> None:
    fault = refused(conversation(*turns, **fields)).fault

    assert fault.kind is FaultClass.UNSUPPORTED_FEATURE
    assert fault.param


def test_structured_output() -> None:
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    open_schema = {"type": "object", "properties": {"a": {}}}

    def format_of(form: OutputFormat, **fields: Any) -> Any:
        return encode(conversation(format=form, **fields))["text"]["format"]

    assert format_of(OutputFormat("json_object")) == {"type": "json_object"}
    assert format_of(OutputFormat("json_schema", closed)) == {
        "type": "json_schema",
        "name": "output",
        "schema": closed,
        "strict": True,
    }
    assert format_of(OutputFormat("json_schema", open_schema))["strict"] is False
    named = OutputFormat("json_schema", open_schema, name="n", strict=True, description="d")
    assert format_of(named, source="openai_chat")["name"] == "n"


def test_documents_and_refusals() -> None:
    body = encode(
        conversation(
            user(
                Document(media_type="application/pdf", data="QQ=="),
                Document(url="https://e.org/a.pdf"),
                Document(text="words", title="Title"),
                Audio("QQ==", "wav"),
            ),
            assistant(Refusal("No.")),
            user(),
        )
    )

    assert body["input"][0]["content"] == [
        {
            "type": "input_file",
            "filename": "document.pdf",
            "file_data": "data:application/pdf;base64,QQ==",
        },
        {"type": "input_file", "file_url": "https://e.org/a.pdf"},
        {"type": "input_text", "text": "Title\n\nwords"},
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
    ]
    assert body["input"][1]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_the_account_stands_for_the_end_user_and_keys_the_cache() -> None:
    body = encode(
        conversation(user_id_from_client(), user="jane@example.org"), context(user="gb_1")
    )

    assert body["safety_identifier"] == "gb_1"
    assert body["prompt_cache_key"].startswith("gb_")
    assert "jane" not in json.dumps(body)
    again = encode(conversation(user(Text("other"))), context(user="gb_1"))
    assert again["prompt_cache_key"] == body["prompt_cache_key"]


def user_id_from_client() -> Turn:
    return user(Text("Hi"))


HISTORY: list[Callable[[], Turn]] = [
    lambda: user(Text("1")),
    lambda: assistant(Reasoning("r", "openai", "gA"), Text("2"), ToolCall("call_0", "f", "{}")),
    lambda: user(ToolResult("call_0", [Text("3")])),
    lambda: assistant(ToolCall("call_0", "f", '{"a":1}')),
    lambda: user(ToolResult("call_0", [Text("4")]), Text("5")),
    lambda: Turn(Role.SYSTEM, [Text("6")]),
    lambda: assistant(Text("7")),
    lambda: user(Text("8")),
]


@pytest.mark.parametrize("length", [1, 3, 5, 6])
def test_the_translation_of_a_history_is_a_prefix_of_the_longer_one(length: int) -> None:
    def items(count: int) -> bytes:
        turns = [make() for make in HISTORY[:count]]
        return json.dumps(encode(conversation(*turns))["input"]).encode()

    assert items(len(HISTORY)).startswith(items(length)[:-1])


def test_own_fields_come_back_when_it_was_ours() -> None:
    body = {"model": "m", "input": "Hi", "truncation": "auto", "metadata": {"a": "b"}}

    encoded = encode(DIALECT.decode_request(body))
    assert encoded["truncation"] == "auto"
    assert encoded["metadata"] == {"a": "b"}
