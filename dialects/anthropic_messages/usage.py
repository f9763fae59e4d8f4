"""Anthropic's ``usage`` object (protocols/anthropic-messages §9): its parts are disjoint."""

from __future__ import annotations

from typing import Any, Final

from dialects.usage import Usage, count_of

# Steps whose tokens the top-level sums leave out; they are paid for all the same.
_BESIDE_THE_SUM: Final = frozenset({"compaction", "advisor_message"})


def parse_usage(body: object, so_far: Usage | None = None) -> Usage:
    """One report. ``so_far`` gives the split of cache writes where only their sum is told."""
    if not isinstance(body, dict):
        return Usage()
    write_5m, write_1h = _split_writes(body, so_far or Usage())
    details = body.get("output_tokens_details")
    usage = Usage(
        input=count_of(body.get("input_tokens")),
        cache_read=count_of(body.get("cache_read_input_tokens")),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output=count_of(body.get("output_tokens")),
        reasoning=count_of(details.get("thinking_tokens")) if isinstance(details, dict) else None,
    )
    steps = body.get("iterations")
    return _add_steps(usage, steps) if isinstance(steps, list) else usage


def _split_writes(body: dict[str, Any], so_far: Usage) -> tuple[int | None, int | None]:
    total = count_of(body.get("cache_creation_input_tokens"))
    split = body.get("cache_creation")
    if isinstance(split, dict):
        write_5m = count_of(split.get("ephemeral_5m_input_tokens")) or 0
        write_1h = count_of(split.get("ephemeral_1h_input_tokens")) or 0
        return max(write_5m, (total or 0) - write_1h), write_1h
    if total is None:
        return None, None
    write_1h = min(so_far.cache_write_1h or 0, total)
    return total - write_1h, write_1h


def _add_steps(usage: Usage, steps: list[Any]) -> Usage:
    beside = [
        parse_usage({name: value for name, value in step.items() if name != "iterations"})
        for step in steps
        if isinstance(step, dict) and step.get("type") in _BESIDE_THE_SUM
    ]
    for step in beside:
        usage = Usage(
            input=(usage.input or 0) + (step.input or 0),
            cache_read=(usage.cache_read or 0) + (step.cache_read or 0),
            cache_write_5m=(usage.cache_write_5m or 0) + (step.cache_write_5m or 0),
            cache_write_1h=(usage.cache_write_1h or 0) + (step.cache_write_1h or 0),
            output=(usage.output or 0) + (step.output or 0),
            reasoning=usage.reasoning,
        )
    return usage


def render_usage(usage: Usage) -> dict[str, Any]:
    """All fields a client adds up; cache fields are numbers, never null."""
    write_5m, write_1h = usage.cache_write_5m or 0, usage.cache_write_1h or 0
    body: dict[str, Any] = {
        "input_tokens": usage.input or 0,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_read_input_tokens": usage.cache_read or 0,
        "output_tokens": usage.output or 0,
    }
    if write_1h:
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": write_5m,
            "ephemeral_1h_input_tokens": write_1h,
        }
    if usage.reasoning is not None:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return body
