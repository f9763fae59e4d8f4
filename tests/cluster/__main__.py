"""``make cluster``: roll everything and scale the counter under load, and print the figures."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.cluster.network import PRIVATE, isolate
from tests.cluster.plan import KINDS
from tests.cluster.scenario import run_scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=24, help="requests at once (default 24)")
    parser.add_argument("--surge", type=int, default=1, help="replicas at a time (default 1)")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="what is rolled")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces")
    asked = parser.parse_args()
    network = None if asked.loopback else isolate()
    if network is None:
        print("on loopback addresses (network namespaces need root and iproute2)", flush=True)
    with tempfile.TemporaryDirectory(prefix="gatebeyz-", dir=network and PRIVATE) as folder:
        figures = asyncio.run(
            run_scenario(
                Path(folder),
                workers=asked.workers,
                surge=asked.surge,
                kinds=tuple(asked.kinds),
                network=network,
                say=lambda text: print(text, flush=True),
            )
        )
    print(figures.render())
    return 1 if figures.tally.lost or figures.tally.cut else 0


if __name__ == "__main__":
    sys.exit(main())
