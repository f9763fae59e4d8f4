"""Pages made from the code are as fresh as the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.configuration import PROCESSES, settings_of
from tests.documents.pages import PAGES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_is_fresh(path: Path) -> None:
    written = (ROOT / path).read_text(encoding="utf-8")

    assert written == PAGES[path](), f"{path} is stale: run make docs"


@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_says_what_it_means(process: str) -> None:
    silent = [name for name, _, meaning in settings_of(PROCESSES[process]) if len(meaning) < 8]

    assert silent == []
