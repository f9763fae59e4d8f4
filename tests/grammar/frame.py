"""Frames, strictly: what every dialect's checker is built on.

Nothing is forgiven here that a lenient parser would pass over: a frame is an optional ``event``
line and one ``data`` line, or one comment line, each ended by LF, and an empty line after it.
"""

from __future__ import annotations

import json
from typing import Any


class GrammarError(AssertionError):
    """A stream breaks a rule of its dialect; the text says which, and where."""


class Checker:
    """Cuts bytes into frames and gives each to ``take``; a subclass knows the dialect."""

    def __init__(self) -> None:
        self._buffer = b""
        self._frames = 0
        self.is_over = False

    def receive_data(self, data: bytes) -> None:
        """Take bytes; GrammarError at the first rule they break."""
        self._buffer += data
        while (end := self._buffer.find(b"\n\n")) >= 0:
            frame, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
            self._take_frame(frame)

    def close(self) -> None:
        """The stream is over; GrammarError where it should not be."""
        self.demand(not self._buffer, f"half a frame at the end: {self._buffer[:80]!r}")
        self.demand(self.is_over, "the stream ended without its terminal event")

    def demand(self, holds: bool, rule: str) -> None:
        """The rule must hold."""
        if not holds:
            raise GrammarError(f"frame {self._frames}: {rule}")

    def take(self, event: str | None, data: bytes) -> None:
        """One frame: its event line, if it has one, and its data."""
        raise NotImplementedError

    def parse(self, data: bytes) -> dict[str, Any]:
        """The frame's JSON object."""
        try:
            value = json.loads(data.decode())
        except ValueError as error:
            raise GrammarError(f"frame {self._frames}: not JSON: {error}") from None
        self.demand(isinstance(value, dict), "not a JSON object")
        return dict(value)

    def _take_frame(self, frame: bytes) -> None:
        self._frames += 1
        self.demand(b"\r" not in frame, "a carriage return")
        lines = frame.split(b"\n")
        if lines[0].startswith(b":"):
            self.demand(len(lines) == 1, "a comment is a frame of its own")
            self.demand(not self.is_over, "a comment after the terminal event")
            return
        event = None
        if lines[0].startswith(b"event: "):
            event = lines.pop(0)[7:].decode()
        self.demand(
            len(lines) == 1 and lines[0].startswith(b"data: "), f"not one data line: {frame[:80]!r}"
        )
        self.demand(not self.is_over, f"a frame after the terminal event: {frame[:80]!r}")
        self.take(event, lines[0][6:])
