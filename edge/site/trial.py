"""Trying an example from its page: the request goes to the surfaces of this very process.

The visitor's key comes in a form, goes into the request and is kept nowhere. Everything that holds
for a request from outside holds here: the host's check, the throttle on guessed keys, the limits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Scope

from edge.site.example import Call, render_body

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_KEY_LENGTH: Final = 128
LIMIT_S: Final = 60.0
# What of the answer's headers is worth a look.
_SHOWN: Final = ("content-type", "x-request-id", "retry-after", "x-gatebeyz-count")


@dataclass(slots=True)
class Trial:
    """What came back. ``is_cut``: there was more than is shown, or it took too long."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_cut: bool = False

    @property
    def text(self) -> str:
        """The body, as far as it is shown."""
        return self.body[:MAX_ANSWER_BYTES].decode("utf-8", "replace")


def is_presentable(key: str) -> bool:
    """Whether a text may stand in a header."""
    return 0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()


async def run_trial(surfaces: ASGIApp, call: Call, base_url: str, key: str, visit: Scope) -> Trial:
    """Make the call as the visitor would, and wait for its answer within bounds."""
    trial, enough = Trial(), asyncio.Event()
    body = render_body(call.body).encode() if call.body else b""
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            trial.status = message["status"]
            headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            trial.headers = {name: headers[name] for name in _SHOWN if name in headers}
            return
        trial.body += message.get("body", b"")
        if len(trial.body) > MAX_ANSWER_BYTES:
            trial.is_cut = True
            enough.set()

    try:
        async with asyncio.timeout(LIMIT_S):
            await surfaces(_scope_of(call, base_url, key, visit, len(body)), receive, send)
    except TimeoutError:
        trial.is_cut = True
    return trial


def _scope_of(call: Call, base_url: str, key: str, visit: Scope, length: int) -> Scope:
    parts = urlsplit(base_url)
    lines = [header.format(key=key).split(": ", 1) for header in call.headers]
    headers = [(name.lower().encode(), value.encode()) for name, value in lines]
    headers += [(b"host", parts.netloc.encode()), (b"content-length", str(length).encode())]
    if call.body:
        headers.append((b"content-type", b"application/json"))
    # Whose address counts is decided there, from the same header and the same proxies as always.
    headers += [(name, value) for name, value in visit["headers"] if name == b"x-forwarded-for"]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST" if call.body else "GET",
        "scheme": parts.scheme,
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": visit["client"],
        "server": None,
    }
    return scope
