"""The pages of docs/ that are made from the code: each by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.documents import accuracy, configuration, dialects

PAGES: Final[dict[Path, Callable[[], str]]] = {
    accuracy.PATH: accuracy.render,
    configuration.PATH: configuration.render,
    dialects.PATH: dialects.render,
}
