"""The OpenID Connect provider of the tests as a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.doubles.oidc import CLIENT_ID, CLIENT_SECRET
from tests.ports import free_port

START_S = 20.0


class OidcProcess:
    """Where it is, and what it is told to do from now on."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def environ(self, realms: str = "api,credits") -> dict[str, str]:
        """What an auth process is configured with to use it."""
        return {
            "GATEBEYZ_OIDC_ISSUER": self.issuer,
            "GATEBEYZ_OIDC_CLIENT_ID": CLIENT_ID,
            "GATEBEYZ_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "GATEBEYZ_OIDC_NAME": "Example ID",
            "GATEBEYZ_OIDC_REALMS": realms,
        }

    def control(self, **order: Any) -> None:
        """Do this from now on, and nothing that was ordered before; see tests/doubles/oidc.py."""
        httpx.post(f"{self.issuer}/control", json=order).raise_for_status()


@contextmanager
def running_provider() -> Iterator[OidcProcess]:
    """It serves when this begins, and is gone when this ends."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-m", "tests.doubles.oidc", str(port)]) as process:
        try:
            _wait(issuer, process)
            yield OidcProcess(issuer)
        finally:
            process.terminate()


def _wait(issuer: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"{issuer}/keys").raise_for_status()
        except httpx.TransportError:
            assert process.poll() is None, "the provider ended"
            assert time.monotonic() < deadline, "the provider does not serve"
            time.sleep(0.05)
        else:
            return
