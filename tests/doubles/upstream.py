"""A provider on a real socket whose every move a test decides.

``script`` is what the next requests get: a list of callables, one per request, the last one for
all that follow. Each takes the request and gives the response; ``seen`` keeps what came in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

Move = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedUpstream:
    """``await start()`` gives the base URL; ``await stop()`` at the end."""

    def __init__(self, *moves: Move) -> None:
        self.script: list[Move] = list(moves)
        self.seen: list[Seen] = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.path, headers, await request.read()))
        self.asked.set()
        move = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            return await move(request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise


# For what was written to be read: a connection that is lost takes along what stands in buffers.
CUT_S: Final = 0.05


def whole(body: bytes, status: int = 200, **headers: str) -> Move:
    """A body at once; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def move(request: web.Request) -> web.StreamResponse:
        kind = {"content-type": "application/json", "request-id": "up_1"}
        return web.Response(status=status, body=body, headers={**kind, **named})

    return move


def stream(*pieces: bytes, cut: bool = False, hang: bool = False) -> Move:
    """An event stream; ``cut`` breaks the connection after it, ``hang`` keeps it open."""

    async def move(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if hang:
            await asyncio.Event().wait()
        if cut:
            assert request.transport is not None
            await asyncio.sleep(CUT_S)
            request.transport.abort()
        return response

    return move


def broken(body: bytes, size: int) -> Move:
    """A body that is announced as ``size`` bytes and breaks off after ``body``."""

    async def move(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        response.content_length = size
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.abort()
        return response

    return move


def silence() -> Move:
    """No answer at all."""

    async def move(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return move


def hangup() -> Move:
    """Takes the request and closes the connection."""

    async def move(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return move
