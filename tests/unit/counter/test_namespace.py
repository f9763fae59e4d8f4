"""Functions as an OpenAI model is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from services.counter.namespace import render_namespace
from services.counter.prompt import Tool

PARAMETERS = {
    "type": "object",
    "title": "Look",
    "description": "Where to look.",
    "required": ["city"],
    "properties": {
        "city": {"type": "string", "title": "City", "description": "The city"},
        "unit": {"enum": ["C", "F"], "default": "C"},
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
        "near": {"type": "array", "items": {"type": "number"}},
        "at": {
            "type": "object",
            "properties": {"hour": {"type": "integer"}, "zone": {"properties": {"id": {}}}},
        },
        "any": {"anyOf": [{"type": "boolean"}, {"type": "object"}]},
        "kind": {"const": "ü"},
        "place": {"$ref": "#/$defs/Place"},
    },
    "$defs": {
        "Place": {
            "title": "Place",
            "type": "object",
            "properties": {"inside": {"$ref": "#/$defs/Place"}},
        }
    },
}
TOOL = Tool("look", "Looks.", PARAMETERS)


def test_a_namespace_names_every_function_and_comments_on_it() -> None:
    assert render_namespace((TOOL, Tool("wait"))) == "\n".join(
        [
            "namespace functions {",
            "",
            "// Looks.",
            "type look = (_: // Look",
            "// Where to look.",
            "{",
            "// City",
            "// The city",
            "city: string,",
            'unit?: "C" | "F", // default: "C"',
            '// {"minimum": 1, "maximum": 9}',
            "days?: number | null,",
            "near?: number[],",
            "at?: {",
            "hour?: number,",
            "zone?: {",
            "id?: any,",
            "},",
            "},",
            "any?: boolean | object,",
            'kind?: "ü",',
            "// Place",
            "place?: {",
            "inside?: any,",
            "},",
            "}) => any;",
            "",
            "type wait = () => any;",
            "",
            "} // namespace functions",
        ]
    )


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        [],
        "x",
        {"properties": 5},
        {"properties": {"a": 1}},
        {"properties": {"a": {"type": 5, "required": 7, "anyOf": []}}},
        {"properties": {"a": {"$ref": "elsewhere"}, "b": {"$ref": 5}}},
        {"properties": {"a": {"type": ["object", None], "required": [[]]}}, "required": [{}]},
    ],
)
def test_schemas_that_are_none_are_read_all_the_same(parameters: Any) -> None:
    assert "type odd = (" in render_namespace((Tool("odd", None, parameters),))


def _doubling(depth: int) -> dict[str, Any]:
    """Each definition names the next one twice: written out, two to the power of ``depth``."""
    definitions = {
        str(at): {"properties": {name: {"$ref": f"#/$defs/{at + 1}"} for name in "ab"}}
        for at in range(depth)
    }
    return {"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": definitions}


HOSTILE: dict[str, dict[str, Any]] = {
    "definitions that double": _doubling(60),
    "alternatives that double": {
        "properties": {"a": {"$ref": "#/$defs/0"}},
        "$defs": {str(at): {"anyOf": [{"$ref": f"#/$defs/{at + 1}"}] * 2} for at in range(60)},
    },
    "a long text named often": {
        "properties": {str(at): {"$ref": "#/$defs/x"} for at in range(20_000)},
        "$defs": {"x": {"description": "x" * 100_000}},
    },
    "one kind listed often": {
        "properties": {
            "a": {
                "type": ["object"] * 50_000,
                "properties": {str(at): {} for at in range(50_000)},
            }
        }
    },
    "many kinds that are none": {
        "properties": {
            "a": {
                "type": [str(at) for at in range(50_000)],
                **{str(at): 0 for at in range(50_000)},
            }
        }
    },
    "all of many required": {
        "properties": {str(at): {} for at in range(50_000)},
        "required": [str(at) for at in range(50_000)],
    },
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("parameters", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_is_written_in_bounded_time_and_room(parameters: dict[str, Any]) -> None:
    assert len(render_namespace((Tool("f", None, parameters),))) < 16_000_000
