"""JSON Schemas as Anthropic takes them (anthropic-messages §6 and §8). Inputs are never changed."""

from __future__ import annotations

from typing import Any, Final

from dialects.errors import refuse_feature

_DROPPED: Final = frozenset({"$schema", "$id"})
_UNIONS: Final = ("oneOf", "anyOf", "allOf")
_BOUNDS: Final = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "pattern", "maxItems", "uniqueItems", "format",
    "minProperties", "maxProperties",
)  # fmt: skip
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_MAX_DEPTH: Final = 64


def tool_schema(schema: dict[str, Any] | None, param: str) -> tuple[dict[str, Any], bool]:
    """A function's schema with an object at the top, and whether its meaning was loosened."""
    body = {name: value for name, value in (schema or {}).items() if name not in _DROPPED}
    unions = [name for name in _UNIONS if isinstance(body.get(name), list)]
    is_changed = bool(unions)
    if unions:
        body = _merge_unions(body, unions, param)
    kind = body.get("type")
    if kind is None or (isinstance(kind, list) and "object" in kind):
        body = {"type": "object", **{k: v for k, v in body.items() if k != "type"}}
    elif kind != "object":
        raise refuse_feature("a tool's schema must describe an object", param)
    if not isinstance(body.get("properties"), dict):
        body["properties"] = {}
    return body, is_changed


def _merge_unions(body: dict[str, Any], unions: list[str], param: str) -> dict[str, Any]:
    """One object with every branch's properties, where every branch is an object."""
    merged = {name: value for name, value in body.items() if name not in unions}
    properties = dict(merged.get("properties") or {})
    required = list(merged.get("required") or [])
    for union in unions:
        for branch in body[union]:
            if not isinstance(branch, dict) or branch.get("type", "object") != "object":
                raise refuse_feature(f"a tool's schema must not have {union} at its top", param)
            for name, value in (branch.get("properties") or {}).items():
                properties.setdefault(name, value)
            if union == "allOf":
                required += [name for name in branch.get("required") or [] if name not in required]
    merged["properties"] = properties
    if required:
        merged["required"] = required
    return merged


def is_strict_ready(schema: dict[str, Any]) -> bool:
    """Whether Anthropic's exact mode takes the schema as it is."""
    return _is_ready(schema, 0)


def _is_ready(node: object, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(node, list):
        return all(_is_ready(item, depth + 1) for item in node)
    if not isinstance(node, dict):
        return True
    if "$ref" in node or "oneOf" in node or any(name in node for name in _BOUNDS):
        return False
    if _is_object(node) and node.get("additionalProperties") is not False:
        return False
    minimum = node.get("minItems")
    if isinstance(minimum, int) and minimum > 1:
        return False
    children = node.get("properties")
    below = list(children.values()) if isinstance(children, dict) else []
    below += [node[name] for name in ("items", "anyOf", "allOf") if name in node]
    return _is_ready(below, depth + 1)


def _is_object(node: dict[str, Any]) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def format_schema(schema: dict[str, Any], param: str) -> tuple[dict[str, Any], bool]:
    """A schema for ``output_config.format``, and whether rules moved into descriptions.

    Objects are closed, bounds become words, ``oneOf`` becomes ``anyOf``; recursion is refused.
    """
    refiner = _Refiner(param)
    body = refiner.refine({k: v for k, v in schema.items() if k not in _DROPPED}, 0)
    return body, refiner.is_changed


class _Refiner:
    """Walks one schema; ``is_changed`` tells whether anything was moved or loosened."""

    def __init__(self, param: str) -> None:
        self._param = param
        self.is_changed = False

    def refine(self, node: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise refuse_feature("the schema is nested too deeply", self._param)
        if isinstance(node, list):
            return [self.refine(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("$ref") == "#":
            raise refuse_feature("a recursive schema cannot be carried to this model", self._param)
        out: dict[str, Any] = {}
        notes: list[str] = []
        for name, value in node.items():
            self._take(name, value, out, notes, depth)
        if notes:
            self.is_changed = True
            said = out.get("description")
            note = "; ".join(notes)
            out["description"] = f"{said} ({note})" if isinstance(said, str) and said else note
        if _is_object(out) and out.get("additionalProperties") is not False:
            self.is_changed = self.is_changed or "additionalProperties" in out
            out["additionalProperties"] = False
        return out

    def _take(
        self, name: str, value: Any, out: dict[str, Any], notes: list[str], depth: int
    ) -> None:
        match name:
            case "properties" | "$defs" | "definitions" if isinstance(value, dict):
                out[name] = {key: self.refine(child, depth + 1) for key, child in value.items()}
            case "oneOf":
                self.is_changed = True
                out["anyOf"] = self.refine(value, depth + 1)
            case "format" if value in _FORMATS:
                out[name] = value
            case "minItems" if value in (0, 1):
                out[name] = value
            case "nullable" if value is True and isinstance(node_type := out.get("type"), str):
                out["type"] = [node_type, "null"]
            case "enum" | "const" | "default" | "examples" | "required":
                out[name] = value
            case _ if name in _BOUNDS or name == "minItems":
                notes.append(f"{name}: {value}")
            case _:
                out[name] = self.refine(value, depth + 1)
