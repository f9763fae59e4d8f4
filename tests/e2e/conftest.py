"""One stack with the demo upstream for every test that only calls it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import checked_streams
from tests.e2e.stack import Stack, start_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = start_stack(tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _read_streams_obey_their_grammar(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo upstream's answers, on any road; the quirks of other upstreams pass untouched."""
    if "stack" in request.fixturenames:
        checked_streams.install(monkeypatch)
