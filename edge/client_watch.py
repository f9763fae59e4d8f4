"""Watching that the client of a running call is still there."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.types import Receive

from edge.body import ClientGoneError
from edge.drain import CALL_ENDS

# Whole answers mostly come before; only what takes longer costs a task.
WATCHED_AFTER_S: Final = 0.1


class ClientWatch:
    """Cancels the call as soon as the client is gone, so that the relay closes its upstream.

    ClientGoneError comes of that. As a context, from the first tenth of a second on.
    """

    __slots__ = ("_call", "_is_gone", "_receive", "_timer", "_watcher")

    def __init__(self, receive: Receive, call: Any) -> None:
        self._receive = receive
        self._call = call
        self._is_gone = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER_S, self._begin)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._is_gone and kind is not None and issubclass(kind, CALL_ENDS):
            raise ClientGoneError from None

    def _begin(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._call.cancel()
