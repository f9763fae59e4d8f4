"""Watches an Anthropic stream go by, untouched, at a cost that does not grow with the stream.

Only the lines that name one of four events are parsed. Inside a JSON string a quotation mark is
escaped, so the quoted words below cannot stand in a model's text.
"""

from __future__ import annotations

import re
from typing import Final

from dialects import json_text
from dialects.anthropic_messages.fault import fault_of
from dialects.anthropic_messages.usage import parse_usage
from dialects.errors import Fault
from dialects.sse import MAX_FRAME_BYTES
from dialects.usage import Usage

_WANTED: Final = re.compile(rb'"(?:message_start|message_delta|message_stop|error)"')
_LINE_END: Final = re.compile(rb"[\r\n]")
_CONTENT: Final = b'"content_block_start"'


class MessagesTap:
    """See :class:`dialects.dialect.Tap`."""

    __slots__ = ("_failure", "_has_content", "_has_total", "_is_complete", "_rest", "_usage")

    def __init__(self) -> None:
        self._rest = bytearray()  # the line that is not whole yet
        self._usage = Usage()
        self._is_complete = False
        self._has_content = False
        self._has_total = False
        self._failure: Fault | None = None

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def has_total(self) -> bool:
        return self._has_total

    @property
    def is_complete(self) -> bool:
        return self._is_complete

    @property
    def has_content(self) -> bool:
        return self._has_content

    @property
    def failure(self) -> Fault | None:
        return self._failure

    def receive_data(self, data: bytes) -> None:
        if self._is_complete:
            return
        if not self._rest and data.endswith(b"\n"):
            self._scan(data)
            return
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not cut:
            self._keep(data)
            return
        whole = bytes(self._rest) + data[:cut] if self._rest else data[:cut]
        self._rest.clear()
        self._keep(data[cut:])
        self._scan(whole)

    def close(self) -> None:
        """The stream ended; a last line without its end still counts."""
        if self._rest:
            self._scan(bytes(self._rest) + b"\n")
            self._rest.clear()

    def _keep(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > MAX_FRAME_BYTES:
            self._rest.clear()

    def _scan(self, lines: bytes) -> None:
        if not self._has_content:
            self._has_content = _CONTENT in lines
        if b'"message_' not in lines and b'"error"' not in lines:
            return
        begin = 0
        while not self._is_complete and (match := _WANTED.search(lines, begin)):
            start = (
                max(lines.rfind(b"\n", 0, match.start()), lines.rfind(b"\r", 0, match.start())) + 1
            )
            end = _LINE_END.search(lines, match.end())
            begin = end.end() if end else len(lines)
            self._take_line(lines[start:begin])

    def _take_line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        try:
            event = json_text.parse(line[5:])
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        match event.get("type"):
            case "message_start":
                message = event.get("message")
                self._take_usage(message.get("usage") if isinstance(message, dict) else None)
            case "message_delta":
                self._has_total |= self._take_usage(event.get("usage"))
            case "message_stop":
                self._is_complete = True
            case "error":
                self._failure = fault_of(event)
            case _:
                return

    def _take_usage(self, body: object) -> bool:
        """Whether it told of the output."""
        told = parse_usage(body, self._usage)
        self._usage = self._usage.merge(told)
        return told.output is not None
