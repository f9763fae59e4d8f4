"""The whole gateway as real processes: what ``make run`` starts, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port_pair

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Stack:
    """A running gateway: ``url`` and ``key`` as it printed them."""

    process: subprocess.Popen[str]
    folder: Path
    url: str = ""
    key: str = ""
    output: list[str] = field(default_factory=list)
    ready_after_s: float = 0.0

    def site(self, name: str) -> str:
        """Where the pages of PANEL, CREDITS_PANEL or OPERATOR are."""
        running = self.folder / ".gatebeyz" / "running.json"
        sites: dict[str, str] = json.loads(running.read_text(encoding="utf-8"))["sites"]
        return sites[name]

    def link(self, name: str) -> str:
        """The one-time link into a site that this start printed."""
        address = self.site(name) + "/link/"
        found = re.search(re.escape(address) + r"\S+", "".join(self.output))
        assert found is not None
        return found.group(0)

    def stop(self) -> None:
        """Ctrl-C, and everything is gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
            assert self.process.stdout is not None
            self.process.stdout.close()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def start_stack(folder: Path, environ: dict[str, str] | None = None) -> Stack:
    """Start ``python -m laptop`` in ``folder`` and wait for the lines it prints when ready."""
    port = free_port_pair()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "laptop"],
        cwd=folder,
        env={
            **inherited,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}",
            "GATEBEYZ_PORT": str(port),
            **(environ or {}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack = Stack(process, folder)
    began = time.monotonic()
    ready = threading.Event()
    threading.Thread(target=_read, args=(stack, ready), daemon=True).start()
    while not ready.wait(0.05):
        if process.poll() is not None or time.monotonic() - began > START_TIMEOUT_S:
            process.kill()
            raise AssertionError("the gateway did not start:\n" + "".join(stack.output))
    stack.ready_after_s = time.monotonic() - began
    return stack


def _read(stack: Stack, ready: threading.Event) -> None:
    assert stack.process.stdout is not None
    for line in stack.process.stdout:
        stack.output.append(line)
        if line.startswith("export GATEBEYZ_URL="):
            stack.url = line.partition("=")[2].strip().strip("'\"")
        if line.startswith("export GATEBEYZ_KEY="):
            stack.key = line.partition("=")[2].strip().strip("'\"")
        if line.rstrip().endswith("Ctrl-C stops everything."):
            ready.set()
