"""Tool names and call ids a provider accepts, as pure functions of what the client sent.

No state is needed: the same name or id always becomes the same one, on the tool, in the choice
and all through the history, so a translated history stays a prefix of the next one
(translation-matrix §1.6). The way back needs the table :class:`NameTable` leaves behind.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable
from typing import Final

from dialects.conversation import Tool, ToolCall, ToolKind, Turn
from dialects.dialect import ToolAlias

NAME_LIMIT: Final = 64  # Bedrock and Chat Completions; Anthropic and Responses would take 128
ID_LIMIT: Final = 64

_BAD: Final = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_HASH: Final = 8
_ID_HASH: Final = 24


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def is_plain(text: str, limit: int) -> bool:
    """Whether every provider takes ``text`` as it is."""
    return 0 < len(text) <= limit and not _BAD.search(text)


def hashed_name(name: str, limit: int = NAME_LIMIT) -> str:
    """A legal name that still reads like ``name`` and differs wherever ``name`` differs."""
    kept = _BAD.sub("_", name)[: limit - _NAME_HASH - 1]
    return f"{kept}_{_digest(name, _NAME_HASH)}"


def safe_name(name: str, limit: int = NAME_LIMIT) -> str:
    """``name`` itself where it is legal, else its hashed form."""
    return name if is_plain(name, limit) else hashed_name(name, limit)


def safe_id(call_id: str, limit: int = ID_LIMIT) -> str:
    """``call_id`` itself where it is legal, else ``gbt_`` and a hash."""
    return call_id if is_plain(call_id, limit) else f"gbt_{_digest(call_id, _ID_HASH)}"


def flat_name(name: str, namespace: str | None) -> str:
    """A namespaced tool's name in a dialect without namespaces."""
    return f"{namespace}__{name}" if namespace else name


class NameTable:
    """The upstream's name for each of a request's tools, and the way back.

    Plain names keep themselves whatever the order; a changed name that would meet one of them,
    or another changed one, is hashed. ``wraps_custom``: free-form tools travel as functions.
    """

    __slots__ = ("_limit", "_names", "_taken", "_wraps_custom", "aliases")

    def __init__(
        self,
        tools: Iterable[Tool],
        turns: Iterable[Turn] = (),
        *,
        limit: int = NAME_LIMIT,
        wraps_custom: bool = False,
    ) -> None:
        self._limit = limit
        self._wraps_custom = wraps_custom
        self._names: dict[tuple[str, str | None], str] = {}
        self._taken: set[str] = set()
        self.aliases: dict[str, ToolAlias] = {}
        declared = [
            (tool.name, tool.namespace, tool.kind is ToolKind.CUSTOM)
            for tool in tools
            if tool.kind is not ToolKind.HOSTED
        ]
        called = [
            (part.name, part.namespace, part.is_custom)
            for turn in turns
            for part in turn.parts
            if isinstance(part, ToolCall)
        ]
        # Names of the history in its order: a longer one must not change what a call is named.
        for name, namespace, is_custom in [*sorted(declared, key=self._is_changed), *called]:
            self._add(name, namespace, is_custom)

    def upstream_name(self, name: str, namespace: str | None = None) -> str:
        """What the upstream calls the tool; a name never seen gets its safe form."""
        found = self._names.get((name, namespace))
        return found or safe_name(flat_name(name, namespace), self._limit)

    def _is_changed(self, entry: tuple[str, str | None, bool]) -> bool:
        name, namespace, _ = entry
        return namespace is not None or not is_plain(name, self._limit)

    def _add(self, name: str, namespace: str | None, is_custom: bool) -> None:
        if (name, namespace) in self._names:
            return
        chosen = safe_name(flat_name(name, namespace), self._limit)
        if chosen in self._taken:
            chosen = hashed_name(f"{namespace or ''}.{name}", self._limit)
        self._names[name, namespace] = chosen
        self._taken.add(chosen)
        is_wrapped = is_custom and self._wraps_custom
        if chosen != name or namespace is not None or is_wrapped:
            self.aliases[chosen] = ToolAlias(name, namespace, is_wrapped)


class CallIds:
    """Ids of the calls of one history: legal, unique, and each result with its call.

    Some servers restart at ``call_0`` each turn; a repeated id gets ``_2``, ``_3`` in order of
    occurrence, and its results go to the calls that wait for one, oldest first.
    """

    __slots__ = ("_by_original", "_seen", "_used", "_waiting")

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._used: set[str] = set()
        self._by_original: dict[str, deque[str]] = {}
        self._waiting: dict[str, None] = {}

    def add_call(self, call_id: str) -> str:
        """The id to send for a call."""
        chosen = plain = safe_id(call_id)
        count = self._seen.get(plain, 1)
        while chosen in self._used:
            count += 1
            suffix = f"_{count}"
            chosen = plain[: ID_LIMIT - len(suffix)] + suffix
        self._seen[plain] = count
        self._used.add(chosen)
        self._by_original.setdefault(call_id, deque()).append(chosen)
        self._waiting[chosen] = None
        return chosen

    def add_result(self, call_id: str) -> str | None:
        """The id to send for a result; None where no call waits for it."""
        queue = self._by_original.get(call_id)
        if not queue:
            return None
        chosen = queue.popleft()
        del self._waiting[chosen]
        return chosen

    def close_turn(self) -> list[str]:
        """The calls nobody answered, in order; they wait no longer."""
        unanswered = list(self._waiting)
        self._waiting.clear()
        self._by_original.clear()
        return unanswered
