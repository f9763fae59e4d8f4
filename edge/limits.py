"""Rate-limit headers in the client's dialect, from what stands in memory of its lease.

They tell the account's own plan, never an upstream's: Anthropic's clients get an RFC 3339 moment,
OpenAI's a duration. A kind without a limit has no header. ``remaining`` is what this process knows:
its own shares, and what auth last said is left for all. ``reset`` is when all of it is back.
"""

from __future__ import annotations

import functools
import time
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


Names = tuple[bytes, bytes, bytes]
"""The headers of one kind: its limit, what remains of it, when all of it is back."""


def _names(pattern: str, kind: str) -> Names:
    limit, remaining, reset = (
        pattern.format(part=part, kind=kind).encode() for part in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


_ANTHROPIC: Final = "anthropic-ratelimit-{kind}-{part}"
_ANTHROPIC_REQUESTS: Final = _names(_ANTHROPIC, "requests")
_ANTHROPIC_TOKENS: Final = _names(_ANTHROPIC, "tokens")
_ANTHROPIC_KINDS: Final = (
    (INPUT, _names(_ANTHROPIC, "input-tokens")),
    (OUTPUT, _names(_ANTHROPIC, "output-tokens")),
)
_OPENAI: Final = "x-ratelimit-{part}-{kind}"
_OPENAI_REQUESTS: Final = _names(_OPENAI, "requests")
_OPENAI_TOKENS: Final = _names(_OPENAI, "tokens")


def _anthropic(allowance: Allowance, reset_s: float) -> Headers:
    moment = _moment(int(time.time() + reset_s))
    found: Headers = []
    if limit := allowance.limits[REQUESTS]:
        found += _triple(_ANTHROPIC_REQUESTS, limit, allowance.available(REQUESTS), moment)
    scarcest: tuple[float, int, int] | None = None
    for kind, names in _ANTHROPIC_KINDS:
        if limit := allowance.limits[kind]:
            left = _rounded(allowance.available(kind))
            found += _triple(names, limit, left, moment)
            if scarcest is None or (left / limit, limit, left) < scarcest:
                scarcest = left / limit, limit, left
    if scarcest is not None:
        found += _triple(_ANTHROPIC_TOKENS, scarcest[1], scarcest[2], moment)
    return found


def _triple(names: Names, limit: int, left: int, reset: bytes) -> Headers:
    return [(names[0], b"%d" % limit), (names[1], b"%d" % left), (names[2], reset)]


@functools.lru_cache(maxsize=256)
def _moment(second: int) -> bytes:
    """A second of the epoch in RFC 3339; many answers tell of the same one."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)).encode()


def _openai(allowance: Allowance, reset_s: float) -> Headers:
    found: Headers = []
    duration = _duration(reset_s)
    if limit := allowance.limits[REQUESTS]:
        found += _triple(_OPENAI_REQUESTS, limit, allowance.available(REQUESTS), duration)
    limited = [kind for kind in (INPUT, OUTPUT) if allowance.limits[kind]]
    if limited:
        limit = sum(allowance.limits[kind] for kind in limited)
        left = sum(allowance.available(kind) for kind in limited)
        found += _triple(_OPENAI_TOKENS, limit, left, duration)
    return found


def _rounded(tokens: int) -> int:
    return tokens if tokens < ROUNDED_TO else round(tokens, -3)


def _duration(seconds: float) -> bytes:
    """As Go prints it: "0s", "59s", "1m2s"."""
    minutes, rest = divmod(round(seconds), 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest
