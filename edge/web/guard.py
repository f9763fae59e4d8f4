"""What surrounds every page: hosts checked, safe headers on, failures told without their cause.

The log line of a visit names the route's pattern and never the path: an invitation's path is a
secret.
"""

from __future__ import annotations

import time
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.web.view import View, open_view
from runtime.logs import get_logger

MAX_HEADERS: Final = 100


class PageGuard:
    """ASGI middleware around the pages of one listener."""

    def __init__(self, app: ASGIApp, name: str, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._name = name
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        view = open_view(scope)
        began = time.perf_counter()
        status = 500
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                _add_headers(message, view)
            await send(message)

        try:
            app = self._app if self._is_addressed(scope) else _MISDIRECTED
            await app(scope, receive, send_safely)
        except Exception:
            get_logger().exception("page failed", request_id=view.request_id)
            if not started:
                await _FAILED(scope, receive, send_safely)
        finally:
            get_logger().info(
                "page",
                request_id=view.request_id,
                site=self._name,
                route=getattr(scope.get("route"), "path", ""),
                method=scope["method"],
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
            )

    def _is_addressed(self, scope: Scope) -> bool:
        """Exactly one Host header, of this site where its hosts are known."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or len(scope["headers"]) > MAX_HEADERS:
            return False
        return not self._hosts or hosts[0].rsplit(b":", 1)[0].lower() in self._hosts


_MISDIRECTED: Final = PlainTextResponse("This host is not served here.\n", 421)
_FAILED: Final = PlainTextResponse("The page could not be made. The failure was recorded.\n", 500)


def _add_headers(message: Message, view: View) -> None:
    headers = MutableHeaders(scope=message)
    headers.setdefault("cache-control", "no-store")
    headers["x-request-id"] = view.request_id
    headers["content-security-policy"] = (
        "default-src 'none'; "
        f"script-src 'nonce-{view.nonce}'; style-src 'nonce-{view.nonce}'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers["x-frame-options"] = "DENY"
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "same-origin"
    headers["cross-origin-opener-policy"] = "same-origin"
    headers["cross-origin-resource-policy"] = "same-origin"
    headers["permissions-policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
