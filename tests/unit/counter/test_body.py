"""Bodies of the three dialects become the same prompt; hostile bodies become a fault."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.envelope import Sealer
from services.counter.body import READERS, BodyFault, read_body
from services.counter.prompt import (
    Document,
    Image,
    Opaque,
    Prompt,
    Role,
    Schema,
    Text,
    Thinking,
    ThinkingMode,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 330, 291)
).decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def read(dialect: str, **body: Any) -> Prompt:
    return read_body(json.dumps(body).encode(), dialect)


def test_the_same_conversation_in_three_dialects() -> None:
    messages = read(
        "anthropic_messages",
        system="Be brief.",
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "1", "name": "look", "input": {"city": "Ankara"}}
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "1", "content": "Sunny"}],
            },
        ],
        tools=[{"name": "look", "description": "Looks.", "input_schema": SCHEMA}],
        tool_choice={"type": "any"},
    )
    call = {"name": "look", "arguments": '{"city":"Ankara"}'}
    chat = read(
        "openai_chat",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"function": call}]},
            {"role": "tool", "content": "Sunny"},
        ],
        tools=[
            {
                "type": "function",
                "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA},
            }
        ],
        tool_choice="required",
    )
    responses = read(
        "openai_responses",
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "function_call", "call_id": "1", **call},
            {"type": "function_call_output", "call_id": "1", "output": "Sunny"},
        ],
        tools=[{"type": "function", "name": "look", "description": "Looks.", "parameters": SCHEMA}],
        tool_choice="required",
    )
    assert messages.turns == (
        Turn(Role.SYSTEM, (Text("Be brief."),)),
        Turn(Role.USER, (Text("Weather?"),)),
        Turn(Role.ASSISTANT, (ToolCall("look", '{"city":"Ankara"}'),)),
        Turn(Role.USER, (ToolResult((Text("Sunny"),)),)),
    )
    assert messages.turns == chat.turns == responses.turns
    assert messages.tools == chat.tools == responses.tools
    assert messages.tool_choice is chat.tool_choice is responses.tool_choice is ToolChoice.ANY


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        ("anthropic_messages", {"type": "image", "source": {"type": "base64", "data": PNG}}),
        (
            "openai_chat",
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ),
        (
            "openai_responses",
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        ),
    ],
)
def test_an_image_is_its_size(dialect: str, part: dict[str, Any]) -> None:
    key = "input" if dialect == "openai_responses" else "messages"
    prompt = read(dialect, **{key: [{"role": "user", "content": [part]}]})
    assert prompt.turns[0].blocks == (Image(330, 291),)


def test_what_stands_at_the_provider_is_opaque() -> None:
    prompt = read(
        "openai_responses",
        input=[{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}],
        previous_response_id="resp_1",
    )
    assert prompt.turns[0].blocks == (Opaque(),)
    assert not prompt.is_complete


def test_a_thought_under_our_seal_counts_as_what_the_seal_holds() -> None:
    sealer = Sealer({"k": b"k" * 32}, "k", family="openai", account="gb_1")
    sealed = sealer.seal("openai", "gAAAA", "what was thought", None)
    block = {"type": "thinking", "thinking": "what…", "signature": sealed}
    messages = [{"role": "assistant", "content": [block]}]
    item = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
    broken = {"type": "thinking", "thinking": "Hm.", "signature": "gb1.k.%.x"}

    held = (Thinking("what was thought", 5),)
    assert read("anthropic_messages", messages=messages).turns[0].blocks == held
    assert read("openai_responses", input=[item]).turns[0].blocks == held
    messages = [{"role": "assistant", "content": [broken]}]
    assert read("anthropic_messages", messages=messages).turns[0].blocks == (Thinking("Hm.", 9),)


def test_thinking_schema_and_documents_are_read() -> None:
    prompt = read(
        "anthropic_messages",
        messages=[
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "xxxxxx"},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "document",
                        "title": "A",
                        "source": {"type": "text", "data": "B"},
                        "citations": {"enabled": True},
                    }
                ],
            },
        ],
        thinking={"type": "adaptive"},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    assert prompt.turns[0].blocks == (Thinking("Hm.", 4), Thinking("", 6))
    assert prompt.turns[1].blocks == (Document(0, "AB", has_citations=True),)
    assert prompt.thinking is ThinkingMode.ADAPTIVE
    assert prompt.schema == Schema(SCHEMA)


def test_a_schema_has_its_name_and_description_in_both_wrappings() -> None:
    wrapped = {"name": "City", "description": "A city.", "schema": SCHEMA, "strict": True}
    chat = read("openai_chat", response_format={"type": "json_schema", "json_schema": wrapped})
    flat = read("openai_responses", text={"format": {"type": "json_schema", **wrapped}})
    assert chat.schema == flat.schema == Schema(SCHEMA, "City", "A city.")
    assert read("openai_chat", response_format={"type": "json_schema"}).schema is None


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", {"parallel_tool_calls": False}),
        ("openai_responses", {"parallel_tool_calls": False}),
        (
            "anthropic_messages",
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
    ],
)
def test_calls_one_at_a_time_are_asked_for_in_every_dialect(
    dialect: str, body: dict[str, Any]
) -> None:
    assert read(dialect, **body).is_serial
    assert not read(dialect).is_serial


def test_lone_surrogates_in_a_body_are_read() -> None:
    prompt = read_body(b'{"messages":[{"role":"user","content":"\\ud83d"}]}', "openai_chat")
    assert prompt.turns[0].blocks == (Text("?"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"messages": 5}',
        b'{"messages": ["text"]}',
        b'{"messages": [], "tools": {}}',
        b'{"n": ' + b"9" * 5000 + b"\xff}",
        b'{"messages":' + b"[" * 100_000,
        b'{"a":"\\ud83d","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_request_is_a_fault(body: bytes) -> None:
    with pytest.raises(BodyFault):
        read_body(body, "openai_chat")


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[' + b"{}," * 200_000 + b"{}]}",
        b'{"messages":[{"content":[' + b"{}," * 200_000 + b"{}]}]}",
        b'{"messages":[{"content":[{"content":[' + b"1," * 200_000 + b"{}]}]}]}",
        b'{"tools":[' + b"{}," * 200_000 + b"{}]}",
    ],
)
def test_a_body_of_too_many_parts_is_a_fault(body: bytes) -> None:
    with pytest.raises(BodyFault, match="more than 200000 parts"):
        read_body(body, "anthropic_messages")


def test_an_unknown_dialect_is_a_fault() -> None:
    with pytest.raises(BodyFault, match="openai_chat"):
        read_body(b"{}", "gopher")


# fmt: off
_NAMES = [
    "type", "role", "content", "text", "source", "data", "input", "messages", "system", "tools",
    "function", "image_url", "tool_calls", "output", "format", "schema",
]
# fmt: on
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["messages", "input", "system", "tools", "tool_choice", "text", "thinking"]
        ),
        json_values | st.lists(st.dictionaries(st.sampled_from(["content", "type"]), json_values)),
    ),
    st.sampled_from(sorted(READERS)),
)
@settings(max_examples=60, deadline=None)
def test_any_object_is_a_prompt_or_a_fault(body: dict[str, Any], dialect: str) -> None:
    try:
        prompt = read_body(json.dumps(body).encode(), dialect)
    except BodyFault:
        return
    assert isinstance(list(prompt.blocks()), list)
