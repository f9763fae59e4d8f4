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


class Frame(Struct, frozen=True, gc=False):
    """One dispatched event: its name (b"" where the stream gave none) and its data."""

    event: bytes
    data: bytes


class FrameSplitter:
    """Cuts a byte stream into frames; any split of the bytes gives the same frames.

    A stream without CR (all but a few) is cut at its empty lines, whole frames at a time; the
    first CR turns to the general rules for good.
    """

    __slots__ = ("_buffer", "_data", "_event", "_has_cr", "_is_started", "_scan", "_size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._data: list[bytes] = []
        self._event = b""
        self._size = 0
        self._is_started = False
        self._has_cr = False

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take bytes; give the frames they complete. RemoteDialectError on an oversized frame."""
        if not self._is_started:
            data = self._begin(data)
            if not self._is_started:
                return []
        if self._has_cr or b"\r" in data:
            self._has_cr = True
            return self._split(data)
        return self._cut(data)

    def _begin(self, data: bytes) -> bytes:
        """The bytes to cut; b"" while too few came to know how the stream begins."""
        data = bytes(self._buffer) + data
        self._buffer.clear()
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._buffer += data
            return b""
        self._is_started = True
        return data.removeprefix(_BOM)

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
            head, is_plain, value = block.partition(b"data: ")
            if is_plain and b"\n" not in value:
                if not head:
                    frames.append(Frame(b"", value))
                    continue
                if head.startswith(b"event: ") and head.find(b"\n") == len(head) - 1:
                    frames.append(Frame(head[7:-1], value))
                    continue
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
            self._event = value.removeprefix(b" ")

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append(Frame(self._event, b"\n".join(self._data)))
        self._event, self._data, self._size = b"", [], 0


class StreamInlet(FrameSplitter):
    """Frames of an upstream's answer, or ``body``: the JSON or HTML it sent instead under 200."""

    __slots__ = ("body",)

    def __init__(self) -> None:
        super().__init__()
        self.body: bytearray | None = None

    def _begin(self, data: bytes) -> bytes:
        """The first visible byte tells what this is; a body is kept here, and nothing is cut."""
        if self.body is None:
            known = bytes(self._buffer) + data
            begin = known.lstrip(_BLANKS)[:1]
            is_body = begin in (b"{", b"[", b"<")
            if not is_body and (begin or len(known) > MAX_FRAME_BYTES):
                return super()._begin(data)
            if not begin:
                self._buffer += data
                return b""
            self.body, self._buffer = self._buffer, bytearray()
        self.body += data
        if len(self.body) > MAX_BODY_BYTES:
            raise RemoteDialectError(_TOO_LARGE)
        return b""


def render_frame(event: str, data: bytes) -> bytes:
    """One frame with an event line (Anthropic, Responses)."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), data)


def render_data(data: bytes) -> bytes:
    """One frame of data only (Chat Completions)."""
    return b"data: %b\n\n" % data
