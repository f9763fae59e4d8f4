"""Free-form tools where only functions are known: wrapped into one string argument.

Codex's ``apply_patch`` is one: forwarded without a schema it is refused, and returned as a
function call it is not executed.
"""

from __future__ import annotations

from typing import Any

from dialects import json_text
from dialects.conversation import Tool


def wrap_schema() -> dict[str, Any]:
    """The arguments of a function that stands in for a free-form tool."""
    return {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
        "additionalProperties": False,
    }


def wrap_input(text: str) -> str:
    """A free-form call's text as the stand-in's arguments."""
    return json_text.render_text({"input": text})


def describe(tool: Tool) -> str:
    """What the stand-in says of itself, the grammar included: it has no other place."""
    parts = [tool.description or "", "Put the whole free-form input into the string `input`."]
    form = tool.format or {}
    if form.get("type") not in (None, "text"):
        definition = form.get("definition")
        text = definition if isinstance(definition, str) else json_text.render_text(form)
        parts.append(f"It must match this {form.get('syntax') or ''} grammar:\n{text}")
    return "\n\n".join(part for part in parts if part)
