"""Fields only another dialect has: refused, noted or passed over, never lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dialects.conversation import Conversation
from dialects.errors import refuse_feature

_NAME: Final = "openai_responses"


def _always(value: Any) -> bool:
    return bool(value)


def _asks_for_audio(value: Any) -> bool:
    return isinstance(value, list) and "audio" in value


def _asks_for_several(value: Any) -> bool:
    return bool(value != 1)


# Leaving these out would change what the caller gets.
_REFUSED: Final[dict[str, Callable[[Any], bool]]] = {
    "audio": _always,
    "container": _always,
    "fallback_credit": _always,
    "logit_bias": _always,
    "logprobs": _always,
    "mcp_servers": _always,
    "modalities": _asks_for_audio,
    "n": _asks_for_several,
    "thread": _always,
    "top_logprobs": _always,
    "web_search_options": _always,
}
# Nothing is lost for the caller.
_SILENT: Final = frozenset(
    {
        *("client_metadata", "metadata", "prompt_cache_options", "prompt_cache_retention"),
        *("seed", "store", "stream_options"),
    }
)
_NEUTRAL: Final[dict[str, Any]] = {"frequency_penalty": 0, "presence_penalty": 0}


def carry_extras(conversation: Conversation, body: dict[str, Any]) -> None:
    """Add this dialect's own fields to ``body`` as they came; judge those of another one."""
    for name, value in conversation.extras.items():
        if conversation.source == _NAME:
            body.setdefault(name, value)
        elif name in _REFUSED:
            if _REFUSED[name](value):
                raise refuse_feature("This field cannot be carried to this model.", name)
        elif name not in _SILENT and (name not in _NEUTRAL or _NEUTRAL[name] != value):
            conversation.warn(name, "dropped")
