"""Sealed reasoning in a body that stays with Anthropic: opened where it is Anthropic's, else gone.

A conversation may have begun with another provider's model; its sealed thoughts come back here as
signatures Anthropic would refuse. Calls and their results are left as they stand.
"""

from __future__ import annotations

from typing import Any

from dialects.anthropic_messages.block import encode_reasoning
from dialects.conversation import Reasoning
from dialects.envelope import OpenSeal, is_envelope, open_reasoning


def unseal_history(body: dict[str, Any], open_seal: OpenSeal) -> dict[str, Any]:
    """A copy of ``body`` without an envelope in its history; everything else as it was."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    kept = [_unseal_message(message, open_seal) for message in messages]
    return {**body, "messages": [message for message in kept if message is not None]}


def _unseal_message(message: Any, open_seal: OpenSeal) -> Any | None:
    """The message; None for one that held nothing else."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(map(_sealed, content)):
        return message
    blocks = [_unseal_block(block, open_seal) for block in content]
    left = [block for block in blocks if block is not None]
    return {**message, "content": left} if left else None


def _unseal_block(block: Any, open_seal: OpenSeal) -> Any | None:
    sealed = _sealed(block)
    if sealed is None:
        return block
    opened = open_reasoning(Reasoning("", data=sealed), open_seal)
    return encode_reasoning(opened) if opened else None


def _sealed(block: Any) -> str | None:
    """The envelope a thinking block carries, if it carries one."""
    if not isinstance(block, dict):
        return None
    field = {"thinking": "signature", "redacted_thinking": "data"}.get(str(block.get("type")))
    value = block.get(field) if field else None
    return value if isinstance(value, str) and is_envelope(value) else None
