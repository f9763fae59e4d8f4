"""The response object: what every lifecycle event of a stream and every whole answer holds."""

from __future__ import annotations

from typing import Any, Final

from dialects.dialect import AnswerContext
from dialects.events import Annotation

# Echoed from the client's request; the value is what the API answers where it says nothing.
_ECHOES: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def render_response(
    context: AnswerContext,
    *,
    response_id: str,
    status: str,
    output: list[dict[str, Any]],
    incomplete_reason: str | None,
    usage: dict[str, Any] | None,
) -> dict[str, Any]:
    """The object, with ``store`` false whatever was asked: nothing is kept here."""
    request = context.request
    echoes = {
        name: default if request.get(name) is None else request[name]
        for name, default in _ECHOES.items()
    }
    return {
        "id": response_id,
        "object": "response",
        "created_at": context.now,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": incomplete_reason} if incomplete_reason else None,
        "model": context.model,
        "output": output,
        "previous_response_id": None,
        **echoes,
        "store": False,
        "usage": usage,
    }


def render_annotation(event: Annotation, end: int) -> dict[str, Any] | None:
    """A citation in this dialect's shape, or None where it has none.

    ``end`` is the length of its text: Anthropic cites a whole block, not a place in it.
    """
    data = event.data
    if event.dialect == "openai_responses":
        return data
    if event.dialect == "openai_chat" and isinstance(data.get("url_citation"), dict):
        return {"type": "url_citation", **data["url_citation"]}
    if event.dialect == "anthropic_messages" and isinstance(data.get("url"), str):
        return {
            "type": "url_citation",
            "url": data["url"],
            "title": data.get("title") or "",
            "start_index": 0,
            "end_index": end,
        }
    return None
