"""Watches a Responses stream that passes untouched.

Nothing is decoded but the frames that can matter: bytes are cut at frame ends and searched for
the few event names below; a model that writes such a name in its text costs one needless parse.
The terminal frame holds the whole answer and can be megabytes; one beyond the limit is read from
its two ends.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.openai_responses.fault import fault_of
from dialects.openai_responses.payload import object_of, parse_object, text_of
from dialects.openai_responses.usage import parse_usage
from dialects.sse import MAX_FRAME_BYTES, FrameSplitter
from dialects.usage import Usage

_OPENING: Final = frozenset(
    {"response.created", "response.in_progress", "response.queued", "keepalive", ""}
)
_COMPLETE: Final = frozenset({"response.completed", "response.incomplete"})
_FRAME_ENDS: Final = (b"\n\n", b"\n\r\n", b"\r\r")
_END_BYTES: Final = 128 * 1024
_KIND: Final = re.compile(rb'"type"\s*:\s*"(response\.(?:completed|incomplete|failed))"')
_USAGE: Final = re.compile(r'"usage"\s*:\s*(?=\{)')


class StreamTap:
    """Usage, end and failure of a stream, noticed on the way."""

    __slots__ = (
        "_buffer",
        "_failure",
        "_has_content",
        "_is_complete",
        "_is_cut",
        "_scan",
        "_usage",
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._is_cut = False
        self._usage = Usage()
        self._is_complete = False
        self._has_content = False
        self._failure: Fault | None = None

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def has_total(self) -> bool:
        """Only a terminal event tells usage."""
        return self._usage.output is not None

    @property
    def is_complete(self) -> bool:
        """Whether the dialect's terminal event went by."""
        return self._is_complete

    @property
    def has_content(self) -> bool:
        """Whether anything but keep-alives and the opening event went by."""
        return self._has_content

    @property
    def failure(self) -> Fault | None:
        """The error event that went by, if one did."""
        return self._failure

    def receive_data(self, data: bytes) -> None:
        if not self._buffer and data.endswith(b"\n\n"):
            self._look(data)
            return
        self._buffer += data
        end = -1
        for mark in _FRAME_ENDS:
            at = self._buffer.rfind(mark, self._scan)
            end = max(end, at + len(mark)) if at >= 0 else end
        if end >= 0:
            region = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._look(region)
        self._scan = max(0, len(self._buffer) - 2)
        if len(self._buffer) > MAX_FRAME_BYTES:
            del self._buffer[_END_BYTES:-_END_BYTES]
            self._scan = len(self._buffer) - 2
            self._is_cut = True

    def close(self) -> None:
        region, self._buffer = bytes(self._buffer), bytearray()
        self._look(region)

    def _look(self, region: bytes) -> None:
        is_cut, self._is_cut = self._is_cut, False
        if self._has_content and not _is_marked(region):
            return
        if is_cut:
            self._look_at_ends(region)
            return
        splitter = FrameSplitter()
        try:
            frames = splitter.receive_data(region) + splitter.close()
        except RemoteDialectError:
            self._look_at_ends(region)
            return
        for frame in frames:
            if not self._has_content or _is_marked(frame.data):
                self._take(parse_object(frame.data) or {})

    def _take(self, event: dict[str, Any]) -> None:
        kind = text_of(event.get("type"))
        if kind in _COMPLETE or kind == "response.failed":
            response = object_of(event.get("response"))
            self._usage = self._usage.merge(parse_usage(object_of(response.get("usage"))))
            self._is_complete = True
            if kind in _COMPLETE:
                self._has_content = True
            elif self._failure is None:
                self._failure = fault_of(200, object_of(response.get("error")))
        elif kind == "error" or (not kind and event.get("error")):
            self._failure = self._failure or fault_of(200, event)
        elif kind not in _OPENING:
            self._has_content = True

    def _look_at_ends(self, region: bytes) -> None:
        """A frame too large to parse: its type stands at the start or the end, usage likewise."""
        self._has_content = True
        ends = region[:_END_BYTES] + b"\n" + region[-_END_BYTES:]
        kind = _KIND.search(ends)
        if kind is None:
            return
        self._is_complete = True
        if kind.group(1) == b"response.failed" and self._failure is None:
            self._failure = Fault(FaultClass.UPSTREAM_ERROR, "The upstream failed.")
        text = ends.decode("utf-8", "replace")
        for match in _USAGE.finditer(text):
            try:
                report, _ = json.JSONDecoder().raw_decode(text, match.end())
            except ValueError:
                continue
            self._usage = self._usage.merge(parse_usage(report))


def _is_marked(data: bytes) -> bool:
    """Whether a frame that can matter may be in ``data``."""
    return (
        b"response.completed" in data
        or b"response.incomplete" in data
        or b"response.failed" in data
        or b'"error"' in data
    )
