"""The demo model answers by rule."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop.demo.answer import Call, Stop, compose, sample
from laptop.demo.directive import Directives
from laptop.demo.prompt import Prompt, Tool, count, measure, pieces

GET = Tool("get", {"type": "object", "properties": {"q": {"type": "string"}}})
PUT = Tool("put", {})
PLAIN = Directives()


def prompt(text: str, **fields: Any) -> Prompt:
    return Prompt(model="m", text=text, seed="s", input_tokens=10, **fields)


def test_echoes_the_text() -> None:
    answer = compose(prompt("Hello there!"), PLAIN)

    assert answer.text == "Hello there!"
    assert answer.stop is Stop.END
    assert answer.output_tokens == 2


def test_says_something_when_nothing_was_said() -> None:
    assert compose(prompt("  "), PLAIN).text == "(nothing was said)"


def test_calls_declared_tools_with_the_arguments_as_written() -> None:
    text = 'look tool:get {"q": "é",  "n": 1.0} tool:put'

    answer = compose(prompt(text, tools=(GET, PUT)), PLAIN)

    assert answer.calls == (Call(0, "get", '{"q": "é",  "n": 1.0}'), Call(1, "put", "{}"))
    assert answer.text == "look"
    assert answer.stop is Stop.TOOL_USE


def test_makes_one_call_where_parallel_calls_are_off() -> None:
    answer = compose(prompt("tool:get tool:put", tools=(GET, PUT), parallel=False), PLAIN)

    assert [call.name for call in answer.calls] == ["get"]


def test_an_undeclared_tool_is_text() -> None:
    answer = compose(prompt("tool:nope {}", tools=(GET,)), PLAIN)

    assert (answer.text, answer.calls) == ("tool:nope {}", ())


@pytest.mark.parametrize("broken", ["{", "{]", "{" * 5_000, '{"a": 1'])
def test_broken_arguments_are_none(broken: str) -> None:
    answer = compose(prompt(f"tool:get {broken}", tools=(GET,)), PLAIN)

    assert answer.calls == (Call(0, "get", "{}"),)


def test_a_forced_tool_is_called_with_a_sample_of_its_schema() -> None:
    answer = compose(prompt("x", tools=(GET, PUT), forced=GET), PLAIN)

    assert answer.calls == (Call(0, "get", '{"q": "demo"}'),)


def test_tool_results_are_told() -> None:
    answer = compose(prompt("tool:get", tools=(GET,), results=("10.5", "none")), PLAIN)

    assert (answer.text, answer.calls) == ("The tool answered: 10.5; none", ())


def test_a_schema_is_answered_with_json() -> None:
    answer = compose(prompt("x", schema=GET.schema), PLAIN)

    assert json.loads(answer.text) == {"q": "demo"}


def test_thinks_when_asked() -> None:
    answer = compose(prompt("one two", thinking=True), PLAIN)

    assert answer.reasoning == "The user wrote 2 words. I will answer in kind."
    assert answer.reasoning_tokens == 10
    assert answer.output_tokens == 12


def test_refuses_when_told() -> None:
    answer = compose(prompt("tool:get", tools=(GET,)), Directives(refuse=True))

    assert (answer.stop, answer.calls) == (Stop.REFUSAL, ())


def test_stops_at_the_first_stop_sequence() -> None:
    answer = compose(prompt("one two three", stops=("three", "two")), PLAIN)

    assert (answer.text, answer.stop, answer.stop_sequence) == ("one ", Stop.STOP_SEQUENCE, "two")


@pytest.mark.parametrize("limit", [1, 5, 11])
def test_never_says_more_than_max_tokens(limit: int) -> None:
    answer = compose(prompt("one two three", thinking=True, max_tokens=limit), PLAIN)

    assert answer.output_tokens == limit
    assert answer.stop is Stop.MAX_TOKENS


def test_cached_tokens_are_part_of_the_input() -> None:
    assert compose(prompt("x"), Directives(cached_tokens=99)).cached_tokens == 10


def test_equal_prompts_get_equal_answers() -> None:
    asked = prompt("Hello", thinking=True)

    assert compose(asked, PLAIN) == compose(replace(asked), PLAIN)


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert count(text) == len(pieces(text))


def test_measure_counts_words_and_no_bookkeeping() -> None:
    content = {"role": "user", "content": [{"type": "text", "text": "one two"}, {"data": "x" * 99}]}

    assert measure([content]) == 2


def test_measure_takes_any_depth() -> None:
    value: Any = "word"
    for _ in range(5_000):
        value = [value]

    assert measure(value) == 1


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, "demo"),
        ({"const": 4}, 4),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": ["integer", "null"]}, 1),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, True),
        ({"type": "array"}, []),
        ({"type": "number"}, 1.5),
        ({"type": "object", "properties": {"a": {"type": "null"}}}, {"a": None}),
    ],
)
def test_sample_is_the_plainest_value(schema: dict[str, Any], expected: Any) -> None:
    assert sample(schema) == expected
