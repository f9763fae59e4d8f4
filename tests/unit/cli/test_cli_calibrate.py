"""``gatebeyz calibrate`` hands everything to the counter's own command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def calibrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "calibrate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_recordings_of_ones_own_are_read(tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    row = {"dialect": "openai.chat", "model": "gpt-4o", "input_tokens": 8, "body": body}
    recordings, out = tmp_path / "own.jsonl", tmp_path / "own.json"
    recordings.write_text(json.dumps(row))
    done = calibrate(str(recordings), "--out", str(out))
    assert done.returncode == 0
    assert "0 values held no request with a count." in done.stdout
    assert json.loads(out.read_text())["families"]


def test_a_wrong_use_is_told_by_the_same_name() -> None:
    done = calibrate()
    assert done.returncode == 2
    assert "Usage: gatebeyz calibrate" in done.stderr
