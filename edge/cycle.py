"""One request on a connection, and its answer in as few writes as it can have.

uvicorn writes a head the moment it is told, and the body after it: two calls of the system and two
packets for an answer of one piece. Here a head that says how long its body is waits for it. What
an answer's headers hold is checked in the head as it stands, not name by name.
"""

from __future__ import annotations

from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = list[tuple[bytes, bytes]]


class Cycle(RequestResponseCycle):
    """See the module. Names of headers are lower-case, as ASGI has it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._head = b""  # what waits for the body
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> None:
        """A piece of the request's body came."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    async def receive(self) -> Any:
        """What came of the body since, or that nobody is there any more."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self._pieces, self._size = b"".join(self._pieces), [], 0
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """As ASGI has it; RuntimeError where messages come out of order."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_complete:
            raise RuntimeError("the answer is complete")
        if self.response_started:
            self._write_body(message)
        else:
            self._begin(message)

    def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError("an answer begins with its status")
        status, headers = message["status"], [*self.default_headers, *message.get("headers", ())]
        self.response_started = True
        self.waiting_for_100_continue = False
        named = dict(headers)
        length = named.get(b"content-length")
        if b"close" in named.get(b"connection", b"").lower():
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        self.chunked_encoding = False
        if length is not None:
            self.expected_content_length = int(length)
        elif self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            headers.append((b"transfer-encoding", b"chunked"))
        head = _render(status, headers)
        if self.expected_content_length:
            self._head = head
        else:
            self.transport.write(head)

    def _write_body(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError("an answer has one status")
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            self.expected_content_length, body = 0, b""
        elif self.chunked_encoding:
            end = b"0\r\n\r\n" if is_last else b""
            body = b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                raise RuntimeError("the body is longer than its content-length")
        if self._head:
            self.transport.writelines((self._head, body))
            self._head = b""
        elif body:
            self.transport.write(body)
        if is_last:
            self._end()

    def _end(self) -> None:
        if self.expected_content_length:
            raise RuntimeError("the body is shorter than its content-length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _render(status: int, headers: Headers) -> bytes:
    """The head in bytes; RuntimeError where a header would break out of its line."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    count = len(headers)
    if lines.count(b"\n") != count or lines.count(b"\r") != count or b"\0" in lines:
        raise RuntimeError("a header holds what no header may")
    return b"%b%b\r\n" % (STATUS_LINE[status], lines)
