"""The demo upstream over HTTP: one Starlette application, three dialects."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from laptop.demo import chat, messages, responses
from laptop.demo.answer import Turn, compose
from laptop.demo.directive import parse_directives
from laptop.demo.frame import render_json
from laptop.demo.prompt import BadRequest, Json, Prompt, require, seed_of

MODELS = (
    "claude-opus-4-8",
    "claude-opus-4-6",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "gpt-5",
    "gpt-4.1",
)
"""What GET /v1/models lists; any other name is served too, save ``no-such-model``."""

_ABSENT_MODEL = "no-such-model"
_RETRY_AFTER_S = "1"
_FOREVER_S = 3600.0

Endpoint = Callable[[Request], Awaitable[Response]]


class Dialect(Protocol):
    """What a module has to offer to be served."""

    def read(self, body: Mapping[str, Json], seed: str) -> Prompt: ...
    def render(self, turn: Turn) -> dict[str, Json]: ...
    def stream(self, turn: Turn) -> Iterator[bytes]: ...
    def failure(self, turn: Turn, number: int) -> bytes: ...
    def fault(self, status: int, message: str) -> dict[str, Json]: ...


@dataclass(slots=True)
class Tally:
    """How the exchanges of this process went; ``GET /demo/exchanges`` shows it."""

    open: int = 0
    completed: int = 0
    cancelled: int = 0

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Counts one exchange; a caller who leaves cancels it."""
        self.open += 1
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        else:
            self.completed += 1
        finally:
            self.open -= 1


@dataclass(frozen=True, slots=True)
class Surface:
    """One POST endpoint: its grammar, its gate, and the name its request id travels under."""

    dialect: Dialect
    credential: str
    id_header: str
    tally: Tally

    async def generate(self, request: Request) -> Response:
        """Answers a request as its text demands."""
        raw = await request.body()
        seed = seed_of(raw)
        try:
            self._admit(request)
            body = _parse(raw)
            turn = self._play(body, seed)
        except BadRequest as fault:
            return self._refuse(fault.status, fault.message, seed)
        asked = turn.directives
        if asked.hang:
            await _wait_until_left(request)
        if asked.error_status is not None:
            return self._refuse(asked.error_status, "The demo was told to fail.", seed)
        headers = {self.id_header: f"req_{seed}"}
        if body.get("stream") is True:
            frames = self._pace(turn)
            return StreamingResponse(frames, media_type="text/event-stream", headers=headers)
        with self.tally.exchange():
            await asyncio.sleep(asked.delay_s)
            return _json(self.dialect.render(turn), headers=headers)

    async def _pace(self, turn: Turn) -> AsyncIterator[bytes]:
        """The frames of a stream, as slow, broken or short as the directives want them."""
        asked = turn.directives
        with self.tally.exchange():
            for number, frame in enumerate(self.dialect.stream(turn)):
                if number == asked.truncate_after:
                    return
                if number == asked.fail_after:
                    yield self.dialect.failure(turn, number)
                    return
                if number == asked.stall_after:
                    await asyncio.sleep(_FOREVER_S)
                await asyncio.sleep(asked.delay_s)
                yield frame

    async def count(self, request: Request) -> Response:
        """Answers count_tokens."""
        raw = await request.body()
        try:
            self._admit(request)
            body = _parse(raw)
            return _json({"input_tokens": messages.count_input(body)})
        except BadRequest as fault:
            return self._refuse(fault.status, fault.message, seed_of(raw))

    def _admit(self, request: Request) -> None:
        given = request.headers.get("x-api-key") or _bearer(request)
        if not hmac.compare_digest(given.encode(), self.credential.encode()):
            raise BadRequest("invalid credential", status=401)

    def _play(self, body: Mapping[str, Json], seed: str) -> Turn:
        if require(body, "model", str) == _ABSENT_MODEL:
            raise BadRequest(f"model: {_ABSENT_MODEL}", status=404)
        prompt = self.dialect.read(body, seed)
        directives, text = parse_directives(prompt.text)
        prompt = replace(prompt, text=text)
        if directives.think:
            prompt = replace(prompt, thinking=True, show_thinking=True)
        return Turn(body, prompt, directives, compose(prompt, directives))

    def _refuse(self, status: int, message: str, seed: str) -> Response:
        headers = {self.id_header: f"req_{seed}"}
        if status in (429, 503, 529):
            headers["retry-after"] = _RETRY_AFTER_S
        return _json(self.dialect.fault(status, message), status=status, headers=headers)


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _parse(raw: bytes) -> dict[str, Json]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


def _json(value: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(render_json(value), status, headers, media_type="application/json")


async def _wait_until_left(request: Request) -> None:
    """Until the caller hangs up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _list_models(request: Request) -> Response:
    if "anthropic-version" in request.headers:
        page = {"has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
        return _json({"data": [_anthropic_entry(name) for name in MODELS], **page})
    return _json({"object": "list", "data": [_openai_entry(name) for name in MODELS]})


def _anthropic_entry(name: str) -> dict[str, Json]:
    created_at = "2026-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": created_at}


def _openai_entry(name: str) -> dict[str, Json]:
    return {"id": name, "object": "model", "created": chat.CREATED, "owned_by": "demo"}


async def _healthz(request: Request) -> Response:
    return _json({"status": "ok"})


def create_app(credential: str) -> Starlette:
    """The application; every POST must carry ``credential`` as x-api-key or Bearer."""
    tally = Tally()
    anthropic = Surface(messages, credential, "request-id", tally)
    completions = Surface(chat, credential, "x-request-id", tally)
    replies = Surface(responses, credential, "x-request-id", tally)

    async def show_tally(request: Request) -> Response:
        return _json(asdict(tally))

    return Starlette(
        routes=[
            Route("/v1/messages", anthropic.generate, methods=["POST"]),
            Route("/v1/messages/count_tokens", anthropic.count, methods=["POST"]),
            Route("/v1/chat/completions", completions.generate, methods=["POST"]),
            Route("/v1/responses", replies.generate, methods=["POST"]),
            Route("/v1/models", _list_models),
            Route("/demo/exchanges", show_tally),
            Route("/healthz", _healthz),
        ]
    )
