"""``make k8s``: render every overlay and tell everything that is wrong with it."""

from __future__ import annotations

import sys

from k8s.check.overlay import check_overlay
from k8s.check.render import OVERLAYS, RenderError, overlay_names, render
from k8s.check.schema import versions


def main() -> int:
    """The exit status: 1 where anything is wrong."""
    is_wrong = False
    for name in overlay_names():
        try:
            manifests = render(OVERLAYS / name)
        except RenderError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        faults = check_overlay(manifests, versions())
        is_wrong |= bool(faults)
        span = f"{versions()[0]} to {versions()[-1]}"
        print(f"{name}: {len(manifests)} objects, schemas {span}, {len(faults)} faults")
        for fault in faults:
            print(f"  {fault}")
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
