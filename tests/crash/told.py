"""What callers ask, and what they were told of it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from gatebeyz.inference.v1 import inference_pb2

MODEL: Final = "claude-x"
MAX_TOKENS: Final = 120


@dataclass(slots=True)
class Told:
    """A caller's memory of a request: ``usage`` where it saw it end well.

    ``ledger_id`` is its name in the ledger, "" where the caller was never told; ``asked_at`` is
    seconds since the epoch, and 0 where the caller chose the name itself.
    """

    account_id: str
    key_id: str
    ledger_id: str = ""
    asked_at: float = 0.0
    usage: inference_pb2.Usage | None = None


def body_of(rng: random.Random, name: str, *, is_stream: bool) -> dict[str, Any]:
    """A Messages request whose text tells the provider how to answer."""
    wish = {
        "id": name,
        "tokens": rng.randint(1, MAX_TOKENS),
        "pause_s": rng.choice((0.0005, 0.002, 0.02)),
    }
    return {
        "model": MODEL,
        "max_tokens": MAX_TOKENS,
        "stream": is_stream,
        "messages": [{"role": "user", "content": json.dumps(wish)}],
    }
