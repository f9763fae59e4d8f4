"""Every numbered edge case and every reported failure of translating has a test that names it.

A test says which with ``@pytest.mark.edge(14)`` or ``@pytest.mark.reported(6)``; its own name says
the behaviour. The numbers are those of the translation matrix (§8) and of the known failures.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]

EDGES: Final = frozenset(range(1, 81))
REPORTED: Final = frozenset({*range(1, 13), *range(14, 18), 21})


def test_every_edge_case_has_a_test() -> None:
    assert marked("edge") == EDGES


def test_every_reported_failure_has_a_test() -> None:
    assert marked("reported") == REPORTED


@cache
def marked(marker: str) -> frozenset[int]:
    """The numbers that marks of that name give, read from the source of every test."""
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if f"mark.{marker}(" in text:
            found.update(_numbers(ast.parse(text), marker))
    return frozenset(found)


def _numbers(tree: ast.Module, marker: str) -> Iterator[int]:
    """Of marks on tests and on their parameters; a mark anywhere else counts for nothing."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not node.name.startswith("test_"):
            continue
        for part in (inner for decorator in node.decorator_list for inner in ast.walk(decorator)):
            if isinstance(part, ast.Call) and _is_mark(part.func, marker):
                yield from (arg.value for arg in part.args if _is_number(arg))


def _is_mark(node: ast.expr, marker: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == marker
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "mark"
    )


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)
