"""Who may call a process, by the names in the certificate that a caller shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
import grpc.aio

from runtime.faults import Reason, ServiceFault, abort
from runtime.interceptors import OPEN_SERVICES, Continuation, wrap_handler
from runtime.logs import get_logger

_NAMES: Final = ("x509_subject_alternative_name", "x509_common_name")
_NOT_ALLOWED: Final = ServiceFault(
    Reason.CALLER_NOT_ALLOWED, "The certificate is not one that may call here."
)


class CallerInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses callers whose certificate carries none of ``names``."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = frozenset(names)

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN_SERVICES):
            return handler
        guard = self._guard_stream if handler.response_streaming else self._guard_unary
        return wrap_handler(handler, guard)

    def _guard_unary(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> Any:
            await self._check(context)
            return await inner(request, context)

        return call

    def _guard_stream(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._check(context)
            async for answer in inner(request, context):
                yield answer

        return call

    async def _check(self, context: Any) -> None:
        told = context.auth_context()
        names = {name.decode("latin-1") for kind in _NAMES for name in told.get(kind, ())}
        if not names & self._names:
            get_logger().warning("caller refused", names=sorted(names))
            await abort(context, _NOT_ALLOWED)
