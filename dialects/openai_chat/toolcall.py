"""A tool call on its way to the client: id, type and name once, arguments in pieces."""

from __future__ import annotations

from typing import Any

from dialects import json_text
from dialects.dialect import AnswerContext
from dialects.events import BlockKind, BlockOpen


def unwrap_input(arguments: str) -> str:
    """The free text of a custom tool that went upstream as ``{"input": text}``.

    What is not of that shape is given back as it is: better odd than gone.
    """
    try:
        wrapped = json_text.parse(arguments)
    except ValueError:
        return arguments
    text = wrapped.get("input") if isinstance(wrapped, dict) else None
    return text if isinstance(text, str) else arguments


class CallFrame:
    """Gives the ``delta`` objects of one call; ``index`` is dense over the calls of an answer."""

    __slots__ = (
        "_index",
        "_is_custom",
        "_is_empty",
        "_is_legacy",
        "_is_muted",
        "_wrapped",
        "id",
        "name",
    )

    def __init__(
        self, event: BlockOpen, index: int, context: AnswerContext, *, is_legacy: bool
    ) -> None:
        alias = context.tools.get(event.name or "")
        self.id = event.id or f"call_{context.new_id()}"
        self.name = alias.name if alias else event.name or ""
        self._index = index
        self._is_custom = event.kind is BlockKind.CUSTOM_TOOL or bool(alias and alias.is_custom)
        self._is_legacy = is_legacy
        self._is_muted = is_legacy and index > 0  # the old shape has room for one call
        self._is_empty = True
        # A wrapped custom call shows its text only when its JSON is whole.
        self._wrapped: list[str] | None = (
            [] if self._is_custom and event.kind is BlockKind.TOOL else None
        )

    def open(self) -> dict[str, Any] | None:
        """The first piece, the only one with id, type and name."""
        if self._is_muted:
            return None
        if self._is_legacy:
            return {"function_call": {"name": self.name, "arguments": ""}}
        kind, field = ("custom", "input") if self._is_custom else ("function", "arguments")
        call = {"index": self._index, "id": self.id, "type": kind}
        return {"tool_calls": [{**call, kind: {"name": self.name, field: ""}}]}

    def write(self, text: str) -> dict[str, Any] | None:
        """A piece of the arguments, or None where nothing is to be sent yet."""
        if not text or self._is_muted:
            return None
        self._is_empty = False
        if self._wrapped is not None:
            self._wrapped.append(text)
            return None
        return self._piece(text)

    def close(self) -> dict[str, Any] | None:
        """The last piece: clients parse the arguments, so a call without any gets ``{}``."""
        if self._is_muted:
            return None
        if self._wrapped is not None:
            text = unwrap_input("".join(self._wrapped)) if self._wrapped else ""
            return self._piece(text) if text else None
        return self._piece("{}") if self._is_empty and not self._is_custom else None

    def _piece(self, text: str) -> dict[str, Any]:
        if self._is_legacy:
            return {"function_call": {"arguments": text}}
        if self._is_custom:
            return {"tool_calls": [{"index": self._index, "custom": {"input": text}}]}
        return {"tool_calls": [{"index": self._index, "function": {"arguments": text}}]}
