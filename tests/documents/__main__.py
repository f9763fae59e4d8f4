"""``make docs``: write the pages that are made from the code."""

from __future__ import annotations

from pathlib import Path

from tests.documents.pages import PAGES

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    for path, render in PAGES.items():
        (ROOT / path).write_text(render(), encoding="utf-8")
        print(f"wrote {path}")
