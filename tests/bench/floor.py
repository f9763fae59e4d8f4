"""The floor: the least that a Python gateway can be. ``python -m tests.bench.floor PORT UPSTREAM``.

One process, Starlette and an aiohttp client under uvicorn with uvloop and httptools, bytes passed
through: no keys, no limits, no errors of its own, no settlement.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp


class Floor:
    """Passes every request to one upstream."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    async def answer(self, request: Request) -> Response:
        """The upstream's answer; a stream chunk by chunk."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), auto_decompress=False
            )
        body = await request.body()
        answer = await self._session.post(
            self._upstream + request.url.path,
            data=body,
            headers={"content-type": "application/json", "x-api-key": "bench"},
        )
        kind = answer.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            return StreamingResponse(_pass(answer), answer.status, media_type=kind)
        async with answer:
            return Response(await answer.read(), answer.status, media_type=kind)


async def _pass(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for chunk in answer.content.iter_any():
            yield chunk


def serve(app: ASGIApp, port: int) -> None:
    """Serve an app as cheaply as uvicorn can, until killed."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


def main(port: int, upstream: str) -> None:
    """Serve until killed."""
    floor = Floor(upstream)
    serve(Starlette(routes=[Route("/{path:path}", floor.answer, methods=["POST"])]), port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
