"""What every RPC passes on its way in: the caller's token, and errors that keep their secrets."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from runtime import tracing
from runtime.channels import SERVICE_TOKEN_KEY
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault, abort
from runtime.logs import get_logger
from runtime.metrics import observe_rpc

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]

OPEN_SERVICES: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_UNEXPECTED: Final = "The gateway failed to answer. The failure was recorded."


def wrap_handler(handler: Any, guard: Callable[[Any], Any]) -> Any:
    """The same handler with its behaviour replaced."""
    asks = "stream" if handler.request_streaming else "unary"
    kind = f"{asks}_{'stream' if handler.response_streaming else 'unary'}"
    build = getattr(grpc, f"{kind}_rpc_method_handler")
    behaviour = guard(getattr(handler, kind))
    return build(behaviour, handler.request_deserializer, handler.response_serializer)


class FaultInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """ServiceFault → status with details; anything else → INTERNAL with a fixed sentence.

    gRPC would send the text of an unknown exception to the caller. One line is logged per RPC.
    """

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        method = details.method
        if handler is None or method.startswith(OPEN_SERVICES) or handler.request_streaming:
            return handler  # a link guards each of its calls
        guard = _guard_stream if handler.response_streaming else guard_call
        return wrap_handler(handler, lambda inner: guard(method, inner))


def guard_call(
    method: str, inner: Callable[..., Any], *, is_told: bool = False
) -> Callable[..., Any]:
    """``inner`` with its errors as statuses, its span, its line.

    ``is_told`` where ``inner`` logs a line of its own for what goes well.
    """

    async def call(request: Any, context: Any) -> Any:
        begun = time.perf_counter()
        span = _enter_span(method, request, context)
        try:
            answer = await inner(request, context)
        except ServiceFault as fault:
            _log(method, begun, fault.reason)
            span.end(fault.reason)
            await abort(context, fault)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:
            span.end(Reason.INTERNAL)
            await _abort_unexpected(method, begun, context)
        else:
            _log(method, begun, "OK", is_told=is_told)
            return answer
        finally:
            span.end()

    return call


def _guard_stream(method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an ``inner`` that answers with a stream."""

    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        begun = time.perf_counter()
        span = _enter_span(method, request, context)
        try:
            async for answer in inner(request, context):
                yield answer
        except ServiceFault as fault:
            _log(method, begun, fault.reason)
            span.end(fault.reason)
            await abort(context, fault)
        except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:
            span.end(Reason.INTERNAL)
            await _abort_unexpected(method, begun, context)
        else:
            _log(method, begun, "OK")
        finally:
            span.end()

    return call


def _enter_span(method: str, request: Any, context: Any) -> tracing.Span:
    """The span of one RPC. Work that no request began, such as a watch, is not traced."""
    metadata = context.invocation_metadata()
    parent = tracing.parent_of(metadata, request)
    span = (
        tracing.start_span(method.lstrip("/"), tracing.Kind.SERVER, parent)
        if parent
        else tracing.UNTRACED
    )
    tracing.enter(span, tracing.state_of(metadata, request) if parent else "")
    return span


async def _abort_unexpected(method: str, begun: float, context: Any) -> None:
    get_logger().exception("rpc failed", method=method)
    _log(method, begun, Reason.INTERNAL)
    await abort(context, ServiceFault(Reason.INTERNAL, _UNEXPECTED))


def _log(method: str, begun: float, result: str, *, is_told: bool = False) -> None:
    elapsed_s = time.perf_counter() - begun
    observe_rpc(method, str(result), elapsed_s)
    if not is_told:
        get_logger().info("rpc", method=method, result=str(result), ms=round(elapsed_s * 1000, 1))


class ServiceTokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses callers without the service token, but for the methods ``exempt`` begins."""

    def __init__(self, token: SecretText, exempt: tuple[str, ...] = ()) -> None:
        self._token = token.reveal().encode()
        self._exempt = OPEN_SERVICES + exempt

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        if details.method.startswith(self._exempt):
            return await continuation(details)
        given = b""
        for key, value in details.invocation_metadata or ():
            if key == SERVICE_TOKEN_KEY:
                given = value if isinstance(value, bytes) else value.encode()
        if hmac.compare_digest(given, self._token):
            return await continuation(details)
        handler = await continuation(details)
        if handler is None:
            return None
        refuse = _refuse_stream if handler.response_streaming else _refuse_unary
        return wrap_handler(handler, lambda _inner: refuse)


_REFUSAL: Final = ServiceFault(Reason.SERVICE_TOKEN_INVALID, "The service token is not valid.")


async def _refuse_unary(_request: Any, context: Any) -> None:
    await abort(context, _REFUSAL)


async def _refuse_stream(_request: Any, context: Any) -> AsyncIterator[Any]:
    await abort(context, _REFUSAL)
    yield  # makes this a stream
