"""Responses requests on their way into the hub, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.conversation import (
    ChoiceMode,
    Conversation,
    Document,
    Image,
    Opaque,
    Reasoning,
    ReasoningMode,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from dialects.dialect import Peek
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.openai_responses import DIALECT


def decode(**fields: Any) -> Conversation:
    return DIALECT.decode_request({"model": "m", "input": "Hi", **fields})


def refusal(**fields: Any) -> Fault:
    with pytest.raises(RemoteDialectError) as caught:
        decode(**fields)
    return caught.value.fault


def test_text_and_instructions() -> None:
    conversation = decode(instructions="Be brief.")

    assert conversation.system == [Text("Be brief.")]
    assert conversation.turns[0].parts == [Text("Hi")]
    assert conversation.turns[0].role is Role.USER


def test_leading_system_messages_join_the_system_and_later_ones_stay() -> None:
    conversation = decode(
        instructions="One.",
        input=[
            {"role": "developer", "content": "Two."},
            {"role": "system", "content": [{"type": "input_text", "text": "Three."}]},
            {"role": "user", "content": "Hi"},
            {"role": "developer", "content": "Four."},
        ],
    )

    assert [text.text for text in conversation.system] == ["One.", "Two.", "Three."]
    assert [turn.role for turn in conversation.turns] == [Role.USER, Role.SYSTEM]


def test_a_tool_loop_becomes_turns() -> None:
    conversation = decode(
        input=[
            {"role": "user", "content": "Go"},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm"}],
                "encrypted_content": "gAAA",
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "A"}],
            },
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1.0}'},
            {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "raw"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {
                "type": "custom_tool_call_output",
                "call_id": "b",
                "output": [{"type": "input_image", "image_url": "https://e.org/i.png"}],
            },
            {"role": "user", "content": "Next"},
        ]
    )

    assert [turn.role for turn in conversation.turns] == [
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
        Role.USER,
    ]
    assert conversation.turns[1].parts == [
        Reasoning("Hm", "openai", "gAAA", "rs_1"),
        Text("A"),
        ToolCall("a", "f", '{"x":1.0}'),
        ToolCall("b", "g", "raw", is_custom=True),
    ]
    assert conversation.turns[2].parts == [
        ToolResult("a", [Text("1")]),
        ToolResult("b", [Image(url="https://e.org/i.png")], is_custom=True),
    ]


def test_outputs_between_calls_keep_their_turns() -> None:
    items = [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
    ]

    roles = [turn.role for turn in decode(input=items).turns]
    assert roles == [Role.ASSISTANT, Role.USER, Role.ASSISTANT, Role.USER]


def test_a_longer_history_begins_like_the_shorter_one() -> None:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "1"},
        {"role": "user", "content": "2"},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "4"},
    ]

    for length in range(1, len(items)):
        shorter = decode(input=items[:length]).turns
        assert decode(input=items).turns[:length] == shorter


def test_content_parts() -> None:
    conversation = decode(
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "wrong flavour"},
                    {
                        "type": "input_image",
                        "image_url": "data:IMAGE/PNG;BASE64,QU\nJD",
                        "detail": "low",
                    },
                    {"type": "input_image", "image_url": {"url": "https://e.org/i.png"}},
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,QQ==",
                    },
                    {"type": "input_file", "file_url": "https://e.org/a.pdf"},
                ],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ]
    )

    assert conversation.turns[0].parts == [
        Text("wrong flavour"),
        Image(media_type="image/png", data="QUJD", detail="low"),
        Image(url="https://e.org/i.png"),
        Document(media_type="application/pdf", data="QQ==", title="a.pdf"),
        Document(url="https://e.org/a.pdf"),
    ]
    assert conversation.turns[1].parts == [Refusal("No.")]


def test_tools_of_every_kind() -> None:
    conversation = decode(
        tools=[
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None},
            {
                "type": "custom",
                "name": "apply_patch",
                "format": {"type": "grammar", "syntax": "lark"},
            },
            {
                "type": "namespace",
                "name": "mcp",
                "tools": [{"type": "function", "name": "f", "parameters": None}],
            },
            {"type": "web_search"},
        ]
    )

    assert [(tool.kind, tool.name, tool.namespace) for tool in conversation.tools] == [
        (ToolKind.FUNCTION, "f", None),
        (ToolKind.CUSTOM, "apply_patch", None),
        (ToolKind.FUNCTION, "f", "mcp"),
        (ToolKind.HOSTED, "web_search", None),
    ]
    assert conversation.tools[3].data == {"type": "web_search"}


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        ("auto", ChoiceMode.AUTO, []),
        ("none", ChoiceMode.NONE, []),
        ("required", ChoiceMode.REQUIRED, []),
        ({"type": "function", "name": "f"}, ChoiceMode.NAMED, ["f"]),
        ({"type": "custom", "name": "g"}, ChoiceMode.NAMED, ["g"]),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}],
            },
            ChoiceMode.REQUIRED,
            ["f"],
        ),
    ],
)
def test_tool_choices(choice: Any, mode: ChoiceMode, names: list[str]) -> None:
    found = decode(tool_choice=choice).tool_choice

    assert found is not None
    assert (found.mode, found.names) == (mode, names)


def test_a_forced_hosted_tool_is_refused() -> None:
    fault = refusal(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"})

    assert fault.kind is FaultClass.UNSUPPORTED_FEATURE
    assert "web_search" in fault.message


@pytest.mark.parametrize(
    ("fields", "param", "advice"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "store"),
        ({"conversation": "conv_1"}, "conversation", "store"),
        ({"conversation": {"id": "conv_1"}}, "conversation", "store"),
        ({"background": True}, "background", "false"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "instructions"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "store"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0]", "items"),
        ({"top_logprobs": 3}, "top_logprobs", "not available"),
        ({"include": ["message.output_text.logprobs"]}, "top_logprobs", "not available"),
    ],
)
def test_what_needs_state_or_more_is_refused_with_what_to_set(
    fields: dict[str, Any], param: str, advice: str
) -> None:
    fault = refusal(**fields)

    assert fault.kind is FaultClass.UNSUPPORTED_FEATURE
    assert fault.param == param
    assert advice in fault.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "no_such"}]}, "input[0].type"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"role": "wizard", "content": ""}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "output": ""}]}, "input[0].call_id"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{"type": "function", "name": "f"}] * 2}, "tools"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"max_output_tokens": "5"}, "max_output_tokens"),
        ({"temperature": True}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"instructions": ["x"]}, "instructions"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    fault = refusal(**fields)

    assert fault.kind is FaultClass.BAD_REQUEST
    assert fault.param == param


def test_explicit_nulls_are_absent_fields() -> None:
    names = [
        *("tools", "tool_choice", "reasoning", "text", "user", "temperature", "include", "stream"),
        *("max_output_tokens", "previous_response_id", "background", "metadata", "some_new_field"),
    ]

    assert decode(**dict.fromkeys(names)) == decode()


def test_unknown_fields_are_carried_and_noted() -> None:
    conversation = decode(some_new_field=1, truncation="auto", store=True, metadata={"a": "b"})

    assert conversation.extras["some_new_field"] == 1
    assert conversation.extras["truncation"] == "auto"
    assert decode(truncation="disabled").warnings == []


@pytest.mark.parametrize(
    ("reasoning", "mode", "effort", "show"),
    [
        (None, ReasoningMode.DEFAULT, None, None),
        ({"effort": "none"}, ReasoningMode.OFF, "none", None),
        ({"effort": "high"}, ReasoningMode.EFFORT, "high", None),
        ({"effort": "high", "summary": "auto"}, ReasoningMode.EFFORT, "high", True),
        ({"summary": "detailed"}, ReasoningMode.DEFAULT, None, True),
    ],
)
def test_reasoning(
    reasoning: Any, mode: ReasoningMode, effort: str | None, show: bool | None
) -> None:
    found = decode(reasoning=reasoning).reasoning

    assert (found.mode, found.effort, found.show) == (mode, effort, show)


def test_what_codex_sends() -> None:
    conversation = decode(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Go"}]}],
        instructions="You are Codex.",
        tools=[{"type": "function", "name": "shell"}, {"type": "web_search"}],
        tool_choice="auto",
        parallel_tool_calls=True,
        reasoning=None,
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="c1",
        client_metadata={"x": "y"},
        text={"verbosity": "low"},
    )

    assert conversation.stream
    assert conversation.reasoning.keep_encrypted
    assert conversation.cache_key == "c1"
    assert conversation.verbosity == "low"
    assert conversation.warnings == []


def test_items_of_the_provider_are_kept_whole() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    conversation = decode(input=[{"role": "user", "content": "Hi"}, item])

    assert conversation.turns[1].parts == [Opaque("openai_responses", item)]


def test_additional_tools_in_the_history_are_tools() -> None:
    conversation = decode(
        input=[
            {"role": "user", "content": "Hi"},
            {"type": "additional_tools", "tools": [{"type": "function", "name": "late"}]},
        ]
    )

    assert [tool.name for tool in conversation.tools] == ["late"]


def test_peek_reads_four_fields() -> None:
    body = {
        "model": "m",
        "stream": True,
        "max_output_tokens": 5,
        "reasoning": {"effort": "low"},
        "input": [{"type": "no_such"}],
    }

    assert DIALECT.peek(body) == Peek("m", True, 5, True)
    assert DIALECT.peek({"model": "m", "reasoning": {"effort": "none"}}) == Peek(
        "m", False, None, False
    )
    with pytest.raises(RemoteDialectError):
        DIALECT.peek({})


def test_peek_refuses_what_others_may_have_stored() -> None:
    with pytest.raises(RemoteDialectError):
        DIALECT.peek({"model": "m", "input": "Hi", "previous_response_id": "resp_1"})
    with pytest.raises(RemoteDialectError):
        DIALECT.peek({"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}]})
