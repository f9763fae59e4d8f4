"""An upstream that answers with recorded exchanges, cut into hostile pieces.

The model names the case: ``case-17`` is answered with case 17, byte for byte, with its status.
Streams are cut at places a seed chooses: inside UTF-8 characters, between CR and LF, byte by byte.
Run as ``python -m tests.doubles.replay PORT``.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

from aiohttp import web

from tests.recordings import Case, load_cases

DIALECTS = ("anthropic.messages", "openai.chat", "openai.responses")


def replayed_cases() -> dict[str, Case]:
    """Every case of the three dialects, by the model that names it."""
    cases = [case for dialect in DIALECTS for case in load_cases(dialect)]
    return {f"case-{number}": case for number, case in enumerate(cases)}


def pieces(data: bytes, seed: int) -> list[bytes]:
    """``data`` cut where it hurts; at most about 60 pieces, the first ones a byte long."""
    chance = random.Random(seed)
    cuts = sorted(
        {*range(1, min(8, len(data))), *(chance.randrange(1, len(data)) for _ in range(50))}
        if len(data) > 1
        else set()
    )
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


async def answer(request: web.Request) -> web.StreamResponse:
    body = json.loads(await request.read())
    name = body["model"]
    case = request.app[CASES][name]
    kind = "text/event-stream" if case.is_stream else "application/json"
    response = web.StreamResponse(status=case.status, headers={"content-type": kind})
    await response.prepare(request)
    for piece in pieces(case.answer, int(name.rpartition("-")[2])):
        await response.write(piece)
        await asyncio.sleep(0)
    await response.write_eof()
    return response


CASES: web.AppKey[dict[str, Case]] = web.AppKey("cases")


def create_app() -> web.Application:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app[CASES] = replayed_cases()
    for path in ("/v1/messages", "/v1/chat/completions", "/v1/responses"):
        app.router.add_post(path, answer)
    return app


if __name__ == "__main__":
    web.run_app(create_app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
