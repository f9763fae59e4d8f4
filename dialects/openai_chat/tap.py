"""Watches a Chat stream go by: searches bytes, parses nothing until it is asked.

Escaped quotes inside a string never match the patterns below: a key's closing quote is bare, one
inside a string is ``\\"``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dialects import json_text
from dialects.errors import Fault
from dialects.openai_chat.fault import fault_of, find_error
from dialects.openai_chat.usage import usage_of
from dialects.sse import MAX_FRAME_BYTES
from dialects.usage import Usage

_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_FINISH: Final = re.compile(rb'"finish_reason"\s*:\s*"[^"]')
_ERROR: Final = re.compile(rb'"error"\s*:\s*[{"]|^event:\s?error', re.MULTILINE)
_DONE: Final = re.compile(rb"data:[ \t]*\[DONE\]")
_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|arguments|input|name)"\s*:\s*"[^"]'
    rb'|"(?:content|tool_calls|reasoning_details)"\s*:\s*\[\s*\{'
)
_LINE_ENDS: Final = re.compile(rb"[\r\n]+")


class ChatTap:
    """Works on whole lines; only the last line that shows usage is kept."""

    __slots__ = ("_error_line", "_finished", "_has_content", "_rest", "_usage_lines")

    def __init__(self) -> None:
        self._rest = b""
        self._finished = False
        self._has_content = False
        self._usage_lines: list[bytes] = []  # the first and the last: servers add details late
        self._error_line = b""

    def receive_data(self, data: bytes) -> None:
        """Look at bytes; any split of the stream leads to the same findings."""
        if not self._rest and data.endswith(b"\n"):
            self._search(data)
            return
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end:
            self._rest += data
            if len(self._rest) > MAX_FRAME_BYTES:
                self._rest = b""
            return
        block, self._rest = self._rest + data[:end], data[end:]
        self._search(block)

    def close(self) -> None:
        """The stream ended: the last line counts even without its end."""
        self._search(self._rest)
        self._rest = b""

    def _search(self, block: bytes) -> None:
        # Almost every chunk says null for both: counting that is cheaper than any pattern.
        if block.count(b'"usage"') != block.count(b'"usage":null') and _USAGE.search(block):
            self._usage_lines[1:] = [
                line for line in _LINE_ENDS.split(block) if _USAGE.search(line)
            ][-1:]
        if not self._finished:
            is_open = block.count(b'"finish_reason"') == block.count(b'"finish_reason":null')
            self._finished = bool(
                (not is_open and _FINISH.search(block))
                or (b"[DONE]" in block and _DONE.search(block))
            )
        if not self._has_content:
            self._has_content = bool(_CONTENT.search(block))
        if not self._error_line and b"error" in block and _ERROR.search(block):
            self._error_line = self._find_error(block)

    @staticmethod
    def _find_error(block: bytes) -> bytes:
        # Text may speak of errors too: only a line that tells one counts.
        for line in _LINE_ENDS.split(block):
            if line.startswith(b"data:") and b"rror" in line and find_error(_parse_line(line)):
                return line
        return b""

    @property
    def usage(self) -> Usage:
        """The usage reported so far; Usage() where there was none."""
        found = Usage()
        for line in self._usage_lines:
            found = found.merge(usage_of(_parse_line(line)))
        return found

    @property
    def has_total(self) -> bool:
        """Some servers tell a running count with every chunk; the last one follows the finish."""
        return self._finished and bool(self._usage_lines)

    @property
    def is_complete(self) -> bool:
        """Whether a finish reason or [DONE] went by; many servers send only one of them."""
        return self._finished and self.failure is None

    @property
    def has_content(self) -> bool:
        """Whether anything but keep-alives and the role went by."""
        return self._has_content

    @property
    def failure(self) -> Fault | None:
        """The error event that went by, if one did."""
        error = find_error(_parse_line(self._error_line)) if self._error_line else None
        return fault_of(error) if error else None


def _parse_line(line: bytes) -> dict[str, Any]:
    try:
        value = json_text.parse(line.removeprefix(b"data:").strip())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
