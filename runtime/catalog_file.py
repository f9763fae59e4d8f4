"""The catalog as a file that may change: read at the start, read again when it was written.

A text with faults never replaces a catalog that works: the old one stays and the log says why.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from runtime.catalog import Catalog, load_catalog
from runtime.config import ConfigError
from runtime.logs import get_logger

INTERVAL_S: Final = 0.25


class CatalogFile:
    """``environ`` as for :func:`runtime.catalog.load_catalog`. Raises ConfigError at the start."""

    def __init__(self, path: Path, environ: Mapping[str, str] | None) -> None:
        self._path = path
        self._environ = environ
        self._text = self._read()
        self._catalog = load_catalog(self._text, environ)
        self._faults: list[str] = []
        self._listeners: list[Callable[[], None]] = []

    def current(self) -> Catalog:
        """The catalog that holds now; a request asks once and keeps what it got."""
        return self._catalog

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change, for the life of the process."""
        self._listeners.append(listener)

    def refresh(self) -> bool:
        """Read the file again; whether the catalog changed."""
        try:
            text = self._read()
            if text == self._text:
                self._faults = []
                return False
            self._catalog = load_catalog(text, self._environ)
        except ConfigError as error:
            if error.faults != self._faults:
                get_logger().error("catalog kept: the new one has faults", faults=error.faults)
            self._faults = error.faults
            return False
        self._text, self._faults = text, []
        get_logger().info("catalog changed", models=len(self._catalog.models))
        for listener in self._listeners:
            listener()
        return True

    async def follow(self) -> None:
        """Refresh for ever; a background task of the process."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.refresh()

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"{self._path.name} cannot be read: {error.strerror}"]) from None
        except ValueError:
            raise ConfigError([f"{self._path.name} is not UTF-8 text"]) from None


def open_catalog(path: Path, environ: Mapping[str, str] | None) -> CatalogFile:
    """The catalog of a process at its start; exits with every fault where it cannot be used."""
    try:
        return CatalogFile(path, environ)
    except ConfigError as error:
        sys.exit(f"configuration: {error}")
