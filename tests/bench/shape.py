"""The requests of the benchmarks."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.bench.gateway import CLAUDE
from tests.bench.load import Shape
from tests.bench.wish import Wish

PATHS: Final = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "count_tokens": "/v1/messages/count_tokens",
}
MAX_TOKENS: Final = 4096
_FILLER: Final = "The quick brown fox jumps over the lazy dog; so it is said, again and again. "


def native(wish: Wish, *, is_stream: bool = False, body_bytes: int = 0) -> Shape:
    """Messages on Messages; ``body_bytes`` is about how large the request is."""
    return _shape("anthropic_messages", wish, is_stream=is_stream, body_bytes=body_bytes)


def translated(surface: str, wish: Wish, *, is_stream: bool = False) -> Shape:
    """Another surface on Messages."""
    return _shape(surface, wish, is_stream=is_stream)


def count(body_bytes: int) -> Shape:
    """A count of about that many bytes."""
    return _shape("count_tokens", Wish(), body_bytes=body_bytes)


def _shape(surface: str, wish: Wish, *, is_stream: bool = False, body_bytes: int = 0) -> Shape:
    text = filler(body_bytes) + wish.text()
    body = orjson.dumps(_BODIES[surface](text) | ({"stream": True} if is_stream else {}))
    upstream = "count_tokens" if surface == "count_tokens" else "anthropic_messages"
    return Shape(surface, upstream, PATHS[surface], body, wish, is_stream)


def filler(size: int) -> str:
    """Prose of that many bytes."""
    return (_FILLER * (size // len(_FILLER) + 1))[:size]


def _messages(text: str) -> dict[str, Any]:
    turn = {"role": "user", "content": text}
    return {"model": CLAUDE, "max_tokens": MAX_TOKENS, "messages": [turn]}


def _count(text: str) -> dict[str, Any]:
    return {"model": CLAUDE, "messages": [{"role": "user", "content": text}]}


def _chat(text: str) -> dict[str, Any]:
    turn = {"role": "user", "content": text}
    return {"model": CLAUDE, "max_tokens": MAX_TOKENS, "messages": [turn]}


def _responses(text: str) -> dict[str, Any]:
    return {"model": CLAUDE, "max_output_tokens": MAX_TOKENS, "input": text}


_BODIES: Final = {
    "anthropic_messages": _messages,
    "openai_chat": _chat,
    "openai_responses": _responses,
    "count_tokens": _count,
}
