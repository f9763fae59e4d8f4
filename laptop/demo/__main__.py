"""``python -m laptop.demo``: serves the demo upstream.

GATEBEYZ_DEMO_LISTEN      where, host:port; 127.0.0.1:7410 unless set
GATEBEYZ_DEMO_CREDENTIAL  what callers must present; required, or …_FILE with its path
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn

from laptop.demo.app import create_app

_LISTEN = "127.0.0.1:7410"


def read_credential(environ: Mapping[str, str]) -> str:
    """The credential, from the variable or the file it names; empty if neither is there."""
    path = environ.get("GATEBEYZ_DEMO_CREDENTIAL_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return environ.get("GATEBEYZ_DEMO_CREDENTIAL", "").strip()


def main() -> int:
    credential = read_credential(os.environ)
    if not credential:
        print("GATEBEYZ_DEMO_CREDENTIAL is not set", file=sys.stderr)
        return 2
    host, _, port = os.environ.get("GATEBEYZ_DEMO_LISTEN", _LISTEN).rpartition(":")
    uvicorn.run(
        create_app(credential),
        host=host.strip("[]"),
        port=int(port),
        access_log=False,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
