"""Citations as Chat shows them: ``url_citation`` only; other kinds have no shape here.

Chat's places count characters of the whole content, other dialects' those of one block of it, and
Anthropic cites a block without a place: it can be told only when the block has ended.
"""

from __future__ import annotations

from typing import Any

from dialects.events import Annotation
from dialects.usage import count_of


class Citations:
    """The citations of one block of text; ``start`` is its place in the content."""

    __slots__ = ("_start", "_waiting")

    def __init__(self, start: int) -> None:
        self._start = start
        self._waiting: list[Annotation] = []

    def add(self, event: Annotation) -> dict[str, Any] | None:
        """Chat's annotation for one, or None where it must wait or has no shape here."""
        if event.dialect == "anthropic_messages":
            self._waiting.append(event)
            return None
        if event.dialect == "openai_chat":
            return event.data
        begin = count_of(event.data.get("start_index")) or 0
        end = count_of(event.data.get("end_index")) or 0
        return _render(event, self._start + begin, self._start + end)

    def close(self, end: int) -> list[dict[str, Any]]:
        """Those that waited, now that the block ends at ``end`` of the content."""
        shown = (_render(event, self._start, end) for event in self._waiting)
        return [annotation for annotation in shown if annotation is not None]


def _render(event: Annotation, start: int, end: int) -> dict[str, Any] | None:
    url, title = event.data.get("url"), event.data.get("title")
    if not isinstance(url, str):
        return None
    citation = {"start_index": start, "end_index": end, "url": url, "title": title or url}
    return {"type": "url_citation", "url_citation": citation}
