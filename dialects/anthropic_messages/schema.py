"""JSON Schemas as Anthropic takes them (anthropic-messages §6 and §8). Inputs are never changed."""

from __future__ import annotations

from collections.abc import Iterator
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
_DATA: Final = ("enum", "const", "default", "examples", "required")  # values, not schemas
_MAX_DEPTH: Final = 64
_MAX_OPTIONAL: Final = 24  # properties that need not be there, over the whole schema
_MAX_UNIONS: Final = 16


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
    return _spell_nullable(body, 0), is_changed


def _spell_nullable(node: Any, depth: int) -> Any:
    """OpenAPI's ``nullable`` as the type it means; a node without it is given back as it is."""
    if depth > _MAX_DEPTH:
        return node
    if isinstance(node, list):
        items = [_spell_nullable(item, depth + 1) for item in node]
        return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
    if not isinstance(node, dict):
        return node
    spelled = {
        key: value if key in _DATA else _spell_nullable(value, depth + 1)
        for key, value in node.items()
    }
    kind = node.get("type")
    if node.get("nullable") is True and isinstance(kind, str):
        spelled["type"] = [kind, "null"]
        del spelled["nullable"]
    return spelled if any(spelled.get(key) is not node[key] for key in node) else node


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

    Objects are closed, bounds become words, ``oneOf`` becomes ``anyOf``; recursion, references
    to elsewhere and more options than Anthropic compiles are refused.
    """
    refiner = _Refiner(param)
    _check_references(schema, param)
    body = refiner.refine({k: v for k, v in schema.items() if k not in _DROPPED}, 0)
    if refiner.optional > _MAX_OPTIONAL or refiner.unions > _MAX_UNIONS:
        raise refuse_feature("the schema has too many optional or union parts", param)
    return body, refiner.is_changed


def _check_references(schema: dict[str, Any], param: str) -> None:
    """Refuse a definition that leads back to itself, and one that stands elsewhere."""
    leads: dict[str, set[str]] = {}
    waiting = ["#"]
    while waiting:
        pointer = waiting.pop()
        if pointer in leads:
            continue
        node = _resolve(schema, pointer)
        if node is None:
            raise refuse_feature(
                f"the schema refers to {pointer[:80]!r}, which is not in it", param
            )
        leads[pointer] = set(_references(node, 0, is_root=pointer == "#"))
        waiting += leads[pointer]
    left = dict(leads)
    while leaves := [pointer for pointer, targets in left.items() if not targets & left.keys()]:
        for pointer in leaves:
            del left[pointer]
    if left:
        raise refuse_feature("a recursive schema cannot be carried to this model", param)


def _resolve(schema: dict[str, Any], pointer: str) -> Any | None:
    node: Any = schema
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, dict) else None
    return node if pointer.startswith("#") else None


def _references(node: Any, depth: int, *, is_root: bool = False) -> Iterator[str]:
    """Every ``$ref`` in a node; the root's own definitions count where something leads to them."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from _references(item, depth + 1)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif key not in _DATA and not (is_root and key in ("$defs", "definitions")):
                yield from _references(value, depth + 1)


class _Refiner:
    """Walks one schema; ``is_changed`` tells whether anything was moved or loosened.

    ``optional`` and ``unions`` count what Anthropic limits.
    """

    def __init__(self, param: str) -> None:
        self._param = param
        self.is_changed = False
        self.optional = 0
        self.unions = 0

    def refine(self, node: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise refuse_feature("the schema is nested too deeply", self._param)
        if isinstance(node, list):
            return [self.refine(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
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
        self._count(out)
        return out

    def _count(self, node: dict[str, Any]) -> None:
        properties, required = node.get("properties"), node.get("required")
        if isinstance(properties, dict):
            named = required if isinstance(required, list) else []
            self.optional += sum(name not in named for name in properties)
        self.unions += "anyOf" in node or isinstance(node.get("type"), list)

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
            case _ if name in _DATA:
                out[name] = value
            case _ if name in _BOUNDS or name == "minItems":
                notes.append(f"{name}: {value}")
            case _:
                out[name] = self.refine(value, depth + 1)
