"""Fields of other dialects that Messages has no word for (translation-matrix §1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dialects.anthropic_messages.block import NAME
from dialects.conversation import Conversation
from dialects.errors import refuse_feature


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _is_many(value: Any) -> bool:
    return isinstance(value, int) and value > 1


def _wants_audio(value: Any) -> bool:
    return isinstance(value, list) and "audio" in value


# What changes the answer when it is left out is refused by name ...
_REFUSED: Final[dict[str, Callable[[Any], bool]]] = {
    "n": _is_many,
    "logprobs": bool,
    "top_logprobs": _is_positive,
    "logit_bias": bool,
    "audio": bool,
    "modalities": _wants_audio,
    "web_search_options": bool,
    "background": bool,
    "conversation": bool,
    "previous_response_id": bool,
    "prompt": bool,
}

# ... and what only the source's own provider could use goes without a word.
_SILENT: Final = frozenset(
    {
        "n", "logprobs", "top_logprobs", "logit_bias", "audio", "modalities", "web_search_options",
        "background", "conversation", "previous_response_id", "prompt", "metadata", "store",
        "include", "stream_options", "safety_identifier", "user", "prompt_cache_key",
        "prompt_cache_retention", "prompt_cache_options", "client_metadata", "seed",
    }
)  # fmt: skip

_NEUTRAL: Final[dict[str, Any]] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "truncation": "disabled",
}


def carry_extras(conversation: Conversation) -> dict[str, Any]:
    """Anthropic's own fields as they came; the others refused, noted or passed over."""
    if conversation.source == NAME:
        return dict(conversation.extras)
    for name, value in conversation.extras.items():
        if value is None or _NEUTRAL.get(name, conversation) == value:
            continue
        if name in _REFUSED and _REFUSED[name](value):
            raise refuse_feature("cannot be carried to this model", name)
        if name not in _SILENT:
            conversation.warn(name, "dropped")
    return {}
