"""JSON Schemas of functions as the OpenAI dialects take them. Inputs are never changed."""

from __future__ import annotations

from typing import Any


def whole_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A schema with the ``type`` and ``properties`` that servers insist on."""
    if not schema:
        return {"type": "object", "properties": {}}
    whole = schema if "type" in schema else {"type": "object", **schema}
    if whole.get("type") == "object" and whole.get("properties") is None:
        whole = {**whole, "properties": {}}
    return whole


def is_closed(schema: object) -> bool:
    """Whether strict mode takes it: every object closed and every property required."""
    if isinstance(schema, list):
        return all(is_closed(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        required = schema.get("required")
        if schema.get("additionalProperties") is not False:
            return False
        named = required if isinstance(required, list) else ()
        if not all(name in named for name in properties or ()):
            return False
    return all(is_closed(value) for value in schema.values())
