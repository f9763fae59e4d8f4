"""``make bench`` and ``make bench-compare``: measure, print, keep.

``python -m tests.bench`` measures this tree; ``python -m tests.bench compare BEFORE AFTER`` prints
two runs' JSON side by side. See ``run.Settings`` for what the environment can say.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.report import (
    FOLDER,
    as_json,
    keep,
    render_comparison,
    render_limits,
    render_lines,
    render_rows,
)
from tests.bench.run import Settings, run
from tests.bench.scenario import SCENARIOS


def measure(settings: Settings) -> None:
    """Measure, print the table, write the JSON."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="gb-bench-") as folder:
        rows, limits, lines = uvloop.run(run(SCENARIOS, settings, Path(folder), say))
    print("\nCPU-µs of all processes, medians; base is the floor where nothing else is said")
    print(render_rows(rows))
    print()
    print(render_lines(lines))
    if limits:
        print("\nthe floor in two processes with gRPC between; edge and relay in one process")
        print(render_limits(limits))
    path = keep(
        as_json(rows, limits, lines, _facts()), Path(os.environ.get("BENCH_FOLDER", FOLDER))
    )
    print(f"\nwritten to {path}")


def _facts() -> dict[str, Any]:
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "revision": revision or "unknown",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def main(arguments: list[str]) -> None:
    """What is asked for by the command line."""
    if arguments[:1] == ["compare"]:
        before, after = (json.loads(Path(path).read_text()) for path in arguments[1:3])
        print(render_comparison(before, after))
    else:
        measure(Settings.read(os.environ))


if __name__ == "__main__":
    main(sys.argv[1:])
