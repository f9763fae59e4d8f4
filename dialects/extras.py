"""Fields only their own dialect has a word for, judged on the way to another (matrix §1.1).

What would change the answer is refused by name; what only the caller's own provider could use is
passed over; anything else is left out with a warning. Nothing is lost without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dialects.conversation import Conversation
from dialects.errors import refuse_feature


def _is_said(value: Any) -> bool:
    return value not in (None, False, "")


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _is_several(value: Any) -> bool:
    return bool(value != 1)


def _wants_audio(value: Any) -> bool:
    return isinstance(value, list) and "audio" in value


REFUSED: Final[dict[str, Callable[[Any], bool]]] = {
    "audio": _is_said,
    "background": _is_said,
    "compaction": _is_said,
    "container": _is_said,
    "conversation": _is_said,
    "fallback_credit": _is_said,
    "fallback_credit_token": _is_said,
    "inference_geo": _is_said,
    "logit_bias": bool,
    "logprobs": bool,
    "mcp_servers": bool,
    "modalities": _wants_audio,
    "n": _is_several,
    "previous_response_id": _is_said,
    "prompt": _is_said,
    "thread": _is_said,
    "top_logprobs": _is_positive,
    "web_search_options": _is_said,
}
"""Field → whether that value of it asks for what another dialect cannot give."""

SILENT: Final = frozenset(
    {
        *("betas", "client_metadata", "include", "metadata", "prompt_cache_options"),
        *("prompt_cache_retention", "seed", "store", "stream_options"),
    }
)
"""Fields whose absence nobody can see."""

NEUTRAL: Final[dict[str, Any]] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "speed": "standard",
    "truncation": "disabled",
}
"""Values that say "as usual"."""


def carry_extras(conversation: Conversation, target: str) -> dict[str, Any]:
    """The fields the target takes as they came; none from another dialect."""
    if conversation.source == target:
        return dict(conversation.extras)
    for name, value in conversation.extras.items():
        if value is None or name in SILENT or (name in NEUTRAL and NEUTRAL[name] == value):
            continue
        if name not in REFUSED:
            conversation.warn(name, "dropped")
        elif REFUSED[name](value):
            raise refuse_feature(f"'{name}' cannot be carried to this model.", name)
    return {}
