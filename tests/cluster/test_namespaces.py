"""``make cluster`` as root runs it: network namespaces, and nothing left, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.plan import ROOT

pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None,
        reason="network namespaces need root and iproute2 (Debian: apt-get install iproute2)",
    ),
    pytest.mark.timeout(300),
]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """``python -m tests.cluster`` in its own words; HOME marks every process it starts."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "--workers", "6", "--surge", "2", *arguments],
        cwd=ROOT,
        env={**environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(home: Path) -> list[str]:
    """Whatever runs with this HOME."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def links() -> str:
    return subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout


def test_replicas_with_networks_of_their_own_roll_without_a_loss(tmp_path: Path) -> None:
    before = links()
    process = start(tmp_path, "--kinds", "relay")
    text, _ = process.communicate()

    assert process.returncode == 0, text
    assert "running on network namespaces" in text
    assert " 0 lost, 0 streams cut" in text
    assert (links(), processes_of(tmp_path)) == (before, [])


def test_a_kill_leaves_nothing_behind(tmp_path: Path) -> None:
    before = links()
    process = start(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("running on network namespaces"):
            break
    running = processes_of(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    deadline = time.monotonic() + 30
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert len(running) > 9
    assert processes_of(tmp_path) == []
    assert links() == before
    assert not any(Path("/run").glob("gatebeyz-*"))
