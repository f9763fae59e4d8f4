"""Tools and tool choices on their way to a Responses upstream."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dialects.conversation import (
    ChoiceMode,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from dialects.dialect import ToolAlias
from tests.unit.dialects.openai_responses_upstream import (
    COMPATIBLE,
    GPT,
    assistant,
    context,
    conversation,
    encode,
    refused,
    user,
)


def test_tools_say_strict_outright() -> None:
    tools = [
        Tool(ToolKind.FUNCTION, "f", "Does f.", schema={"type": "object", "properties": {}}),
        Tool(ToolKind.FUNCTION, "g", schema={"properties": None}, strict=True),
        Tool(ToolKind.FUNCTION, "h"),
    ]
    body = encode(conversation(tools=tools, parallel_tools=False))

    assert [tool["strict"] for tool in body["tools"]] == [False, True, False]
    assert [tool["parameters"] for tool in body["tools"]] == [
        {"type": "object", "properties": {}}
    ] * 3
    assert body["parallel_tool_calls"] is False


def test_parallel_is_not_said_without_tools() -> None:
    assert "parallel_tool_calls" not in encode(conversation(parallel_tools=False))


def test_long_and_namespaced_names_travel_changed_and_come_back() -> None:
    name = "mcp__plugin_" + "x" * 70
    target = context()
    request = conversation(
        user(),
        assistant(ToolCall("a", name, "{}"), ToolCall("b", "read", "{}", namespace="files")),
        user(ToolResult("a", []), ToolResult("b", [])),
        tools=[
            Tool(ToolKind.FUNCTION, name),
            Tool(ToolKind.FUNCTION, "read", namespace="files"),
        ],
        tool_choice=ToolChoice(ChoiceMode.NAMED, [name]),
    )
    body = encode(request, target)

    sent, flat = (tool["name"] for tool in body["tools"])
    assert len(sent) <= 64
    assert flat == "files__read"
    assert target.tools == {sent: ToolAlias(name), flat: ToolAlias("read", "files")}
    assert [item["name"] for item in body["input"] if "name" in item] == [sent, flat]
    assert body["tool_choice"] == {"type": "function", "name": sent}


FREEFORM = Tool(
    ToolKind.CUSTOM,
    "apply_patch",
    "Edits files.",
    format={"type": "grammar", "syntax": "lark", "definition": "start: x"},
)


def test_free_form_tools_pass_or_are_wrapped() -> None:
    turns = [
        user(),
        assistant(ToolCall("a", "apply_patch", "*** x", is_custom=True)),
        user(ToolResult("a", [Text("ok")], is_custom=True)),
    ]
    native = encode(conversation(*turns, tools=[FREEFORM], source="openai_responses"))
    target = context(capabilities=COMPATIBLE)
    wrapped = encode(conversation(*turns, tools=[FREEFORM], source="openai_responses"), target)

    assert native["tools"][0]["type"] == "custom"
    assert native["input"][1]["input"] == "*** x"
    assert native["input"][2]["type"] == "custom_tool_call_output"
    assert wrapped["tools"][0]["type"] == "function"
    assert "start: x" in wrapped["tools"][0]["description"]
    assert json.loads(wrapped["input"][1]["arguments"]) == {"input": "*** x"}
    assert wrapped["input"][2]["type"] == "function_call_output"
    assert target.tools == {"apply_patch": ToolAlias("apply_patch", None, True)}


def test_provider_tools_pass_home_and_are_refused_abroad() -> None:
    own = Tool(
        ToolKind.HOSTED, "web_search", dialect="openai_responses", data={"type": "web_search"}
    )
    foreign = Tool(ToolKind.HOSTED, "computer", dialect="anthropic_messages", data={})

    assert encode(conversation(tools=[own]))["tools"] == [{"type": "web_search"}]
    assert "computer" in refused(conversation(tools=[foreign])).fault.message


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(ChoiceMode.AUTO), "auto"),
        (ToolChoice(ChoiceMode.NONE), "none"),
        (ToolChoice(ChoiceMode.REQUIRED), "required"),
        (ToolChoice(ChoiceMode.NAMED, ["f"]), {"type": "function", "name": "f"}),
        (
            ToolChoice(ChoiceMode.AUTO, ["f"]),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_tool_choices(choice: ToolChoice, expected: Any) -> None:
    body = encode(conversation(tools=[Tool(ToolKind.FUNCTION, "f")], tool_choice=choice))

    assert body["tool_choice"] == expected
    assert "tool_choice" not in encode(conversation(tool_choice=choice))


def test_forcing_where_the_model_cannot_be_forced_is_noted() -> None:
    request = conversation(
        tools=[Tool(ToolKind.FUNCTION, "f")], tool_choice=ToolChoice(ChoiceMode.REQUIRED)
    )
    target = context(capabilities=replace(GPT, forced_tool_choice=False))

    assert encode(request, target)["tool_choice"] == "auto"
    assert request.warnings == ["tool_choice=changed"]


def test_a_choice_of_an_absent_tool_is_refused() -> None:
    tools = [Tool(ToolKind.FUNCTION, "f")]
    choice = ToolChoice(ChoiceMode.NAMED, ["other"])

    assert refused(conversation(tools=tools, tool_choice=choice)).fault.param == "tool_choice"
