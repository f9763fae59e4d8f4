"""``make cluster``: roll everything and scale the counter under load, and print the figures."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.cluster.scenario import run_scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=24, help="requests at once (default 24)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatebeyz-") as folder:
        figures = asyncio.run(
            run_scenario(
                Path(folder), workers=asked.workers, say=lambda text: print(text, flush=True)
            )
        )
    print(figures.render())
    return 1 if figures.tally.lost or figures.tally.cut else 0


if __name__ == "__main__":
    sys.exit(main())
