"""Runs a command that cannot outlive its parent: ``python -I -S leash.py PARENT_PID COMMAND…``.

The request to be signalled at the parent's death survives ``exec``, so the command need not know.
Doing this in a program of its own spares the parent a ``preexec_fn``, which must not run beside
gRPC's threads. Where the system has no such request (not Linux) the command runs without it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request was made
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
