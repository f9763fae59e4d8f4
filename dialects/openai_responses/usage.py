"""Usage as Responses says it: input includes what the cache served, output includes reasoning."""

from __future__ import annotations

from typing import Any

from dialects.openai_responses.payload import object_of
from dialects.usage import Usage, count_of, split_inclusive


def parse_usage(report: dict[str, Any]) -> Usage:
    """A ``usage`` object in neutral terms, where the parts are disjoint."""
    taken = object_of(report.get("input_tokens_details"))
    given = object_of(report.get("output_tokens_details"))
    return split_inclusive(
        total_input=count_of(report.get("input_tokens")),
        cached=count_of(taken.get("cached_tokens")),
        written=count_of(taken.get("cache_write_tokens")),
        output=count_of(report.get("output_tokens")),
        reasoning=count_of(given.get("reasoning_tokens")),
        total=count_of(report.get("total_tokens")),
    )


def usage_of(body: dict[str, Any]) -> Usage:
    """The usage in an answer's body; nothing reported where it has none."""
    return parse_usage(object_of(body.get("usage")))


def render_usage(usage: Usage, input_estimate: int | None) -> dict[str, Any] | None:
    """The ``usage`` object: both detail objects are required by the SDK types."""
    if not usage.is_reported:
        return None
    total_input = usage.total_input if usage.input is not None else (input_estimate or 0)
    output = usage.output or 0
    return {
        "input_tokens": total_input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read or 0,
            "cache_write_tokens": (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0),
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": total_input + output,
    }
