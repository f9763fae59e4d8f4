"""Tools and calls as providers write them into the prompt."""

from __future__ import annotations

import json

import pytest

from services.counter.prompt import Schema, Tool, ToolCall
from services.counter.rendering import (
    render_claude_call,
    render_claude_tool,
    render_json_tools,
    render_openai_schema,
)

PARAMETERS = {
    "type": "object",
    "required": ["city"],
    "properties": {
        "city": {"type": "string", "description": "The city"},
        "unit": {"enum": ["C", "F"], "default": "C"},
        "days": {"type": ["integer", "null"]},
        "near": {"type": "array", "items": {"type": "number"}},
        "at": {
            "type": "object",
            "properties": {"hour": {"type": "integer"}, "zone": {"properties": {"id": {}}}},
        },
        "any": {"anyOf": [{"type": "boolean"}, {"type": "object"}]},
    },
}
TOOL = Tool("look", "Looks.", PARAMETERS)


def test_openai_reads_a_lean_schema_under_its_name() -> None:
    body = {
        "$schema": "a",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default": {"type": "number", "minimum": 1, "default": 3, "description": "Ü"},
            "more": {"anyOf": [{"type": "array", "items": {"format": "date"}, "minItems": 1}]},
        },
        "required": ["default"],
    }
    lean = (
        '{"type":"object","properties":{"default":{"type":"number","description":"Ü"},'
        '"more":{"anyOf":[{"type":"array","items":{}}]}},"required":["default"]}'
    )
    assert render_openai_schema(Schema(body, "Day", "A day.")) == f"Day\nA day.\n{lean}"
    assert render_openai_schema(Schema({})) == "{}"


def test_claude_reads_a_sorted_json_line() -> None:
    line = render_claude_tool(Tool("b", "Ü", {"z": 1, "a": 2}))
    assert line == (
        '<function>{"description": "Ü", "name": "b", "parameters": {"a": 2, "z": 1}}</function>\n'
    )
    assert render_claude_tool(Tool("b")) == '<function>{"name": "b", "parameters": {}}</function>\n'


def test_open_models_read_the_tools_as_they_came() -> None:
    lines = render_json_tools((TOOL, Tool("wait"))).splitlines()
    assert [json.loads(line)["function"]["name"] for line in lines] == ["look", "wait"]
    assert json.loads(lines[0])["function"]["parameters"] == PARAMETERS


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ('{"city": "Ankara", "days": [1]}', ['name="city">Ankara<', 'name="days">[1]<']),
        ("", []),
        ("not JSON", ['name="input">not JSON<']),
        ("[1]", ['name="input">[1]<']),
    ],
)
def test_a_call_is_an_element_for_each_argument(arguments: str, lines: list[str]) -> None:
    text = render_claude_call(ToolCall("look", arguments))
    assert text.startswith('<invoke name="look">')
    assert text.count("<parameter ") == len(lines)
    assert all(line in text for line in lines)


@pytest.mark.parametrize("parameters", [None, [], "x", {"properties": 5}, {"properties": {"a": 1}}])
def test_schemas_that_are_none_are_read_all_the_same(parameters: object) -> None:
    tool = Tool("odd", None, parameters)
    assert "odd" in render_claude_tool(tool)
    assert "odd" in render_json_tools((tool,))
