"""Direct gRPC callers: who shows a key in the metadata is admitted as at the edge, then served.

``authorization: Bearer sk-gb-…`` leases for the caller, takes its share of the limits for as long
as the call lasts, puts the grant into the request, and counts what was used. Calls without such
metadata pass: they carry a grant, or prove themselves with the service token, which this
interceptor must stand in front of.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote

import grpc
import grpc.aio

from admission.allowance import guess_input
from admission.credential import CREDITS, looks_valid, product_of
from admission.door import PRODUCTS, Door, Peppers
from admission.lease import Lease, LeaseHolder
from gatebeyz.counter.v1 import counter_pb2
from gatebeyz.inference.v1 import inference_pb2
from runtime.channels import SERVICE_TOKEN_KEY, open_channel
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from runtime.identity import new_request_id

_BAD_KEY: Final = "The API key is not valid."

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
Behaviour = Callable[[Any, Any], AsyncIterator[Any]]


class CallerConfig(Protocol):
    """What a process must know to serve direct callers; without a pepper it serves none."""

    @property
    def auth_target(self) -> str: ...
    @property
    def tls(self) -> Path | None: ...
    @property
    def service_token(self) -> SecretText: ...
    @property
    def pepper(self) -> SecretText | None: ...
    @property
    def pepper_previous(self) -> SecretText | None: ...


class DirectCallers(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """See the module. Close it at the end."""

    def __init__(self, config: CallerConfig, process: str) -> None:
        self._token = config.service_token.reveal()
        self._channel: grpc.aio.Channel | None = None
        self._door: Door | None = None
        if config.pepper is not None:
            self._channel = open_channel(config.auth_target, config.service_token, config.tls)
            holder = LeaseHolder(self._channel, f"{process}-{secrets.token_hex(8)}")
            self._door = Door(holder, Peppers.of(config.pepper, config.pepper_previous))

    async def close(self) -> None:
        """Give every lease back."""
        if self._door is not None and self._channel is not None:
            await self._door.leases.close()
            await self._channel.close()

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        guard = self._GUARDS.get(details.method)
        key = _bearer_of(details.invocation_metadata or ())
        is_known = guard is not None or details.method.startswith(_UNARY)
        if not is_known or key is None or self._door is None:
            return await continuation(details)
        metadata = (*(details.invocation_metadata or ()), (SERVICE_TOKEN_KEY, self._token))
        # Whoever asks for the service token behind this one is shown it: the key vouches.
        handler = await continuation(type(details)(details.method, metadata))
        if handler is None:
            return None
        if guard is None:
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: self._answer(handler.unary_unary, key, request, context),
                handler.request_deserializer,
                handler.response_serializer,
            )
        inner = handler.unary_stream
        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: guard(self, inner, key, request, context),
            handler.request_deserializer,
            handler.response_serializer,
        )

    async def _enter(self, key: str, context: Any) -> Lease:
        assert self._door is not None
        product = PRODUCTS.get(product_of(key) or "")
        if product is None or not looks_valid(key):
            raise ServiceFault(Reason.KEY_UNKNOWN, _BAD_KEY)
        try:
            return await self._door.enter(key, product, address_of(context.peer()))
        except ServiceFault as fault:
            if fault.reason in (Reason.KEY_REVOKED, Reason.KEY_EXPIRED):
                raise ServiceFault(Reason.KEY_UNKNOWN, _BAD_KEY) from None
            raise

    async def _generate(
        self, inner: Behaviour, key: str, request: inference_pb2.GenerateRequest, context: Any
    ) -> AsyncIterator[Any]:
        lease = await self._enter(key, context)
        assert self._door is not None
        if product_of(key) == CREDITS and request.dialect not in _CREDITS_DIALECTS:
            raise ServiceFault(
                Reason.INVALID_REQUEST, "A Claude Credits key is for the Anthropic dialect alone."
            )
        request.grant = lease.grant
        request.request_id = request.request_id or new_request_id()
        guess = guess_input(request.body)
        async with (
            self._door.leases.admit(lease, guess) as admission,
            contextlib.aclosing(inner(request, context)) as answers,  # type: ignore[type-var]
        ):
            async for answer in answers:
                if answer.HasField("outcome"):
                    admission.settle(answer.outcome.usage)
                yield answer

    async def _answer(self, inner: Any, key: str, request: Any, context: Any) -> Any:
        """A call that costs nothing upstream: a request of the key all the same."""
        lease = await self._enter(key, context)
        assert self._door is not None
        async with self._door.leases.admit(lease, 0):
            return await inner(request, context)

    async def _count(
        self, inner: Behaviour, key: str, request: counter_pb2.CountTokensRequest, context: Any
    ) -> AsyncIterator[Any]:
        lease = await self._enter(key, context)
        assert self._door is not None
        async with (
            self._door.leases.admit(lease, 0),
            contextlib.aclosing(inner(request, context)) as answers,  # type: ignore[type-var]
        ):
            async for answer in answers:
                yield answer

    _GUARDS: Final[Mapping[str, Callable[..., AsyncIterator[Any]]]] = {
        "/gatebeyz.inference.v1.InferenceService/Generate": _generate,
        "/gatebeyz.counter.v1.CounterService/CountTokens": _count,
    }


_UNARY: Final = "/gatebeyz.translation.v1.TranslationService/"
_CREDITS_DIALECTS: Final = (inference_pb2.DIALECT_ANTHROPIC_MESSAGES,)


def _bearer_of(metadata: tuple[tuple[str, str | bytes], ...]) -> str | None:
    """What stands as a bearer token; None where none does. Several make none of them good."""
    found = []
    for name, value in metadata:
        if name == "authorization":
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            scheme, _, token = text.strip().partition(" ")
            if scheme.lower() == "bearer":
                found.append(token.strip())
    if not found:
        return None
    return found[0] if len(set(found)) == 1 else ""


def address_of(peer: str) -> str:
    """The address of a gRPC peer ("ipv4:192.0.2.1:5000", "ipv6:[2001:db8::1]:5000", "unix:…")."""
    kind, _, rest = unquote(peer).partition(":")
    host, _, _ = rest.rpartition(":")
    return host.strip("[]") if kind in ("ipv4", "ipv6") else ""
