"""Sealed reasoning in a body that stays with Chat: opened where Chat gave it, else gone."""

from __future__ import annotations

from typing import Any

from dialects.conversation import Reasoning
from dialects.envelope import OpenSeal, is_envelope, open_reasoning
from dialects.openai_chat.content import NAME
from dialects.openai_chat.history import parse_details
from dialects.openai_chat.wire import as_text


def unseal_history(body: dict[str, Any], open_seal: OpenSeal) -> dict[str, Any]:
    """A copy of ``body`` without an envelope in its history; everything else as it was."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    return {**body, "messages": [_unseal_message(message, open_seal) for message in messages]}


def _unseal_message(message: Any, open_seal: OpenSeal) -> Any:
    details = message.get("reasoning_details") if isinstance(message, dict) else None
    if not isinstance(details, list) or not any(map(_sealed, details)):
        return message
    kept = [entry for detail in details for entry in _unseal_detail(detail, open_seal)]
    rest = {key: value for key, value in message.items() if key != "reasoning_details"}
    return {**rest, "reasoning_details": kept} if kept else rest


def _unseal_detail(detail: Any, open_seal: OpenSeal) -> list[Any]:
    sealed = _sealed(detail)
    if sealed is None:
        return [detail]
    opened = open_reasoning(Reasoning("", data=sealed), open_seal)
    return list(parse_details(opened.data)) if opened and opened.carrier == NAME else []


def _sealed(detail: Any) -> str | None:
    """The envelope a detail carries, if it carries one."""
    value = as_text(detail.get("data")) if isinstance(detail, dict) else ""
    return value if is_envelope(value) else None
