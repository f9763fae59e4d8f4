"""An upstream's answer as it passes through: bytes untouched, usage and end noticed.

Three kinds go by: an event stream (the dialect's tap watches it), a whole body (kept, up to a
bound, to read its usage), and an error body (passed on, not read).
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import orjson

from dialects.dialect import Dialect
from dialects.usage import Usage
from services.relay.exchange import Disconnected, Exchange, TimedOut

# A whole answer below this leaves as one message; what is larger leaves as it comes.
WHOLE_BYTES: Final = 1024 * 1024
# Of a larger whole answer at most this much is kept to read its usage.
KEPT_BYTES: Final = 16 * 1024 * 1024
# An event's text is about its size without the frame around it; a token is about four bytes.
FRAME_BYTES: Final = 160
TOKEN_BYTES: Final = 4
# After the dialect's terminal event only the end of the body may follow.
TAIL_S: Final = 2.0


class End(Enum):
    """How an answer ended."""

    COMPLETE = "complete"
    UPSTREAM_ERROR = "upstream_error"
    TRUNCATED = "truncated"


class Answer:
    """One answer; ``first`` holds the bytes read while it was judged."""

    def __init__(self, exchange: Exchange, dialect: Dialect) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._tap = dialect.tap()
        self._kept: list[bytes] = []
        self._size = 0
        self._frames = 0
        self._is_broken = False
        self._is_over = False
        self.first = b""
        self.is_success = False  # the status is 2xx
        self.is_stream = False  # and an event stream comes

    async def begin(self) -> None:
        """Open the exchange and read its first bytes. Raises an ExchangeError."""
        await self._exchange.open()
        kind = self.headers.get("content-type", "").lower()
        self.is_success = 200 <= self.status < 300
        self.is_stream = self.is_success and kind.startswith("text/event-stream")
        if self.is_stream:
            self.first = await self.read()
            if not self.first:
                raise Disconnected
            return
        parts: list[bytes] = []
        size = 0
        while size < WHOLE_BYTES and (chunk := await self.read()):
            parts.append(chunk)
            size += len(chunk)
        self.first = b"".join(parts)

    async def read(self) -> bytes:
        """The next bytes, or b"" when the answer is over. Raises an ExchangeError."""
        within_s = TAIL_S if self.is_stream and self._tap.is_complete else None
        try:
            chunk = await self._exchange.read(within_s)
        except Disconnected:
            if not self._size:
                raise
            self._is_broken = True
            chunk = b""
        except TimedOut:
            if within_s is None:
                raise
            chunk = b""
        if chunk:
            self._notice(chunk)
        else:
            self._is_over = True
        return chunk

    @property
    def status(self) -> int:
        """The upstream's HTTP status."""
        return self._exchange.status

    @property
    def headers(self) -> dict[str, str]:
        """The upstream's headers that may pass."""
        return self._exchange.headers

    @property
    def upstream_request_id(self) -> str:
        """The upstream's own name for the request."""
        return self._exchange.upstream_request_id

    @property
    def is_over(self) -> bool:
        """Whether the last byte has been given out."""
        return self._is_over or self._exchange.at_eof

    @property
    def opens_with_error(self) -> bool:
        """Whether an error event stands where content should."""
        return self.is_stream and self._tap.failure is not None and not self._tap.has_content

    def close(self) -> None:
        """Close the exchange."""
        self._exchange.close()

    def finish(self) -> tuple[End, Usage]:
        """How it ended and what it used, as far as the upstream told."""
        if not self.is_success:
            return End.UPSTREAM_ERROR, Usage()
        if self.is_stream:
            self._tap.close()
            return self._stream_end(), self._tap.usage
        return self._whole_end()

    @property
    def usage(self) -> Usage:
        """What the upstream told so far, where the answer is a stream."""
        return self._tap.usage

    @property
    def output_estimate(self) -> int:
        """About how many tokens went out: an upstream may put many of them into one event."""
        return max(self._frames, (self._size - self._frames * FRAME_BYTES) // TOKEN_BYTES)

    @property
    def output_floor(self) -> int:
        """At least so many tokens went out: one per event, until the upstream tells its total."""
        return 0 if self._tap.has_total else self._frames

    def _notice(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self.is_stream:
            self._frames += chunk.count(b"data:")
            self._tap.receive_data(chunk)
        elif self.is_success and self._size <= KEPT_BYTES:
            self._kept.append(chunk)

    def _stream_end(self) -> End:
        if self._tap.failure is not None:
            return End.UPSTREAM_ERROR
        return End.COMPLETE if self._tap.is_complete else End.TRUNCATED

    def _whole_end(self) -> tuple[End, Usage]:
        if self._is_broken or (not self._is_over and not self._exchange.at_eof):
            return End.TRUNCATED, Usage()
        if self._size > KEPT_BYTES:
            return End.COMPLETE, Usage()
        try:
            body = orjson.loads(b"".join(self._kept))
        except ValueError:
            return End.TRUNCATED, Usage()
        usage = self._dialect.usage_of(body) if isinstance(body, dict) else Usage()
        return End.COMPLETE, usage
