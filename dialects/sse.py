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
from typing import Final

from msgspec import Struct

from dialects.errors import Fault, FaultClass, RemoteDialectError

# A frame larger than this is an attack or a fault; the largest recorded one is below 1 MB.
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
# A plain body in place of a stream is kept whole until it is read.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = _BOM + b" \t\r\n"
_OVERSIZED: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent an oversized event.")
_TOO_LARGE: Final = Fault(FaultClass.UPSTREAM_ERROR, "The upstream's answer is too large.")


class Frame(Struct, frozen=True):
    """One dispatched event: its name ("" where the stream gave none) and its data."""

    event: str
    data: bytes


class FrameSplitter:
    """Cuts a byte stream into frames; any split of the bytes gives the same frames.

    A stream without CR (all but a few) is cut at its empty lines, whole frames at a time; the
    first CR turns to the general rules for good.
    """

    __slots__ = ("_buffer", "_data", "_event", "_has_cr", "_scan", "_size", "_started")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._data: list[bytes] = []
        self._event = ""
        self._size = 0
        self._started = False
        self._has_cr = False

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes; give the frames they complete. RemoteDialectError on an oversized frame."""
        if not self._started:
            data = bytes(self._buffer) + data
            self._buffer.clear()
            if len(data) < 3 and _BOM.startswith(data):
                self._buffer += data
                return []
            data = data.removeprefix(_BOM)
            self._started = True
        if not self._has_cr and b"\r" in data:
            self._has_cr = True
            self._scan = 0
        return self._split(data) if self._has_cr else self._cut(data)

    def close(self) -> list[Frame]:
        """The stream ended: give the last frame, complete or not."""
        frames = self._split(b"")
        if self._buffer:
            rest = bytes(self._buffer).rstrip(b"\r\n")
            self._buffer.clear()
            self._take_line(rest)
        self._dispatch(frames)
        return frames

    def _cut(self, data: bytes) -> list[Frame]:
        """The frames before the last empty line; lines end in LF only."""
        buffer = self._buffer
        if buffer:
            scan = max(0, len(buffer) - 1)
            buffer += data
            end = buffer.rfind(b"\n\n", scan)
            if end < 0:
                self._check_size(len(buffer))
                return []
            data = bytes(buffer)
            buffer.clear()
        else:
            end = data.rfind(b"\n\n")
        if end < 0:
            buffer += data
            self._check_size(len(buffer))
            return []
        if end + 2 < len(data):
            buffer += data[end + 2 :]
            self._check_size(len(buffer))
        frames: list[Frame] = []
        blocks = data[:end].split(b"\n\n")
        if len(data) > MAX_FRAME_BYTES:
            self._check_size(max(map(len, blocks)))
        for block in blocks:
            head, is_two, rest = block.partition(b"\n")
            if not is_two and head.startswith(b"data: "):
                frames.append(Frame("", head[6:]))
            elif head.startswith(b"event: ") and rest.startswith(b"data: ") and b"\n" not in rest:
                frames.append(Frame(head[7:].decode("utf-8", "replace"), rest[6:]))
            else:
                for line in filter(None, block.split(b"\n")):
                    self._take_line(line)
                self._dispatch(frames)
        return frames

    def _split(self, data: bytes) -> list[Frame]:
        """The frames complete so far; lines end in CR, LF or CRLF."""
        self._buffer += data
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
                self._dispatch(frames)
        del buffer[:begin]
        self._scan = max(0, len(buffer) - 1)
        self._check_size(self._size + len(buffer))
        return frames

    def _check_size(self, size: int) -> None:
        if size > MAX_FRAME_BYTES:
            raise RemoteDialectError(_OVERSIZED)

    def _take_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
        elif name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append(Frame(self._event, b"\n".join(self._data)))
        self._event, self._data, self._size = "", [], 0


class StreamInlet:
    """Frames of an upstream's answer, or ``body``: the JSON or HTML it sent instead under 200."""

    __slots__ = ("_head", "_splitter", "body")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._head: bytes | None = b""  # until the first visible byte tells what this is
        self.body: bytearray | None = None

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes; give the frames they complete. RemoteDialectError on what is too large."""
        if self._head is not None:
            data = self._head + data
            begin = data.lstrip(_BLANKS)[:1]
            if not begin and len(data) < MAX_FRAME_BYTES:
                self._head = data
                return []
            self._head = None
            if begin in (b"{", b"[", b"<"):
                self.body = bytearray()
        if self.body is None:
            return self._splitter.receive_data(data)
        self.body += data
        if len(self.body) > MAX_BODY_BYTES:
            raise RemoteDialectError(_TOO_LARGE)
        return []

    def close(self) -> list[Frame]:
        """The stream ended: the last frame, complete or not."""
        if self.body is not None:
            return []
        head, self._head = self._head, None
        frames = self._splitter.receive_data(head) if head else []
        return frames + self._splitter.close()


def render_frame(event: str, data: bytes) -> bytes:
    """One frame with an event line (Anthropic, Responses)."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def render_data(data: bytes) -> bytes:
    """One frame of data only (Chat Completions)."""
    return b"data: %b\n\n" % data
