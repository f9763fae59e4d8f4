"""CPU time of small pieces of work, beside a baseline measured in the same breath."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import orjson

ROUNDS = 9


def cpu_us(work: Callable[[], None], count: int, rounds: int = ROUNDS) -> float:
    """The least CPU time of ``work`` over some rounds, in microseconds for each of ``count``."""
    best = float("inf")
    was_on = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            began = time.process_time()
            work()
            best = min(best, time.process_time() - began)
    finally:
        if was_on:
            gc.enable()
    return best / count * 1e6


def json_us(frame: bytes, count: int) -> float:
    """The baseline: the same bytes decoded and encoded once."""

    def work() -> None:
        for _ in range(count):
            orjson.dumps(orjson.loads(frame))

    return cpu_us(work, count)
