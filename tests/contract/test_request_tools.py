"""Tools, their names and what is chosen among them, on the way to another provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dialects.dialect import ToolAlias
from dialects.errors import FaultClass
from tests.contract.carrying import (
    WEATHER,
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

LONG = "mcp__plugin_" + "x" * 60
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
SEARCH = {"type": "web_search"}


def flat(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": WEATHER, **more}


def aliases(carried: Any) -> dict[str, ToolAlias]:
    found: dict[str, ToolAlias] = carried.answer_context_fields["tools"]
    return found


@pytest.mark.edge(19)
@pytest.mark.parametrize("road", ["C→A", "C→R"])
def test_names_no_provider_takes_are_changed_alike_everywhere_and_can_be_told_back(
    road: str,
) -> None:
    body = chat(
        said("Hi"),
        called(("1", "a.b", "{}"), ("2", LONG, "{}")),
        gave("1"),
        gave("2"),
        tools=[function("a.b"), function("a_b"), function(LONG)],
        tool_choice={"type": "function", "function": {"name": "a.b"}},
    )
    carried = carry(road, body)
    names = [tool["name"] for tool in carried.body["tools"]]
    if road == "C→A":
        called_as = [block["name"] for block in carried.body["messages"][1]["content"]]
    else:
        items = carried.body["input"]
        called_as = [item["name"] for item in items if item["type"] == "function_call"]

    assert names[1] == "a_b"
    assert len(set(names)) == 3
    assert all(name.replace("_", "").isalnum() and len(name) <= 64 for name in names)
    assert carried.body["tool_choice"]["name"] == names[0]
    assert called_as == [names[0], names[2]]
    assert {name: aliases(carried)[name].name for name in (names[0], names[2])} == {
        names[0]: "a.b",
        names[2]: LONG,
    }


@pytest.mark.edge(19)
def test_a_name_in_the_history_alone_is_changed_and_told_back_too() -> None:
    carried = carry("C→A", chat(said("Hi"), called(("1", "a.b", "{}")), gave("1")))
    sent = carried.body["messages"][1]["content"][0]["name"]

    assert aliases(carried)[sent] == ToolAlias("a.b")


@pytest.mark.edge(24)
@pytest.mark.parametrize("road", ["A→C", "A→R", "C→A", "C→R", "R→A", "R→C"])
def test_parallel_calls_are_spoken_of_beside_tools_only(road: str) -> None:
    tools = {
        "A": [{"name": "f", "input_schema": WEATHER}],
        "C": [function("f")],
        "R": [flat("f")],
    }[road[0]]
    single: dict[str, Any] = {"parallel_tool_calls": False}
    if road[0] == "A":
        single = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    base: dict[str, Any] = {"input": "Hi"} if road[0] == "R" else chat()

    bare = carry(road, {**base, **single}).body
    assert not {"parallel_tool_calls", "tool_choice", "tools"} & bare.keys()
    body = carry(road, {**base, **single, "tools": tools}).body
    if road[-1] == "A":
        assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    else:
        assert body["parallel_tool_calls"] is False


@pytest.mark.edge(25)
def test_strict_is_said_outright_to_an_upstream_that_takes_silence_for_it() -> None:
    tools = [{"name": "f", "input_schema": WEATHER}, {"name": "g", "input_schema": {}, "strict": 1}]
    assert [tool["strict"] for tool in carry("A→R", {**chat(), "tools": tools}).body["tools"]] == [
        False,
        False,
    ]
    strict = [function("f", strict=True), function("g")]
    sent = carry("C→R", chat(tools=strict)).body["tools"]
    assert [tool["strict"] for tool in sent] == [True, False]


@pytest.mark.edge(26)
@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({"type": "object", "properties": None}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
    ],
)
def test_a_schema_is_whole_when_it_is_sent(schema: dict[str, Any] | None, sent: Any) -> None:
    tool: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
    if schema is not None:
        tool["function"]["parameters"] = schema

    assert carry("C→A", chat(tools=[tool])).body["tools"][0]["input_schema"] == sent
    assert carry("C→R", chat(tools=[tool])).body["tools"][0]["parameters"] == sent
    own = {"type": "custom", "name": "f", "input_schema": schema or {}}
    (told,) = carry("A→C", {**chat(), "tools": [own]}).body["tools"]
    assert told["function"]["parameters"] == sent


@pytest.mark.edge(26)
def test_a_union_at_the_top_is_merged_where_its_branches_are_objects() -> None:
    branches = [{"type": "object", "properties": {"a": {}}}, {"properties": {"b": {}}}]
    carried = carry("C→A", chat(tools=[function("f", {"anyOf": branches})]))
    scalar = chat(tools=[function("f", {"oneOf": [{"type": "string"}]})])

    assert carried.body["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {"a": {}, "b": {}},
    }
    assert carried.warnings == ["tools.schema=changed"]
    assert refused("C→A", scalar).param == "tools.0.input_schema"


def test_nullable_becomes_the_type_it_means_wherever_it_stands() -> None:
    schema = {
        "type": "object",
        "$schema": "x",
        "properties": {"a": {"type": "array", "items": {"type": "string", "nullable": True}}},
    }
    (tool,) = carry("C→A", chat(tools=[function("f", schema)])).body["tools"]

    assert tool["input_schema"]["properties"]["a"]["items"] == {"type": ["string", "null"]}
    assert "$schema" not in tool["input_schema"]


@pytest.mark.edge(27)
@pytest.mark.parametrize("road", ["R→A", "R→C"])
def test_a_free_form_tool_goes_up_as_a_function_and_is_known_on_the_way_back(road: str) -> None:
    items = [
        said("Hi"),
        {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "Done"},
    ]
    carried = carry(road, {"input": items, "tools": [PATCH]}, custom_tools=False)
    (tool,) = carried.body["tools"]
    tool = tool.get("function", tool)
    schema = tool.get("input_schema") or tool.get("parameters")
    call = carried.body["messages"][1]
    given = (
        call["content"][0]["input"]
        if road == "R→A"
        else json.loads(call["tool_calls"][0]["function"]["arguments"])
    )

    assert schema["required"] == ["input"]
    assert "start: x" in tool["description"]
    assert given == {"input": "*** Begin"}
    assert aliases(carried) == {"apply_patch": ToolAlias("apply_patch", None, True)}


@pytest.mark.edge(27)
def test_a_free_form_tool_keeps_its_grammar_between_the_dialects_that_know_it() -> None:
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}
    own = {"type": "custom", "custom": {"name": "apply_patch", "format": nested}}

    assert carry("R→C", {"input": "Hi", "tools": [PATCH]}).body["tools"][0]["custom"]["format"] == (
        nested
    )
    assert carry("C→R", chat(tools=[own])).body["tools"][0]["format"] == PATCH["format"]


@pytest.mark.edge(28)
@pytest.mark.parametrize("road", ["R→A", "R→C"])
def test_a_providers_own_tool_is_left_out_by_name_or_refused_where_it_is_forced(road: str) -> None:
    listed = {"input": "Hi", "tools": [SEARCH, flat("f")]}
    carried = carry(road, listed)
    names = [tool.get("function", tool)["name"] for tool in carried.body["tools"]]

    assert names == ["f"]
    assert carried.warnings == ["tools.web_search=dropped"]
    forced = refused(road, {**listed, "tool_choice": SEARCH})
    assert (forced.kind, forced.param) == (FaultClass.UNSUPPORTED_FEATURE, "tool_choice")
    only = {"input": "Hi", "tools": [SEARCH], "tool_choice": "required"}
    assert refused(road, only).param == "tools"
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [SEARCH]}
    assert refused(road, {**listed, "tool_choice": allowed}).param == "tools"


@pytest.mark.edge(29)
@pytest.mark.parametrize("road", ["R→A", "R→C"])
def test_a_namespace_is_flattened_and_known_on_the_way_back(road: str) -> None:
    items = [
        said("Hi"),
        {"type": "function_call", "call_id": "a", "name": "read", "namespace": "files",
         "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "x"},
    ]  # fmt: skip
    namespaces = [
        {"type": "namespace", "name": name, "tools": [flat("read")]} for name in ("files", "mail")
    ]
    choice = {"type": "function", "name": "read", "namespace": "mail"}
    carried = carry(road, {"input": items, "tools": namespaces, "tool_choice": choice})
    names = [tool.get("function", tool)["name"] for tool in carried.body["tools"]]
    call = carried.body["messages"][1]
    sent = (
        call["content"][0]["name"] if road == "R→A" else call["tool_calls"][0]["function"]["name"]
    )
    chosen = carried.body["tool_choice"]

    assert names == ["files__read", "mail__read"]
    assert sent == "files__read"
    assert chosen.get("function", chosen)["name"] == "mail__read"
    assert aliases(carried) == {
        "files__read": ToolAlias("read", "files"),
        "mail__read": ToolAlias("read", "mail"),
    }


@pytest.mark.edge(30)
@pytest.mark.parametrize("road", ["R→A", "R→C"])
def test_a_reference_to_an_item_says_what_to_set_instead(road: str) -> None:
    fault = refused(road, {"input": [said("Hi"), {"type": "item_reference", "id": "msg_1"}]})

    assert (fault.kind, fault.param) == (FaultClass.UNSUPPORTED_FEATURE, "input[1]")
    assert "store" in fault.message
    assert "false" in fault.message


def test_a_subset_that_must_be_called_from_is_all_that_is_offered() -> None:
    tools = [function("f"), function("g"), function("h")]
    named = [{"type": "function", "function": {"name": name}} for name in ("g", "h")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    carried = carry("C→A", chat(tools=tools, tool_choice=choice))

    assert [tool["name"] for tool in carried.body["tools"]] == ["g", "h"]
    assert carried.body["tool_choice"] == {"type": "any"}
    assert carried.warnings == ["tool_choice=changed"]
    one = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named[:1]}}
    body = carry("C→A", chat(tools=tools, tool_choice=one)).body
    assert body["tool_choice"] == {"type": "tool", "name": "g"}
    assert len(body["tools"]) == 3


def test_no_choice_keeps_the_tools_so_that_the_history_stays_valid() -> None:
    body = carry("C→A", chat(tools=[function("f")], tool_choice="none")).body

    assert body["tool_choice"] == {"type": "none"}
    assert len(body["tools"]) == 1


def test_more_tools_than_chat_takes_are_refused() -> None:
    tools = [{"name": f"f{place}", "input_schema": WEATHER} for place in range(129)]

    assert refused("A→C", {**chat(), "tools": tools}).param == "tools"
    assert len(carry("A→R", {**chat(), "tools": tools}).body["tools"]) == 129


def test_tools_anthropic_defines_are_spelled_out_for_others() -> None:
    body = chat(
        said("Hi"), said([use("a", "bash", command="ls")], "assistant"), said([result("a")])
    )
    carried = carry("A→C", {**body, "tools": [{"type": "bash_20250124", "name": "bash"}]})

    assert carried.body["tools"][0]["function"]["parameters"]["properties"]["command"]
    assert carried.warnings == ["tools.0=changed"]


def test_the_old_functions_are_tools_whose_results_find_their_calls() -> None:
    body = chat(
        said("Hi"),
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        functions=[{"name": "f", "parameters": WEATHER}],
        function_call={"name": "f"},
    )
    sent = carry("C→A", body).body

    assert kinds(sent["messages"][1]) == ["tool_use"]
    assert (
        sent["messages"][2]["content"][0]["tool_use_id"] == sent["messages"][1]["content"][0]["id"]
    )
    assert sent["tool_choice"] == {
        "type": "tool",
        "name": "f",
        "disable_parallel_tool_use": True,
    }
