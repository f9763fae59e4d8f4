"""How providers write tools and calls into the prompt, before they tokenize it.

Claude: a JSON line per tool between ``<function>`` tags, calls as ``<invoke>`` elements; both were
read off recorded traffic, not documented. Open models: the tools as they came. OpenAI's way is
``namespace``.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from services.counter.prompt import Schema, Tool, ToolCall

_SCHEMA_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
"""Keys whose own keys are names, not words of a schema."""

_UNSAID: Final = frozenset(
    {
        "$schema",
        "additionalProperties",
        "default",
        "format",
        "maximum",
        "maxItems",
        "minimum",
        "minItems",
    }
)


def render_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON with Python's default separators, which the providers' own rendering shares."""
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


def render_openai_schema(schema: Schema) -> str:
    """The schema of an answer as an OpenAI model is told of it: lean JSON under its name."""
    shape = json.dumps(_lean(schema.body), ensure_ascii=False, separators=(",", ":"))
    return "\n".join(filter(None, (schema.name, schema.description, shape)))


def _lean(schema: Any) -> Any:
    """``schema`` without what only constrains the answer."""
    if isinstance(schema, list):
        return [_lean(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _lean(member) for name, member in value.items()}
        if key in _SCHEMA_MAPS and isinstance(value, dict)
        else _lean(value)
        for key, value in schema.items()
        if key not in _UNSAID
    }


def render_claude_tool(tool: Tool) -> str:
    """One tool as Claude is told about it."""
    shape = {"name": tool.name, "parameters": tool.parameters or {}}
    if tool.description is not None:
        shape["description"] = tool.description
    return f"<function>{render_json(shape, sort_keys=True)}</function>\n"


def render_claude_call(call: ToolCall) -> str:
    """One call as Claude wrote it: an element per argument."""
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        arguments = call.arguments
    if not isinstance(arguments, dict):
        arguments = {"input": arguments}
    lines = [f'<invoke name="{call.name}">']
    for name, value in arguments.items():
        text = value if isinstance(value, str) else render_json(value)
        lines.append(f'<parameter name="{name}">{text}</parameter>')
    lines.append("</invoke>")
    return "\n".join(lines)


def render_json_tools(tools: tuple[Tool, ...]) -> str:
    """All functions as the templates of open models write them: a JSON object a line."""
    return "\n".join(render_json(_function(tool)) for tool in tools)


def _function(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {},
    }
    return {"type": "function", "function": function}
