"""The committed stubs are what the protos say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py*")
        if "__pycache__" not in path.parts
    }


def test_stubs_are_fresh(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "protos/generate.py"), str(tmp_path / "gen")],
        check=True,
        capture_output=True,
    )

    assert _contents(tmp_path / "gen") == _contents(ROOT / "protos/gen")
