"""The catalog's YAML, read node by node so that every fault can name its line.

``yaml.compose`` gives nodes and constructs no objects. A reader notes a fault and goes on with a
stand-in, so that one run shows all that is wrong.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import yaml

from dialects.capabilities import Capabilities
from runtime.base_url import check_base_url
from runtime.catalog import (
    DIALECT_NAMES,
    PRODUCTS,
    Catalog,
    Model,
    Plan,
    PlanLimits,
    Prices,
    Route,
    Upstream,
    build_catalog,
)
from runtime.config import ConfigError, SecretText

T = TypeVar("T")

MAX_TEXT_BYTES: Final = 4 * 1024 * 1024

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_PATTERN: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127})?\*?")
_INT: Final = re.compile(r"[0-9][0-9_]{0,15}")
_CAPABILITY_TYPES: Final = {
    name: type(value) for name, value in dataclasses.asdict(Capabilities()).items()
}


class Entry(NamedTuple):
    """A value of a mapping with the line its key stands on."""

    node: yaml.Node
    line: int


Fields = dict[str, Entry]


class CatalogText:
    """One reading of one text."""

    def __init__(self, text: str, environ: Mapping[str, str] | None) -> None:
        self._text = text
        self._environ = environ
        self._faults: list[tuple[int, str]] = []

    def read(self) -> Catalog:
        """The catalog, or ConfigError with every fault in the order of lines."""
        root = self._compose()
        if root is None:
            raise self._error()
        fields = self._fields(
            root, "the catalog", {"upstreams", "models", "plans"}, {"upstreams", "models"}
        )
        upstreams = self._named(fields, "upstreams", self._upstream, lambda found: found.name)
        models = self._named(
            fields, "models", lambda node: self._model(node, upstreams), lambda found: found.id
        )
        plans = self._named(fields, "plans", self._plan, lambda found: found.name)
        if self._faults:
            raise self._error()
        return build_catalog(upstreams.values(), models.values(), plans.values())

    # Sections

    def _upstream(self, node: yaml.Node) -> Upstream | None:
        optional = {"credential", "capabilities", "allow_private"}
        required = {"name", "dialect", "base_url"}
        fields = self._fields(node, "an upstream", required | optional, required)
        abilities = self._mapping(fields, "capabilities", {"thinking", "count_tokens"})
        name = self._name(fields, "name", _NAME)
        dialect = self._choice(fields, "dialect", DIALECT_NAMES)
        allow_private = self._flag(fields, "allow_private", default=False)
        base_url = self._base_url(fields, dialect, allow_private=allow_private)
        return Upstream(
            name=name,
            dialect=dialect,
            base_url=base_url,
            credential=self._credential(fields),
            thinking=self._flag(abilities, "thinking", default=True),
            count_tokens=self._flag(abilities, "count_tokens", default=False),
            allow_private=allow_private,
        )

    def _model(self, node: yaml.Node, upstreams: Mapping[str, Upstream]) -> Model | None:
        optional = {"display_name", "context_window", "max_output", "prices", "capabilities"}
        required = {"id", "routes"}
        fields = self._fields(node, "a model", required | optional, required)
        model_id = self._name(fields, "id", _MODEL_ID)
        routes = [
            route
            for item in self._items(fields, "routes", at_least=1)
            if (route := self._route(item, model_id, upstreams))
        ]
        return Model(
            id=model_id,
            display_name=self._word(fields, "display_name") or model_id,
            routes=tuple(routes),
            context_window=self._count(fields, "context_window", 200_000, least=1),
            max_output=self._count(fields, "max_output", 32_000, least=1),
            prices=self._counts(fields, "prices", Prices),
            capabilities=self._overrides(fields),
        )

    def _route(
        self, node: yaml.Node, model_id: str, upstreams: Mapping[str, Upstream]
    ) -> Route | None:
        fields = self._fields(node, "a route", {"upstream", "model"}, {"upstream"})
        name = self._word(fields, "upstream")
        upstream_model = self._word(fields, "model") or model_id
        if not name:
            return None
        if name not in upstreams:
            self._fault(fields["upstream"].line, f"upstream {name!r} is not among the upstreams")
            return None
        return Route(name, upstreams[name].dialect, upstream_model)

    def _plan(self, node: yaml.Node) -> Plan | None:
        known = {"name", "product", "models", "thinking", "limits"}
        fields = self._fields(node, "a plan", known, {"name"})
        patterns = []
        for item in self._items(fields, "models"):
            pattern = self._scalar(item, "models")
            if pattern and not _PATTERN.fullmatch(pattern):
                self._fault(
                    _line(item), f"{pattern!r} is not a model id, nor one with a trailing *"
                )
            elif pattern:
                patterns.append(pattern)
        return Plan(
            name=self._name(fields, "name", _NAME),
            product=self._choice(fields, "product", PRODUCTS) if "product" in fields else "api",
            models=tuple(patterns),
            thinking=self._flag(fields, "thinking", default=True),
            limits=self._counts(fields, "limits", PlanLimits),
        )

    # Values

    def _base_url(self, fields: Fields, dialect: str, *, allow_private: bool) -> str:
        url = self._word(fields, "base_url")
        if not url:
            return ""
        if fault := check_base_url(url, allow_private=allow_private):
            self._fault(fields["base_url"].line, f"base_url {fault}")
        elif dialect == "anthropic_messages" and url.rstrip("/").endswith("/v1"):
            line = fields["base_url"].line
            self._fault(line, "base_url of an anthropic_messages upstream stands without /v1")
        return url.rstrip("/")

    def _credential(self, fields: Fields) -> SecretText | None:
        if "credential" not in fields:
            return None
        line = fields["credential"].line
        source = self._mapping(fields, "credential", {"env", "file"})
        name, path = self._word(source, "env"), self._word(source, "file")
        if bool(name) == bool(path):
            self._fault(line, "credential is either {env: NAME} or {file: PATH}")
            return None
        if self._environ is None:
            return None
        value = self._environ.get(name, "") if name else self._read_file(path, source["file"].line)
        if value is None:
            return None
        value = value.strip()
        if not value:
            self._fault(line, f"credential: {name or path} is empty or not set")
        elif not value.isascii() or not value.isprintable() or " " in value:
            self._fault(line, f"credential: {name or path} holds letters no header may carry")
        return SecretText(value)

    def _read_file(self, path: str, line: int) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            self._fault(line, f"credential file cannot be read: {reason}")
            return None

    def _overrides(self, fields: Fields) -> dict[str, Any]:
        """Overrides of :class:`dialects.capabilities.Capabilities`, by its field names."""
        entries = self._mapping(fields, "capabilities", set(_CAPABILITY_TYPES))
        overrides: dict[str, Any] = {}
        for name in entries:
            kind = _CAPABILITY_TYPES[name]
            if kind is bool:
                overrides[name] = self._flag(entries, name, default=False)
            elif (
                name == "max_output"
                or (name.startswith("max_") and kind is type(None))
                or kind is int
            ):
                overrides[name] = self._count(entries, name, 0, least=1)
            elif kind in (frozenset, tuple):
                words = [self._scalar(item, name) for item in self._items(entries, name)]
                overrides[name] = kind(words)
            else:
                overrides[name] = self._word(entries, name)
        return overrides

    def _counts(self, fields: Fields, name: str, cls: Callable[..., T]) -> T:
        """A dataclass of whole numbers from the mapping of that name."""
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        entries = self._mapping(fields, name, known)
        return cls(**{key: self._count(entries, key, 0) for key in entries})

    def _count(self, fields: Fields, name: str, default: int, *, least: int = 0) -> int:
        if name not in fields:
            return default
        entry = fields[name]
        text = self._scalar(entry.node, name)
        if text is None:
            return default
        if not _INT.fullmatch(text) or int(text) < least:
            self._fault(entry.line, f"{name} must be a whole number of at least {least}")
            return default
        return int(text)

    def _flag(self, fields: Fields, name: str, *, default: bool) -> bool:
        if name not in fields:
            return default
        node, line = fields[name]
        if node.tag != "tag:yaml.org,2002:bool":
            self._fault(line, f"{name} must be true or false")
            return default
        return str(node.value).lower() in ("true", "yes", "on")

    def _choice(self, fields: Fields, name: str, choices: tuple[str, ...]) -> str:
        word = self._word(fields, name)
        if word and word not in choices:
            self._fault(fields[name].line, f"{name} must be one of {', '.join(choices)}")
        return word

    def _name(self, fields: Fields, name: str, pattern: re.Pattern[str]) -> str:
        word = self._word(fields, name)
        if word and not pattern.fullmatch(word):
            self._fault(fields[name].line, f"{name} {word!r} has letters a name may not have")
        return word

    def _word(self, fields: Fields, name: str) -> str:
        """Printable text, or "" where it is absent or a fault was noted."""
        if name not in fields:
            return ""
        text = self._scalar(fields[name].node, name)
        if text is not None and (not text.strip() or not text.isprintable()):
            self._fault(fields[name].line, f"{name} must be printable text")
            return ""
        return text or ""

    # Nodes

    def _compose(self) -> yaml.Node | None:
        if len(self._text) > MAX_TEXT_BYTES:
            self._fault(1, "the catalog is larger than 4 MB")
            return None
        try:
            _check_aliases(self._text)
            node = yaml.compose(self._text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fault(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")
        except (yaml.YAMLError, RecursionError) as error:
            self._fault(1, f"not YAML: {type(error).__name__}")
        else:
            if node is None:
                self._fault(1, "the catalog is empty")
            return node
        return None

    def _fields(
        self,
        node: yaml.Node,
        what: str,
        known: set[str],
        required: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> Fields:
        if not isinstance(node, yaml.MappingNode):
            self._fault(_line(node), f"{what} must be a mapping")
            return {}
        fields: Fields = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if key not in known:
                wanted = ", ".join(sorted(known))
                self._fault(_line(key_node), f"unknown key {key!r} in {what}; known: {wanted}")
            elif key in fields:
                self._fault(_line(key_node), f"{key} is given twice in {what}")
            else:
                fields[key] = Entry(value_node, _line(key_node))
        for key in sorted(required - fields.keys()):
            self._fault(_line(node), f"{what} needs {key}")
        return fields

    def _mapping(self, fields: Fields, name: str, known: set[str]) -> Fields:
        return self._fields(fields[name].node, name, known) if name in fields else {}

    def _items(self, fields: Fields, name: str, *, at_least: int = 0) -> list[yaml.Node]:
        if name not in fields:
            return []
        node, line = fields[name]
        if not isinstance(node, yaml.SequenceNode):
            self._fault(line, f"{name} must be a list")
            return []
        if len(node.value) < at_least:
            self._fault(line, f"{name} needs at least one entry")
        return list(node.value)

    def _named(
        self,
        fields: Fields,
        section: str,
        read: Callable[[yaml.Node], T | None],
        name_of: Callable[[T], str],
    ) -> dict[str, T]:
        """The entries of a section by name; the same name twice is a fault."""
        found: dict[str, T] = {}
        for node in self._items(fields, section, at_least=0 if section == "plans" else 1):
            entry = read(node)
            if entry is None or not (name := name_of(entry)):
                continue
            if name in found:
                self._fault(_line(node), f"{name!r} stands twice among the {section}")
            found.setdefault(name, entry)
        return found

    def _scalar(self, node: yaml.Node, name: str) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self._fault(_line(node), f"{name} must be a single value")
            return None
        return str(node.value)

    def _fault(self, line: int, message: str) -> None:
        self._faults.append((line, message))

    def _error(self) -> ConfigError:
        return ConfigError([f"line {line}: {text}" for line, text in sorted(self._faults)])


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _check_aliases(text: str) -> None:
    """Refuse anchors: a few nested ones can unfold into gigabytes, and no catalog needs them."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
            mark = token.start_mark
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used here", problem_mark=mark
            )
