"""Rate-limit headers in the client's dialect, from what stands in memory of its lease.

They tell the account's own plan, never an upstream's: Anthropic's clients get an RFC 3339 moment,
OpenAI's a duration. A kind without a limit has no header. ``remaining`` is what this process knows:
its own shares, and what auth last said is left for all. ``reset`` is when all of it is back.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from admission.allowance import INPUT, OUTPUT, RATES, REQUESTS, Allowance

# What was spent counts for a minute, and until its slot of two seconds is over.
WINDOW_S: Final = 62.0
# Anthropic's own headers round tokens to thousands.
ROUNDED_TO: Final = 1_000

Headers = list[tuple[bytes, bytes]]


def limit_headers(dialect: str, allowance: Allowance) -> Headers:
    """The headers of a dialect ("anthropic_messages", or one of OpenAI's)."""
    if not any(allowance.limits[kind] for kind in RATES):
        return []
    reset_s = max(0.0, allowance.spent_at + WINDOW_S - time.monotonic())
    if dialect == "anthropic_messages":
        return _anthropic(allowance, reset_s)
    return _openai(allowance, reset_s)


_TOKEN_NAMES: Final = ((INPUT, "input-tokens"), (OUTPUT, "output-tokens"))


def _anthropic(allowance: Allowance, reset_s: float) -> Headers:
    moment = datetime.fromtimestamp(time.time() + reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: Headers = []
    if limit := allowance.limits[REQUESTS]:
        found += _triple(
            "anthropic-ratelimit-requests", limit, allowance.available(REQUESTS), moment
        )
    tokens = []
    for kind, name in _TOKEN_NAMES:
        if limit := allowance.limits[kind]:
            left = _rounded(allowance.available(kind))
            tokens.append((left / limit, limit, left))
            found += _triple(f"anthropic-ratelimit-{name}", limit, left, moment)
    if tokens:
        _, limit, left = min(tokens)
        found += _triple("anthropic-ratelimit-tokens", limit, left, moment)
    return found


def _triple(prefix: str, limit: int, left: int, moment: str) -> Headers:
    values = (("limit", str(limit)), ("remaining", str(left)), ("reset", moment))
    return [(f"{prefix}-{name}".encode(), value.encode()) for name, value in values]


def _openai(allowance: Allowance, reset_s: float) -> Headers:
    found: Headers = []
    duration = _duration(reset_s)
    if limit := allowance.limits[REQUESTS]:
        found += _openai_triple("requests", limit, allowance.available(REQUESTS), duration)
    limited = [kind for kind, _ in _TOKEN_NAMES if allowance.limits[kind]]
    if limited:
        limit = sum(allowance.limits[kind] for kind in limited)
        left = sum(allowance.available(kind) for kind in limited)
        found += _openai_triple("tokens", limit, left, duration)
    return found


def _openai_triple(name: str, limit: int, left: int, duration: str) -> Headers:
    values = (("limit", str(limit)), ("remaining", str(left)), ("reset", duration))
    return [(f"x-ratelimit-{part}-{name}".encode(), value.encode()) for part, value in values]


def _rounded(tokens: int) -> int:
    return tokens if tokens < ROUNDED_TO else round(tokens, -3)


def _duration(seconds: float) -> str:
    """As Go prints it: "0s", "59s", "1m2s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
