"""Sizes and names: if the limit hurts, the design is wrong, not the limit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("admission", "cli", "dialects", "edge", "k8s", "laptop", "runtime", "services", "tests")
BANNED = {
    "utils", "util", "helpers", "helper", "common", "misc", "shared", "base", "core",
    "manager", "lib", "handler", "processor",
}  # fmt: skip
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_to_its_size_and_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    long = [n.name for n in functions if (n.end_lineno or 0) - n.lineno + 1 > 60]

    assert text.count("\n") <= 500, "a file over 500 lines does two jobs"
    assert long == [], "a function over 60 lines does two jobs"
    assert path.stem not in BANNED


def test_mains_are_thin() -> None:
    mains = [*ROOT.glob("services/*/__main__.py"), ROOT / "edge/__main__.py"]

    assert [p for p in mains if p.read_text(encoding="utf-8").count("\n") > 80] == []
