"""The provider's answers, byte for byte, in every dialect: what is sent and what is expected.

Every delta's text is ``#SSSSSS@NNNNNNNNNNNNNNNNNNN `` and a pad: its number, and when it was sent
in nanoseconds of the machine's monotonic clock (zeros in a burst). All else is fixed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tests.bench.wish import Wish

STAMP: Final = b"0" * 19
STAMP_AT: Final = len("#000000@")
INPUT_TOKENS: Final = 25
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_CREATED: Final = 1_790_000_000
CLAUDE: Final = "claude-sonnet-4-5-20250929"
GPT: Final = "gpt-4.1-2025-04-14"


@dataclass(frozen=True, slots=True)
class Frame:
    """One SSE frame; ``stamp_at`` is where its time stands, -1 where it has none."""

    data: bytes
    stamp_at: int = -1

    def stamped(self, now_ns: int) -> bytes:
        """The frame as sent at that moment."""
        at = self.stamp_at
        return b"%b%019d%b" % (self.data[:at], now_ns, self.data[at + len(STAMP) :])


@dataclass(frozen=True, slots=True)
class Answer:
    """A stream: what opens it, its deltas, what ends it."""

    head: bytes
    deltas: tuple[Frame, ...]
    tail: bytes

    @property
    def whole(self) -> bytes:
        """The stream with zeros for times."""
        return b"".join((self.head, *(delta.data for delta in self.deltas), self.tail))


def pad(number: int, size: int) -> str:
    """Text whose every byte tells where it belongs."""
    turn = number % len(_LETTERS)
    repeated = _LETTERS * (size // len(_LETTERS) + 2)
    return repeated[turn : turn + size]


def delta_text(number: int, wish: Wish) -> str:
    """The text of one delta, not yet stamped."""
    return f"#{number:06d}@{STAMP.decode()} {pad(number, wish.event_bytes)}"


def whole_text(wish: Wish) -> str:
    """The text of an answer that is not streamed."""
    return pad(0, wish.text_bytes)


@functools.lru_cache(maxsize=256)
def stream_text(wish: Wish) -> str:
    """The text of a burst's deltas, put together."""
    return "".join(delta_text(number, wish) for number in range(wish.events))


@functools.lru_cache(maxsize=256)
def stream_of(dialect: str, wish: Wish) -> Answer:
    """The stream that a dialect's provider answers a wish with."""
    return _STREAMS[dialect](wish)


@functools.lru_cache(maxsize=256)
def body_of(dialect: str, wish: Wish) -> bytes:
    """The whole answer to a wish."""
    return orjson.dumps(_BODIES[dialect](wish))


def _named(kind: str, **fields: Any) -> bytes:
    data = orjson.dumps({"type": kind, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _framed(data: bytes) -> Frame:
    return Frame(data, data.index(b"@" + STAMP) + 1)


def _messages_stream(wish: Wish) -> Answer:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    start = _named("message_start", message=_message([], None, usage))
    block = {"type": "text", "text": ""}
    opened = _named("content_block_start", index=0, content_block=block)
    deltas = (
        _named(
            "content_block_delta",
            index=0,
            delta={"type": "text_delta", "text": delta_text(number, wish)},
        )
        for number in range(wish.events)
    )
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    tail = (
        _named("content_block_stop", index=0),
        _named("message_delta", delta=ended, usage={"output_tokens": wish.events}),
        _named("message_stop"),
    )
    return Answer(start + opened + _named("ping"), tuple(map(_framed, deltas)), b"".join(tail))


def _message(content: list[Any], stop: str | None, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": "msg_bench0001",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def _messages_body(wish: Wish) -> dict[str, Any]:
    content = [{"type": "text", "text": whole_text(wish)}]
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 60}
    return _message(content, "end_turn", usage)


def _chat_chunk(choices: list[Any], **fields: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": GPT,
        "choices": choices,
        **fields,
    }
    return b"data: %b\n\n" % orjson.dumps(chunk)


def _chat_stream(wish: Wish) -> Answer:
    def choice(finish: str | None = None, **delta: str) -> list[Any]:
        return [{"index": 0, "delta": delta, "finish_reason": finish}]

    deltas = (
        _chat_chunk(choice(content=delta_text(number, wish))) for number in range(wish.events)
    )
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": wish.events,
        "total_tokens": INPUT_TOKENS + wish.events,
    }
    tail = _chat_chunk(choice("stop")) + _chat_chunk([], usage=usage) + b"data: [DONE]\n\n"
    head = _chat_chunk(choice(role="assistant", content=""))
    return Answer(head, tuple(map(_framed, deltas)), tail)


def _chat_body(wish: Wish) -> dict[str, Any]:
    message = {"role": "assistant", "content": whole_text(wish)}
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": _CREATED,
        "model": GPT,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": INPUT_TOKENS, "completion_tokens": 60, "total_tokens": 85},
    }


def _response(status: str, text: str | None, output_tokens: int) -> dict[str, Any]:
    item = None if text is None else _item("completed", [_part(text)])
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + output_tokens,
    }
    return {
        "id": "resp_bench",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "model": GPT,
        "output": [] if item is None else [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if text is None else usage,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(status: str, content: list[Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _responses_stream(wish: Wish) -> Answer:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    begun = _response("in_progress", None, 0)
    head = (
        _named("response.created", sequence_number=0, response=begun),
        _named("response.in_progress", sequence_number=1, response=begun),
        _named(
            "response.output_item.added",
            sequence_number=2,
            output_index=0,
            item=_item("in_progress", []),
        ),
        _named("response.content_part.added", sequence_number=3, **place, part=_part("")),
    )
    texts = [delta_text(number, wish) for number in range(wish.events)]
    deltas = (
        _named(
            "response.output_text.delta",
            sequence_number=number + 4,
            **place,
            delta=text,
            logprobs=[],
        )
        for number, text in enumerate(texts)
    )
    text, after = "".join(texts), wish.events + 4
    tail = (
        _named("response.output_text.done", sequence_number=after, **place, text=text),
        _named("response.content_part.done", sequence_number=after + 1, **place, part=_part(text)),
        _named(
            "response.output_item.done",
            sequence_number=after + 2,
            output_index=0,
            item=_item("completed", [_part(text)]),
        ),
        _named(
            "response.completed",
            sequence_number=after + 3,
            response=_response("completed", text, wish.events),
        ),
    )
    return Answer(b"".join(head), tuple(map(_framed, deltas)), b"".join(tail))


def _responses_body(wish: Wish) -> dict[str, Any]:
    return _response("completed", whole_text(wish), 60)


def _count_body(wish: Wish) -> dict[str, Any]:
    return {"input_tokens": INPUT_TOKENS}


_STREAMS: Final[dict[str, Callable[[Wish], Answer]]] = {
    "anthropic_messages": _messages_stream,
    "openai_chat": _chat_stream,
    "openai_responses": _responses_stream,
}
_BODIES: Final[dict[str, Callable[[Wish], dict[str, Any]]]] = {
    "anthropic_messages": _messages_body,
    "openai_chat": _chat_body,
    "openai_responses": _responses_body,
    "count_tokens": _count_body,
}
