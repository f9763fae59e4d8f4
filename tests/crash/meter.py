"""The provider of the crash test. It is never killed: what it saw is the truth."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass
class Seen:
    """What one request got: ``output`` tokens were sent, all of them where ``is_finished``."""

    input: int
    output: int = 0
    is_finished: bool = False


class Meter:
    """Answers Messages requests as their text says: ``{"id", "tokens", "pause_s"}``."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """The base URL."""
        app = web.Application()
        app.router.add_post("/v1/messages", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        wish = json.loads(body["messages"][0]["content"])
        # Never less than a relay guesses from the bytes.
        seen = self.seen.setdefault(wish["id"], Seen(input=len(raw) // 4 + 8))
        if body.get("stream"):
            return await self._stream(request, wish, seen)
        await asyncio.sleep(wish["pause_s"] * wish["tokens"])
        seen.output, seen.is_finished = wish["tokens"], True
        usage = {"input_tokens": seen.input, "output_tokens": seen.output}
        return web.json_response({"type": "message", "id": wish["id"], "usage": usage})

    async def _stream(
        self, request: web.Request, wish: dict[str, Any], seen: Seen
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        usage = {"input_tokens": seen.input, "output_tokens": 0}
        message = {"id": wish["id"], "usage": usage}
        await response.write(_event("message_start", message=message))
        for _ in range(wish["tokens"]):
            await asyncio.sleep(wish["pause_s"])
            # Counted first: what a relay got was sent, what was sent need not have arrived.
            seen.output += 1
            delta = {"type": "text_delta", "text": "x"}
            await response.write(_event("content_block_delta", index=0, delta=delta))
        seen.is_finished = True
        end = {"output_tokens": seen.output}
        await response.write(_event("message_delta", delta={"stop_reason": "end_turn"}, usage=end))
        await response.write(_event("message_stop"))
        return response


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
