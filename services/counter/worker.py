"""A counting process: jobs on stdin, reports on stdout, until stdin ends.

``python -m services.counter.worker [CALIBRATION]``: a file, or the one shipped.

The engine holds the interpreter's lock while it counts, and may crash; in a process of its own it
can do neither to the service.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import Final

from runtime.heap import keep_freed_memory
from services.counter import reconstruction
from services.counter.body import BodyFault
from services.counter.family import load_calibration
from services.counter.job import (
    Advanced,
    Counted,
    Failed,
    Finished,
    Item,
    Report,
    encode_report,
    read_job,
)
from services.counter.meter import Meter, OnProgress
from services.counter.vocabulary import VocabularyFault, preload

Send = Callable[[Report], None]

# A body of many tiny values takes some thirty times its size once parsed, and the allocator does
# not give all of it back.
_MEMORY_LIMIT_BYTES: Final = 4 * 1024**3
_SHARED_WRITE_S: Final = 0.002
_SMALL_BYTES: Final = 16_384
_SPENT_BYTES: Final = 768 * 1024**2


def main() -> None:
    """Serve jobs; the first report says that the golden counts are right."""
    # A Ctrl-C in a terminal reaches the whole group; the service drains, and closing stdin ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel = ReportChannel(os.fdopen(os.dup(1), "wb", buffering=0))
    os.dup2(2, 1)

    _limit_memory()
    keep_freed_memory()
    calibration = load_calibration(*map(Path, sys.argv[1:2]))
    preload(family.vocabulary for family in calibration.families)
    known = [family.reconstruction for family in calibration.families if family.reconstruction]
    meter = Meter(calibration, may_reconstruct=reconstruction.preload(known))
    channel.send(Finished())
    while (job := read_job(sys.stdin.buffer)) is not None:
        for item in job.items:
            if len(item.content) > _SMALL_BYTES:
                channel.flush()
            channel.put(count_item(item, meter, channel.send))
        channel.send(Finished(is_spent=_peak_bytes() > _SPENT_BYTES))


class ReportChannel:
    """Reports on their way out; those of small items share a write, and wait for it briefly."""

    def __init__(self, output: RawIOBase) -> None:
        self._output = output
        self._waiting = bytearray()
        self._since = 0.0

    def put(self, report: Report) -> None:
        """Leave a report to be written with the next ones."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting += encode_report(report)
        if time.monotonic() - self._since > _SHARED_WRITE_S:
            self.flush()

    def send(self, report: Report) -> None:
        """Write a report, and those before it."""
        self._waiting += encode_report(report)
        self.flush()

    def flush(self) -> None:
        """Write all that waits."""
        waiting, self._waiting = memoryview(self._waiting), bytearray()
        while waiting:
            waiting = waiting[self._output.write(waiting) or 0 :]


def _limit_memory() -> None:
    """Let a hostile body end this process rather than starve its neighbours."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = (
        _MEMORY_LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_LIMIT_BYTES, hard)
    )
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def count_item(item: Item, meter: Meter, send: Send) -> Counted | Failed:
    """The count of one item; every failure is an answer, and none quotes the content."""
    try:
        if item.dialect:
            tally = meter.count_body(item.model, item.dialect, item.content, _progress(item, send))
        else:
            text = item.content.decode("utf-8", "replace")
            tally = meter.count_text(item.model, text, _progress(item, send))
    except BodyFault as fault:
        return Failed(item.index, "INVALID_REQUEST", f"The item cannot be counted: {fault}.")
    except RecursionError:
        return Failed(item.index, "INVALID_REQUEST", "The body is nested too deeply.")
    except (VocabularyFault, MemoryError):
        return Failed(item.index, "INTERNAL", "The tokenizer failed on this item.")
    error = tally.error
    return Counted(item.index, tally.tokens, tally.is_calibrated, error.median, error.p90)


def _progress(item: Item, send: Send) -> OnProgress:
    size = len(item.content)

    def advance(done: int, total: int, tokens: int) -> None:
        send(Advanced(item.index, size * done // max(1, total), size, tokens))

    return advance


if __name__ == "__main__":
    main()
