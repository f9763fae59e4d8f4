"""Sealed reasoning in a body that stays with Responses: opened where it is OpenAI's, else gone."""

from __future__ import annotations

from typing import Any

from dialects.conversation import Reasoning
from dialects.envelope import OpenSeal, is_envelope, open_reasoning
from dialects.openai_responses.payload import text_of
from dialects.openai_responses.upstream_items import encrypted_item


def unseal_history(body: dict[str, Any], open_seal: OpenSeal) -> dict[str, Any]:
    """A copy of ``body`` without an envelope in its history; everything else as it was."""
    items = body.get("input")
    if not isinstance(items, list):
        return body
    kept = [_unseal_item(item, open_seal) for item in items]
    return {**body, "input": [item for item in kept if item is not None]}


def _unseal_item(item: Any, open_seal: OpenSeal) -> Any | None:
    sealed = text_of(item.get("encrypted_content")) if isinstance(item, dict) else ""
    if not is_envelope(sealed):
        return item
    opened = open_reasoning(Reasoning("", data=sealed), open_seal)
    return encrypted_item(opened) if opened and opened.carrier == "openai" else None
