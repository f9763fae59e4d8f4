"""Functions as an OpenAI model is told of them: a namespace of TypeScript types.

Read off recorded traffic, not documented: a schema's title and description are comments above it,
what it demands of a value is one more, and nothing is indented.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from services.counter.prompt import Tool

_SCALARS: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_KINDS: Final = frozenset({*_SCALARS, "array", "object"})
_DEMANDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
)

# A few definitions that name one another write out to any length: past this many, or this many
# characters of them, a reference is "any".
_MAX_REFERENCES: Final = 10_000
_MAX_REFERRED_CHARS: Final = 4_194_304


def render_namespace(tools: tuple[Tool, ...]) -> str:
    """All functions, in their order."""
    writer = _Writer()
    for tool in tools:
        writer.write_tool(tool)
    return writer.text()


class _Writer:
    """Pieces of the namespace; ``_root`` is the schema that references are looked up in."""

    def __init__(self) -> None:
        self._pieces = ["namespace functions {\n\n"]
        self._chars = 0
        self._root: dict[str, Any] = {}
        self._open_references: set[str] = set()
        self._references_left = _MAX_REFERENCES
        self._referred_chars = 0

    def text(self) -> str:
        return "".join((*self._pieces, "} // namespace functions"))

    def write_tool(self, tool: Tool) -> None:
        if tool.description:
            self._write(f"// {tool.description}\n")
        self._root = tool.parameters if isinstance(tool.parameters, dict) else {}
        self._write(f"type {tool.name} = (")
        if _properties(self._root):
            self._write("_: ")
            self._write_comments(self._root)
            self._write_object(self._root)
        self._write(") => any;\n\n")

    def _write(self, piece: str) -> None:
        self._pieces.append(piece)
        self._chars += len(piece)

    def _write_comments(self, schema: Any) -> None:
        if not isinstance(schema, dict):
            return
        if isinstance(reference := schema.get("$ref"), str):
            self._follow(reference, self._write_comments)
        for key in ("title", "description"):
            if isinstance(comment := schema.get(key), str) and comment:
                self._write(f"// {comment}\n")

    def _write_object(self, schema: dict[str, Any]) -> None:
        properties = _properties(schema)
        if not properties:
            self._write("object")
            return
        required = _names(schema.get("required"))
        self._write("{\n")
        for name, member in properties.items():
            self._write_member(name if name in required else f"{name}?", member)
        self._write("}")

    def _write_member(self, name: str, member: Any) -> None:
        schema = member if isinstance(member, dict) else {}
        self._write_comments(schema)
        demands = {key: schema[key] for key in _DEMANDS if key in schema}
        if demands:
            self._write(f"// {_json(demands)}\n")
        self._write(f"{name}: ")
        self._write_type(schema)
        self._write(f",{_default(schema)}\n")

    def _write_type(self, schema: Any) -> None:
        if not isinstance(schema, dict):
            self._write("any")
        elif isinstance(reference := schema.get("$ref"), str):
            if not self._follow(reference, self._write_type):
                self._write("any")
        elif options := list(_options(schema)):
            for at, option in enumerate(options):
                self._write(" | " if at else "")
                self._write_type(option)
        elif isinstance(values := schema.get("enum"), list):
            self._write(" | ".join(map(_json, values)))
        elif "const" in schema:
            self._write(_json(schema["const"]))
        elif schema.get("type") == "array":
            self._write_type(schema.get("items"))
            self._write("[]")
        elif schema.get("type") == "object" or "properties" in schema:
            self._write_object(schema)
        else:
            self._write(_SCALARS.get(str(schema.get("type")), "any"))

    def _follow(self, reference: str, write: Callable[[Any], None]) -> bool:
        """``write`` what ``#/$defs/…`` names; false inside itself, and once the room is used up."""
        self._references_left -= 1
        if (
            reference in self._open_references
            or self._references_left < 0
            or self._referred_chars > _MAX_REFERRED_CHARS
        ):
            return False
        self._open_references.add(reference)
        chars = self._chars
        write(self._resolve(reference))
        self._referred_chars += self._chars - chars
        self._open_references.discard(reference)
        return True

    def _resolve(self, reference: str) -> Any:
        place: Any = self._root
        for step in reference.removeprefix("#/").split("/"):
            place = place.get(step) if isinstance(place, dict) else None
        return place


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _names(value: Any) -> frozenset[str]:
    names = value if isinstance(value, list) else []
    return frozenset(name for name in names if isinstance(name, str))


def _options(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas any one of which a value may follow; none where there is but one."""
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(options := schema.get(key), list):
            yield from options
            return
    kinds = schema.get("type")
    if isinstance(kinds, list):
        # Each known kind once: a hostile list would write the object out as often as it names one.
        named = (str(kind) for kind in kinds)
        known = dict.fromkeys(kind if kind in _KINDS else "any" for kind in named)
        yield from ({**schema, "type": kind} for kind in known)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return f" // default: {_json(schema['default'])}"
