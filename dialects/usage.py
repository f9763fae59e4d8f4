"""What an exchange used, in neutral terms.

The dialects disagree: Anthropic's ``input_tokens`` excludes what the cache served and what was
written to it, OpenAI's ``prompt_tokens`` includes both. Here the parts are disjoint, so that
``total_input = input + cache_read + cache_write_5m + cache_write_1h`` always holds; each dialect
converts at its own border. ``output`` includes ``reasoning``.
"""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True):
    """Token counts, each >= 0. ``None`` means "not reported", which differs from 0."""

    input: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None
    estimated: bool = False

    @property
    def total_input(self) -> int:
        """The whole prompt, cached or not."""
        return (
            (self.input or 0)
            + (self.cache_read or 0)
            + (self.cache_write_5m or 0)
            + (self.cache_write_1h or 0)
        )

    @property
    def is_reported(self) -> bool:
        """Whether an upstream said anything at all."""
        return self.input is not None or self.output is not None

    def merge(self, later: Usage) -> Usage:
        """Take each field ``later`` reports; the others stay. Reports are cumulative."""
        write_5m, write_1h = later.cache_write_5m, later.cache_write_1h
        return Usage(
            self.input if later.input is None else later.input,
            self.cache_read if later.cache_read is None else later.cache_read,
            self.cache_write_5m if write_5m is None else write_5m,
            self.cache_write_1h if write_1h is None else write_1h,
            self.output if later.output is None else later.output,
            self.reasoning if later.reasoning is None else later.reasoning,
            later.estimated,
        )


def split_inclusive(
    *,
    total_input: int | None,
    cached: int | None,
    written: int | None,
    output: int | None,
    reasoning: int | None,
    total: int | None,
) -> Usage:
    """OpenAI's counts as disjoint parts: its input includes what the cache served and took.

    Servers err: some report more cached or reasoning tokens than tokens, which counts as all of
    them; some (xAI) count reasoning outside the output, which their total gives away.
    """
    if reasoning and total and total >= (total_input or 0) + (output or 0) + reasoning:
        output = (output or 0) + reasoning
    if reasoning is not None and output is not None:
        reasoning = min(reasoning, output)
    fresh = None
    if total_input is not None:
        cached = None if cached is None else min(cached, total_input)
        written = None if written is None else min(written, total_input - (cached or 0))
        fresh = total_input - (cached or 0) - (written or 0)
    return Usage(
        input=fresh, cache_read=cached, cache_write_5m=written, output=output, reasoning=reasoning
    )


def count_of(value: object) -> int | None:
    """A reported count as an int >= 0; anything else (absent, null, text, bool) as None."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return max(0, int(value))
