"""Server-sent events as bytes in, frames out (WHATWG HTML, section 9.2, read 2026-11).

The rules that differ from what Python thinks a line is:

1. A line ends at CR, LF or CRLF and nowhere else. ``str.splitlines`` also splits at U+2028 and
   seven other characters that models write inside their text, so lines are cut on bytes.
2. A CR at the end of a read may be the first half of a CRLF; it is held until the next byte.
3. One space after the colon of a field belongs to the syntax, a second one to the value.
4. Several ``data`` lines of one frame join with LF. A frame is dispatched at an empty line.
5. A frame without data is not dispatched. Lines that begin with a colon are comments.
6. The byte order mark is dropped at the very start.
7. Stricter than the standard in one point: at the end of the stream a last frame without its
   empty line still counts, because upstreams forget it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from dialects.errors import Fault, FaultClass, RemoteDialectError

# A frame larger than this is an attack or a fault; the largest recorded one is below 1 MB.
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Frame:
    """One dispatched event: its name ("" where the stream gave none) and its data."""

    event: str
    data: bytes


class FrameSplitter:
    """Cuts a byte stream into frames; any split of the bytes gives the same frames."""

    __slots__ = ("_buffer", "_data", "_event", "_scan", "_size", "_started", "comments")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._data: list[bytes] = []
        self._event = ""
        self._size = 0
        self._started = False
        self.comments = 0

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes; give the frames they complete. RemoteDialectError on an oversized frame."""
        self._buffer += data
        if not self._started:
            if len(self._buffer) < 3 and b"\xef\xbb\xbf".startswith(self._buffer):
                return []
            if self._buffer.startswith(b"\xef\xbb\xbf"):
                del self._buffer[:3]
            self._started = True
        return self._split()

    def close(self) -> list[Frame]:
        """The stream ended: give the last frame, complete or not."""
        frames = self._split()
        if self._buffer:
            rest = bytes(self._buffer).rstrip(b"\r\n")
            self._buffer.clear()
            self._take_line(rest)
        frames += self._dispatch()
        return frames

    def _split(self) -> list[Frame]:
        frames: list[Frame] = []
        buffer, begin = self._buffer, 0
        for match in _LINE_END.finditer(buffer, self._scan):
            if match.group() == b"\r" and match.end() == len(buffer):
                break
            line = bytes(buffer[begin : match.start()])
            begin = match.end()
            if line:
                self._take_line(line)
            else:
                frames += self._dispatch()
        del buffer[:begin]
        self._scan = max(0, len(buffer) - 1)
        if self._size + len(buffer) > MAX_FRAME_BYTES:
            raise RemoteDialectError(
                Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent an oversized event.")
            )
        return frames

    def _take_line(self, line: bytes) -> None:
        if line.startswith(b":"):
            self.comments += 1
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _dispatch(self) -> list[Frame]:
        event, data = self._event, self._data
        self._event, self._data, self._size = "", [], 0
        return [Frame(event, b"\n".join(data))] if data else []


def render_frame(event: str, data: bytes) -> bytes:
    """One frame with an event line (Anthropic, Responses)."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def render_data(data: bytes) -> bytes:
    """One frame of data only (Chat Completions)."""
    return b"data: %b\n\n" % data
