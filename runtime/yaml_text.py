"""YAML read node by node, so that every fault names its line and one run shows them all.

``yaml.compose`` gives nodes and constructs no objects. A reader that meets a fault notes it and
goes on with a stand-in; :meth:`Text.check` raises them together at the end. Anchors and aliases
are refused: a few nested ones unfold into gigabytes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import yaml

from runtime.config import ConfigError

T = TypeVar("T")

MAX_CHARS: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 32

_INT: Final = re.compile(r"[0-9][0-9_]{0,15}")
_OPENING: Final = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING: Final = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_TAG: Final = "tag:yaml.org,2002:"


class Text:
    """One text and the faults found in it so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._faults: list[tuple[int, str]] = []

    def fault(self, line: int, message: str) -> None:
        """Note a fault; lines count from 1."""
        self._faults.append((line, message))

    def check(self) -> None:
        """Raises ConfigError with every fault, in the order of lines, if there are any."""
        if self._faults:
            raise ConfigError([f"line {line}: {text}" for line, text in sorted(self._faults)])

    def root(self, what: str, known: set[str], required: set[str]) -> Block:
        """The text's top-level mapping; ConfigError where it is not YAML at all."""
        node = self._compose()
        self.check()
        assert node is not None
        return Block(self, node, what, known, required)

    def _compose(self) -> yaml.Node | None:
        if len(self._text) > MAX_CHARS:
            self.fault(1, "the text is larger than 4 MB")
            return None
        try:
            if not self._check_tokens():
                return None
            node = yaml.compose(self._text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            self.fault(line, f"not YAML: {error.problem or error.context}")
            return None
        except yaml.reader.ReaderError as error:
            self.fault(self._text.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}")
            return None
        if node is None:
            self.fault(1, "the text is empty")
        return node

    def _check_tokens(self) -> bool:
        """Whether the text is free of what makes YAML costly."""
        depth = 0
        for token in yaml.scan(self._text, Loader=yaml.SafeLoader):
            line = token.start_mark.line + 1
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if depth > MAX_DEPTH:
                self.fault(line, "nested too deeply")
                return False
            if isinstance(token, (yaml.AnchorToken, yaml.AliasToken)):
                self.fault(line, "anchors and aliases are not used here")
                return False
        return True


class Block:
    """One mapping of the text: readers by key, each with a stand-in for what is absent or wrong."""

    def __init__(
        self,
        text: Text,
        node: yaml.Node,
        what: str,
        known: set[str],
        required: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        self._text = text
        self._nodes: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        self.line = _line(node)
        if not isinstance(node, yaml.MappingNode):
            text.fault(self.line, f"{what} must be a mapping")
            return
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "(a collection)"
            if key not in known:
                words = ", ".join(sorted(known))
                text.fault(_line(key_node), f"unknown key {key!r} in {what}; known are {words}")
            elif key in self._nodes:
                text.fault(_line(key_node), f"{key} is given twice in {what}")
            else:
                self._nodes[key] = value
                self._lines[key] = _line(key_node)
        for key in sorted(required - self._nodes.keys()):
            text.fault(self.line, f"{what} needs {key}")

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def __iter__(self) -> Any:
        return iter(self._nodes)

    def fault(self, key: str, message: str) -> None:
        """Note a fault at the line of a key, or of the mapping where the key is absent."""
        self._text.fault(self._lines.get(key, self.line), message)

    def word(self, key: str) -> str:
        """One line of printable text; "" where there is none."""
        if key not in self._nodes:
            return ""
        found = self._scalar(self._nodes[key], key)
        if found is not None and (not found.strip() or not found.isprintable()):
            self.fault(key, f"{key} must be printable text")
            return ""
        return found or ""

    def name(self, key: str, pattern: re.Pattern[str]) -> str:
        """A word of the letters ``pattern`` allows."""
        word = self.word(key)
        if word and not pattern.fullmatch(word):
            self.fault(key, f"{key} {word!r} has letters or a length it may not have")
            return ""
        return word

    def choice(self, key: str, choices: tuple[str, ...], default: str = "") -> str:
        """One of ``choices``."""
        word = self.word(key)
        if word and word not in choices:
            self.fault(key, f"{key} must be one of {', '.join(choices)}")
            return default
        return word or default

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        node = self._nodes.get(key)
        if node is None:
            return default
        if node.tag != _TAG + "bool":
            self.fault(key, f"{key} must be true or false")
            return default
        return str(node.value).lower() in ("true", "yes", "on")

    def count(self, key: str, default: int = 0, *, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        node = self._nodes.get(key)
        found = None if node is None else self._scalar(node, key)
        if found is None:
            return default
        if not _INT.fullmatch(found) or int(found) < least:
            self.fault(key, f"{key} must be a whole number of at least {least}")
            return default
        return int(found)

    def counts(self, key: str, cls: Callable[..., T]) -> T:
        """A dataclass of whole numbers."""
        block = self.block(key, {field.name for field in dataclasses.fields(cls)})  # type: ignore[arg-type]
        return cls(**{name: block.count(name) for name in block})

    def words(self, key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """A list of words."""
        found: list[str] = []
        for node in self._items(key):
            word = self._scalar(node, f"an entry of {key}")
            if word is not None and not pattern.fullmatch(word):
                self._text.fault(_line(node), f"{word!r} is not a valid entry of {key}")
            elif word is not None:
                found.append(word)
        return tuple(found)

    def block(self, key: str, known: set[str]) -> Block:
        """The mapping under a key; an empty one where there is none."""
        node = self._nodes.get(key)
        if node is None:
            node = yaml.MappingNode(_TAG + "map", [], _NOWHERE, _NOWHERE)
        return Block(self._text, node, key, known)

    def blocks(
        self, key: str, what: str, known: set[str], required: set[str], *, least: int = 0
    ) -> list[Block]:
        """The list of mappings under a key."""
        nodes = self._items(key)
        if key in self._nodes and len(nodes) < least:
            self.fault(key, f"{key} needs at least one entry")
        return [Block(self._text, node, what, known, required) for node in nodes]

    def _items(self, key: str) -> list[yaml.Node]:
        node = self._nodes.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fault(key, f"{key} must be a list")
            return []
        return list(node.value)

    def _scalar(self, node: yaml.Node, what: str) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag == _TAG + "null":
            self._text.fault(_line(node), f"{what} must be a single value")
            return None
        return str(node.value)


_NOWHERE: Final = yaml.Mark("", 0, 0, 0, None, 0)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
