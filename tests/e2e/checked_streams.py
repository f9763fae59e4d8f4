"""Hold every event stream to its dialect's grammar while it is read.

The tests' own clients use httpx, the official SDKs httpx2: both are watched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx2
import pytest

from dialects.registry import DIALECTS
from tests.grammar import CHECKERS, Checker

_DIALECT_OF = {dialect.path: name for name, dialect in DIALECTS.items()}


class _Checked(
    httpx.SyncByteStream, httpx.AsyncByteStream, httpx2.SyncByteStream, httpx2.AsyncByteStream
):
    """A response's bytes on their way to the client under test."""

    def __init__(self, inner: Any, checker: Checker) -> None:
        self._inner = inner
        self._checker = checker

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            self._checker.receive_data(piece)
            yield piece
        self._checker.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._checker.receive_data(piece)
            yield piece
        self._checker.close()

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _check(request: Any, response: Any) -> Any:
    dialect = _DIALECT_OF.get(request.url.path)
    if dialect and response.headers.get("content-type", "").startswith("text/event-stream"):
        response.stream = _Checked(response.stream, CHECKERS[dialect]())
    return response


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check what every client reads, those inside the SDKs included."""
    for module in (httpx, httpx2):
        _watch(module.HTTPTransport, module.AsyncHTTPTransport, monkeypatch)


def _watch(transport: Any, async_transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, handle_async = transport.handle_request, async_transport.handle_async_request

    def checked(self: Any, request: Any) -> Any:
        return _check(request, handle(self, request))

    async def checked_async(self: Any, request: Any) -> Any:
        return _check(request, await handle_async(self, request))

    monkeypatch.setattr(transport, "handle_request", checked)
    monkeypatch.setattr(async_transport, "handle_async_request", checked_async)
