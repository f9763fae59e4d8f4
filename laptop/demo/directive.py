"""Directives: words in the user's text that tell the demo upstream to misbehave on purpose.

========================  ==========================================================
``demo:slow MS``          wait MS milliseconds before each event (or the whole body)
``demo:error STATUS``     answer that HTTP status in the dialect's error envelope
``demo:fail N``           stream N events, then the dialect's error event
``demo:truncate N``       stop after N events, without a terminal event
``demo:stall N``          send N events, then nothing more while the caller waits
``demo:hang``             accept the request and never answer
``demo:refuse``           refuse, as the dialect does
``demo:repeat N``         say the text N times
``demo:cached N``         report N input tokens as read from the cache
``demo:think``            think, and show it, though nobody asked
``demo:empty``            say nothing at all
``demo:redacted``         add a redacted thinking block (Anthropic)
``demo:nousage``          leave the usage out (Chat Completions)
``demo:future``           add a field and, on a stream, an event nobody knows yet (Anthropic)
========================  ==========================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"\bdemo:([a-z]+)(?:[ =](\d{1,9}))?[ ]?")
_MAX_REPEAT = 100_000
_MAX_DELAY_MS = 600_000


@dataclass(frozen=True, slots=True)
class Directives:
    """What one request asked for; event counts are ``None`` where nothing was asked."""

    delay_s: float = 0.0
    error_status: int | None = None
    fail_after: int | None = None
    truncate_after: int | None = None
    stall_after: int | None = None
    hang: bool = False
    refuse: bool = False
    repeat: int = 1
    cached_tokens: int = 0
    think: bool = False
    empty: bool = False
    redacted: bool = False
    no_usage: bool = False
    future: bool = False


def parse_directives(text: str) -> tuple[Directives, str]:
    """The directives of ``text`` and the text without them."""
    asked = {name: int(number or 0) for name, number in _DIRECTIVE.findall(text)}
    status = asked.get("error")
    return Directives(
        delay_s=min(asked.get("slow", 0), _MAX_DELAY_MS) / 1000,
        error_status=None if status is None else (status if 400 <= status <= 599 else 500),
        fail_after=asked.get("fail"),
        truncate_after=asked.get("truncate"),
        stall_after=asked.get("stall"),
        hang="hang" in asked,
        refuse="refuse" in asked,
        repeat=max(1, min(asked.get("repeat", 1), _MAX_REPEAT)),
        cached_tokens=asked.get("cached", 0),
        think="think" in asked,
        empty="empty" in asked,
        redacted="redacted" in asked,
        no_usage="nousage" in asked,
        future="future" in asked,
    ), _DIRECTIVE.sub("", text)
