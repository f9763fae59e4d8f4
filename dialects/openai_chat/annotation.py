"""Citations as Chat shows them: ``url_citation`` only; other kinds have no shape here."""

from __future__ import annotations

from typing import Any

from dialects.events import Annotation


def render_annotation(event: Annotation) -> dict[str, Any] | None:
    """Chat's annotation for one of any dialect, or None where it cites no address."""
    data = event.data
    if event.dialect == "openai_chat":
        return data
    url = data.get("url")
    if not isinstance(url, str):
        return None
    citation = {
        "start_index": data.get("start_index", 0),
        "end_index": data.get("end_index", 0),
        "url": url,
        "title": data.get("title") or url,
    }
    return {"type": "url_citation", "url_citation": citation}
