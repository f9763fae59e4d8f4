"""What upstreams say in words: phrases that tell more of an error than its status and code do."""

from __future__ import annotations

import math
import re
from typing import Final

MAX_RETRY_AFTER_S: Final = 60

_OVERFLOW: Final = re.compile(
    r"prompt is too long|prompt_too_long|maximum context length|context[ _]length[ _]exceeded"
    r"|context window|exceeds? (?:the )?(?:available )?context|too many (?:input )?tokens",
    re.IGNORECASE,
)
_KEY: Final = re.compile(r"\b(?:incorrect|invalid) api key|\bapi key (?:not|is) ", re.IGNORECASE)
_WAIT: Final = re.compile(
    r"(?:try again|retry) (?:in|after) (\d{1,6}(?:\.\d{1,6})?)\s*(ms|s|m)?", re.IGNORECASE
)
_SCALE: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}


def tells_overflow(message: str) -> bool:
    """Whether the prompt did not fit the model."""
    return _OVERFLOW.search(message) is not None


def tells_bad_key(message: str) -> bool:
    """Whether the upstream did not know the key it was sent: ours, never the caller's."""
    return _KEY.search(message) is not None


def told_wait_s(message: str) -> int | None:
    """The seconds after which to try again, where the message names at most a minute."""
    match = _WAIT.search(message)
    if match is None:
        return None
    wait_s = float(match.group(1)) * _SCALE[(match.group(2) or "s").lower()]
    return max(1, math.ceil(wait_s)) if wait_s <= MAX_RETRY_AFTER_S else None
