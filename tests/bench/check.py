"""Whether an answer is the one that was asked for: every byte, every event, in order, to its end.

A checker reads one answer: ``receive_data`` as it comes, ``finish`` at its end. Both raise
AssertionError with what is wrong. ``delays_s`` and ``first_at`` are filled on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from tests.bench.answer import (
    STAMP,
    STAMP_AT,
    Answer,
    Frame,
    body_of,
    delta_text,
    stream_of,
    stream_text,
)
from tests.bench.wish import Wish

_SHOWN: Final = 200


class Checker(Protocol):
    """See the module; times are seconds of the machine's monotonic clock."""

    first_at: float
    events: int
    delays_s: list[float]

    def receive_data(self, data: bytes, now: float) -> None: ...

    def finish(self) -> None: ...


def _refuse(what: str, data: bytes) -> AssertionError:
    return AssertionError(f"{what}: {data[:_SHOWN]!r}")


class WholeAnswer:
    """An answer that is not streamed; ``judge`` looks at all of it."""

    def __init__(self, judge: Callable[[bytes], bool]) -> None:
        self.first_at = 0.0
        self.events = 1
        self.delays_s: list[float] = []
        self._judge = judge
        self._body = b""

    def receive_data(self, data: bytes, now: float) -> None:
        self.first_at = self.first_at or now
        self._body += data

    def finish(self) -> None:
        if not self._judge(self._body):
            raise _refuse("another answer than expected", self._body)


class NativeStream:
    """A stream in the provider's own dialect: the very bytes, but for the times in them."""

    def __init__(self, answer: Answer, *, is_stamped: bool) -> None:
        self.first_at = 0.0
        self.events = 0
        self.delays_s: list[float] = []
        # A burst has no times in it: all of it is compared at once.
        deltas = answer.deltas if is_stamped else ()
        head = answer.head if is_stamped else answer.whole
        tail = (Frame(answer.tail),) if is_stamped else ()
        self._frames = (Frame(head), *deltas, *tail)
        self._count = len(answer.deltas)
        self._next = 0
        self._rest = b""

    def receive_data(self, data: bytes, now: float) -> None:
        self.first_at = self.first_at or now
        data = self._rest + data if self._rest else data
        at, frames = 0, self._frames
        while self._next < len(frames):
            frame = frames[self._next]
            end = at + len(frame.data)
            if end > len(data):
                break
            self._check(frame, data[at:end], now)
            at = end
            self._next += 1
        self._rest = data[at:]
        if self._rest and self._next == len(frames):
            raise _refuse("more than was sent", self._rest)

    def _check(self, frame: Frame, data: bytes, now: float) -> None:
        at = frame.stamp_at
        if at < 0:
            is_same = data == frame.data
        else:
            end = at + len(STAMP)
            is_same = data[:at] == frame.data[:at] and data[end:] == frame.data[end:]
            self.delays_s.append(now - int(data[at:end]) / 1e9)
        if not is_same:
            raise _refuse(f"frame {self._next} is not as it was sent", data)

    def finish(self) -> None:
        if self._next < len(self._frames) or self._rest:
            raise _refuse(f"ended after {self._next} frames of {len(self._frames)}", self._rest)
        self.events = self._count


class TranslatedStream:
    """A stream in another dialect: every delta's text once, in order, and the terminal event."""

    def __init__(self, wish: Wish, text_of: Callable[[Any], str], is_last: Callable[[bytes], bool]):
        self.first_at = 0.0
        self.events = 0
        self.delays_s: list[float] = []
        self._wish = wish
        self._text_of = text_of
        self._is_last = is_last
        self._is_over = False
        self._rest = b""

    def receive_data(self, data: bytes, now: float) -> None:
        self.first_at = self.first_at or now
        *frames, self._rest = (self._rest + data).split(b"\n\n")
        for frame in frames:
            if self._is_over:
                raise _refuse("something after the terminal event", frame)
            if frame.startswith(b":"):
                continue  # a comment: a sign of life
            data = frame[frame.index(b"data: ") + 6 :]
            self._is_over = self._is_last(data)
            if data.startswith(b"{") and (text := self._text_of(orjson.loads(data))):
                self._check(text, now)

    def _check(self, text: str, now: float) -> None:
        expected = delta_text(self.events, self._wish)
        end = STAMP_AT + len(STAMP)
        if text[:STAMP_AT] != expected[:STAMP_AT] or text[end:] != expected[end:]:
            raise AssertionError(f"delta {self.events} is not as it was sent: {text[:_SHOWN]}")
        if stamp := int(text[STAMP_AT:end]):
            self.delays_s.append(now - stamp / 1e9)
        self.events += 1

    def finish(self) -> None:
        if not self._is_over or self._rest or self.events != self._wish.events:
            raise _refuse(f"ended after {self.events} of {self._wish.events} deltas", self._rest)


def checker_of(surface: str, upstream: str, wish: Wish, *, is_stream: bool) -> Checker:
    """The checker of an answer on ``surface`` that comes from a provider of ``upstream``."""
    if surface == "count_tokens":
        return WholeAnswer(lambda body: int(orjson.loads(body)["input_tokens"]) > 0)
    if surface == upstream:
        if is_stream:
            return NativeStream(stream_of(upstream, wish), is_stamped=wish.pause_us > 0)
        return WholeAnswer(body_of(upstream, wish).__eq__)
    if is_stream:
        return TranslatedStream(wish, *_STREAM_PARTS[surface])
    # The provider was asked for a stream all the same; the answer is what its deltas make.
    text_of, text = _WHOLE_TEXT[surface], stream_text(wish)
    return WholeAnswer(lambda body: text_of(orjson.loads(body)) == text)


def _chat_delta(chunk: Any) -> str:
    return chunk["choices"][0]["delta"].get("content") or "" if chunk["choices"] else ""


def _responses_delta(event: Any) -> str:
    return event["delta"] if event["type"] == "response.output_text.delta" else ""


def _messages_delta(event: Any) -> str:
    return event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""


_STREAM_PARTS: Final[dict[str, tuple[Callable[[Any], str], Callable[[bytes], bool]]]] = {
    "anthropic_messages": (_messages_delta, lambda data: b'"message_stop"' in data[:64]),
    "openai_chat": (_chat_delta, b"[DONE]".__eq__),
    "openai_responses": (_responses_delta, lambda data: b'"response.completed"' in data[:64]),
}
_WHOLE_TEXT: Final[dict[str, Callable[[Any], str]]] = {
    "anthropic_messages": lambda body: body["content"][0]["text"],
    "openai_chat": lambda body: body["choices"][0]["message"]["content"],
    "openai_responses": lambda body: body["output"][-1]["content"][0]["text"],
}
