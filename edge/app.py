"""One product's public face: paths to surfaces, one middleware around them, all plain ASGI.

Decisions rest on ``scope["path"]``; nothing reads the Host header but the host check itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dialects.errors import Fault, FaultClass
from dialects.registry import DIALECTS
from edge.admittance import Admittance
from edge.count_charge import CountCharge
from edge.counting import CountAllowance
from edge.drain import Drain, closing
from edge.event_stream import Patience
from edge.faults import send_fault
from edge.surfaces.count_tokens import CountTokensSurface
from edge.surfaces.inference import InferenceSurface
from edge.surfaces.models import ModelsSurface
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.counter.v1 import counter_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from runtime.catalog import Catalog
from runtime.identity import new_request_id
from runtime.metrics import READY

_OPENAI_PATHS: Final = ("/v1/chat/completions", "/v1/responses")
# Asked by address: no host rule holds for them.
_PROBES: Final = ("/healthz", "/livez")
MAX_HEADERS: Final = 100


@dataclass(frozen=True, slots=True)
class Stubs:
    """The services an app calls, and what counts of tokens are held to: how many, for how much."""

    counter: Any
    relay: Any
    counts_per_minute: int
    charge: CountCharge

    @classmethod
    def of(
        cls,
        auth: grpc.aio.Channel,
        counter: grpc.aio.Channel,
        relay: Any,
        counts_per_minute: int,
        catalog: Callable[[], Catalog],
    ) -> Stubs:
        """Over the channels of the services that nothing else calls by these stubs."""
        charge = CountCharge(ledger_pb2_grpc.LedgerServiceStub(auth), catalog)
        return cls(counter_pb2_grpc.CounterServiceStub(counter), relay, counts_per_minute, charge)


def create_app(
    admittance: Admittance,
    stubs: Stubs,
    drain: Drain,
    patience: Patience,
    hosts: tuple[str, ...],
    is_ready: Callable[[], Awaitable[bool]],
) -> ASGIApp:
    """The app of one listener: the monthly API, or the Claude Credits surfaces alone."""
    surfaces: dict[str, ASGIApp] = {
        "/v1/messages": InferenceSurface(
            DIALECTS["anthropic_messages"], admittance, drain, patience
        ),
        "/v1/messages/count_tokens": CountTokensSurface(
            admittance,
            stubs.counter,
            stubs.relay,
            CountAllowance(stubs.counts_per_minute),
            stubs.charge,
        ),
    }
    if admittance.product == auth_pb2.PRODUCT_API:
        for name in ("openai_chat", "openai_responses"):
            dialect = DIALECTS[name]
            surfaces[dialect.path] = InferenceSurface(dialect, admittance, drain, patience)

    async def ready(_request: Request) -> Response:
        serving = not drain.is_begun and await is_ready()
        READY.set(serving)
        return JSONResponse({"ready": serving}, status_code=200 if serving else 503)

    async def alive(_request: Request) -> Response:
        return JSONResponse({"alive": True})

    starlette = Starlette(routes=[Route("/healthz", ready), Route("/livez", alive)])
    starlette.router.redirect_slashes = False
    return Gate(surfaces, ModelsSurface(admittance), starlette, drain, hosts)


class Gate:
    """Hosts, methods and unknown paths, each answered in the envelope its caller expects."""

    def __init__(
        self,
        surfaces: dict[str, ASGIApp],
        models: ASGIApp,
        pages: ASGIApp,
        drain: Drain,
        hosts: tuple[str, ...],
    ) -> None:
        self._surfaces = surfaces
        self._models = models
        self._pages = pages
        self._drain = drain
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._pages(scope, receive, send)
            elif scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        if self._drain.is_begun:
            send = closing(send)
        fault = self._check(scope)
        path: str = scope["path"]
        app, methods = self._find(path)
        if fault is None and app is None:
            fault = Fault(FaultClass.NOT_FOUND, "There is no such endpoint.")
        elif fault is None and scope["method"] not in methods:
            allowed = " or ".join(methods)
            fault = Fault(FaultClass.METHOD_NOT_ALLOWED, f"Use {allowed} on this endpoint.")
        if fault is not None or app is None:
            assert fault is not None
            await self._refuse(scope, receive, send, fault)
            return
        await app(scope, receive, send)

    def _find(self, path: str) -> tuple[ASGIApp | None, tuple[str, ...]]:
        surface = self._surfaces.get(path)
        if surface is not None:
            return surface, ("POST",)
        if path == "/v1/models" or path.startswith("/v1/models/"):
            return self._models, ("GET", "HEAD")
        if path in _PROBES:
            return self._pages, ("GET", "HEAD")
        return None, ()

    def _check(self, scope: Scope) -> Fault | None:
        """Rules that hold for every path."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return Fault(FaultClass.BAD_REQUEST, "Exactly one Host header is required.")
        if len(scope["headers"]) > MAX_HEADERS:
            return Fault(FaultClass.BAD_REQUEST, "Too many headers.")
        name = hosts[0].rsplit(b":", 1)[0].lower()
        if self._hosts and name not in self._hosts and scope["path"] not in _PROBES:
            return Fault(FaultClass.NOT_FOUND, "This host is not served here.")
        return None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, fault: Fault) -> None:
        path: str = scope["path"]
        is_openai = path.startswith(_OPENAI_PATHS) or (
            not path.startswith("/v1/messages")
            and not any(name == b"anthropic-version" for name, _ in scope["headers"])
        )
        dialect = DIALECTS["openai_chat" if is_openai else "anthropic_messages"]
        await send_fault(scope, send, dialect, fault, new_request_id())
