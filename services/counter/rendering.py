"""How providers write tools and calls into the prompt, before they tokenize it.

Claude: a JSON line per tool between ``<function>`` tags, calls as ``<invoke>`` elements. OpenAI: a
TypeScript namespace. Open models: the tools as they came. The first two were read off recorded
traffic, not documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import orjson

from services.counter.prompt import Tool, ToolCall

_SCALARS = {"integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def render_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON with Python's default separators, which the providers' own rendering shares."""
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


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


def render_openai_tools(tools: tuple[Tool, ...]) -> str:
    """All functions as the namespace an OpenAI model reads."""
    return "\n".join(["namespace functions {", "", *_functions(tools), "} // namespace functions"])


def _functions(tools: tuple[Tool, ...]) -> Iterator[str]:
    for tool in tools:
        if tool.description:
            yield f"// {tool.description}"
        properties = (
            tool.parameters.get("properties") if isinstance(tool.parameters, dict) else None
        )
        if isinstance(properties, dict) and properties:
            yield f"type {tool.name} = (_: {{"
            yield from _members(tool.parameters)
            yield "}) => any;"
        else:
            yield f"type {tool.name} = () => any;"
        yield ""


def _members(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    properties = schema.get("properties")
    for name, member in (properties if isinstance(properties, dict) else {}).items():
        if isinstance(member, dict) and isinstance(member.get("description"), str):
            yield f"// {member['description']}"
        mark = "" if name in names else "?"
        yield f"{name}{mark}: {_type(member)},{_default(member)}"


def _default(schema: Any) -> str:
    if not isinstance(schema, dict) or "default" not in schema:
        return ""
    return f" // default: {render_json(schema['default'])}"


def _type(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            return " | ".join(map(_type, options))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": option}) for option in kind)
    values = schema.get("enum")
    if isinstance(values, list):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)
    if kind == "array":
        return f"{_type(schema.get('items'))}[]"
    if kind == "object" or "properties" in schema:
        members = "\n".join(_members(schema))
        return f"{{\n{indent(members, '  ')}\n}}" if members else "object"
    return "string" if kind == "string" else _SCALARS.get(str(kind), "any")
