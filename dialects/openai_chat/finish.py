"""The words for why a model stopped (translation-matrix §3.1), in both directions."""

from __future__ import annotations

from typing import Final

from dialects.events import FinishReason

# Compatible servers pass on their model's own words; what is not here counts as a plain stop.
_READ: Final = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "blocklist": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.REFUSAL,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
}

_WRITTEN: Final = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.PAUSE: "length",  # it is not whole, and Chat has no word to go on by
    FinishReason.REFUSAL: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTEXT_WINDOW: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
}

# What stops a model before its calls are whole; any other reason gives way to calls.
_CUTS: Final = {FinishReason.LENGTH, FinishReason.CONTENT_FILTER}


def read_finish(
    word: str | None, *, has_calls: bool, has_refusal: bool, stop_text: str | None
) -> FinishReason:
    """The reason, judged by what was streamed: many servers say "stop" after tool calls."""
    reason = _READ.get((word or "").lower(), FinishReason.STOP)
    if reason in _CUTS:
        return reason
    if has_calls:
        return FinishReason.TOOL_CALLS
    if has_refusal:
        return FinishReason.REFUSAL
    if reason is FinishReason.TOOL_CALLS:
        return FinishReason.STOP
    if reason is FinishReason.STOP and stop_text is not None:
        return FinishReason.STOP_SEQUENCE
    return reason


def write_finish(reason: FinishReason, *, is_legacy: bool = False) -> str:
    """Chat's word; ``is_legacy`` for clients that declared ``functions``."""
    if is_legacy and reason is FinishReason.TOOL_CALLS:
        return "function_call"
    return _WRITTEN[reason]
