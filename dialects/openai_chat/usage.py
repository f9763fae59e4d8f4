"""Chat usage: ``prompt_tokens`` includes what the cache served and took; ours are disjoint."""

from __future__ import annotations

from typing import Any

from dialects.openai_chat.wire import as_dict
from dialects.usage import Usage, count_of, split_inclusive


def find_usage(body: dict[str, Any]) -> dict[str, Any]:
    """The usage object of a body or chunk, wherever this upstream puts it; {} if it has none."""
    choices = body.get("choices")
    first = as_dict(choices[0]) if isinstance(choices, list) and choices else {}
    for holder in (body, as_dict(body.get("x_groq")), first):
        if usage := as_dict(holder.get("usage")):
            return usage
    return {}


def usage_of(body: dict[str, Any]) -> Usage:
    """What a whole answer or a chunk reports; Usage() where it reports nothing."""
    return parse_usage(find_usage(body))


def parse_usage(usage: dict[str, Any]) -> Usage:
    """One usage object, with the variants of DeepSeek and Moonshot (cached tokens)."""
    taken = as_dict(usage.get("prompt_tokens_details"))
    given = as_dict(usage.get("completion_tokens_details"))
    return split_inclusive(
        total_input=count_of(usage.get("prompt_tokens")),
        cached=_first_count(
            taken.get("cached_tokens"),
            usage.get("prompt_cache_hit_tokens"),
            usage.get("cached_tokens"),
        ),
        written=count_of(taken.get("cache_write_tokens")),
        output=count_of(usage.get("completion_tokens")),
        reasoning=_first_count(given.get("reasoning_tokens"), usage.get("reasoning_tokens")),
        total=count_of(usage.get("total_tokens")),
    )


def _first_count(*values: object) -> int | None:
    return next((count for value in values if (count := count_of(value)) is not None), None)


def render_usage(usage: Usage) -> dict[str, Any]:
    """The usage object of Chat; what was not reported counts as 0."""
    prompt, output = usage.total_input, usage.output or 0
    written = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    taken = {"cached_tokens": usage.cache_read or 0}
    if written:
        taken["cache_write_tokens"] = written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": taken,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }
