"""``make cluster``: roll everything and scale the counter under load, or fail the store over."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

from tests.cluster.failover import run_failover
from tests.cluster.image import Image, open_image
from tests.cluster.network import PRIVATE, isolate
from tests.cluster.plan import KINDS
from tests.cluster.restore import run_restore
from tests.cluster.scenario import run_scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--workers", type=int, default=24, help="requests at once (default 24)")
    parser.add_argument("--surge", type=int, default=1, help="replicas at a time (default 1)")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="what is rolled")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces")
    parser.add_argument("--failover", action="store_true", help="kill the store's primary instead")
    parser.add_argument("--restore", action="store_true", help="restore the store instead")
    parser.add_argument("--image", help="run the processes of this image, which buildah has")
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        image = stack.enter_context(open_image(asked.image)) if asked.image else None
        return _run(asked, image)


def _run(asked: argparse.Namespace, image: Image | None) -> int:
    network = None if asked.loopback else isolate()
    if network is None:
        print("on loopback addresses (network namespaces need root and iproute2)", flush=True)
        if asked.failover or asked.restore or image:
            print("the stores' pods and images cannot run without them")
            return 0

    def say(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="gatebeyz-", dir=network and PRIVATE) as name:
        folder = Path(name)
        if network is not None and asked.restore:
            faults = asyncio.run(run_restore(folder, network))
            print("the store was restored;", f"faults: {len(faults)}", *faults, sep="\n  ")
            return 1 if faults else 0
        if network is not None and asked.failover:
            failover = asyncio.run(
                run_failover(folder, network, workers=asked.workers, image=image, say=say)
            )
            print(failover.render())
            print(*failover.faults(), sep="\n")
            return 1 if failover.faults() else 0
        figures = asyncio.run(
            run_scenario(
                folder,
                workers=asked.workers,
                surge=asked.surge,
                kinds=tuple(asked.kinds),
                network=network,
                image=image,
                say=say,
            )
        )
    print(figures.render())
    return 1 if figures.tally.lost or figures.tally.cut else 0


if __name__ == "__main__":
    sys.exit(main())
