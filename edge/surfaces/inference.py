"""One public request for an answer, from its first byte to its last.

The walk: body → key → lease → policy → route → Generate → bytes back. The edge picks the road:
the relay where a route speaks the caller's dialect, else the translator in front of it. Nothing is
asked of auth on a warm path; nothing is decided on the Host header's URL.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio
import orjson
from starlette.types import Receive, Scope, Send

from admission.allowance import Allowance, guess_input
from dialects.dialect import Dialect, Peek
from dialects.envelope import may_hold_envelope
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.scrub import names_account
from edge import metrics
from edge.admittance import Admittance
from edge.body import ClientGoneError, parse_body, read_body
from edge.client_watch import ClientWatch
from edge.drain import Drain
from edge.event_stream import EventStream, OversizedFrameError, Patience
from edge.faults import public_fault, retry_headers, send_fault, send_json
from edge.limits import limit_headers
from gatebeyz.inference.v1 import inference_pb2
from runtime import tracing
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.identity import new_request_id
from runtime.logs import get_logger

FORWARDED: Final = (b"anthropic-version", b"anthropic-beta")
DIALECT_VALUES: Final = {
    "anthropic_messages": inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
    "openai_chat": inference_pb2.DIALECT_OPENAI_CHAT,
    "openai_responses": inference_pb2.DIALECT_OPENAI_RESPONSES,
}
# An error is short; a longer body is not looked into.
ERROR_BYTES: Final = 64 * 1024
_TRUNCATED: Final = Fault(
    FaultClass.UPSTREAM_ERROR, "The model's answer broke off. Nothing more will come."
)


@dataclass(slots=True)
class Request:
    """What is known of one public request; filled on the way."""

    scope: Scope
    request_id: str
    began: float
    headers: dict[bytes, bytes]
    span: tracing.Span
    body: bytes = b""
    model: str = ""
    status: int = 0
    reason: str = ""
    outcome: inference_pb2.Outcome | None = None
    allowance: Allowance | None = None


def begin(scope: Scope) -> Request:
    """Take a request in, under the caller's trace or one of its own."""
    headers = dict(scope["headers"])
    parent = state = ""
    if b"traceparent" in headers:
        parent = tracing.parse_traceparent(headers[b"traceparent"].decode("latin-1"))
    if parent and b"tracestate" in headers:
        state = tracing.parse_tracestate(headers[b"tracestate"].decode("latin-1"))
    span = tracing.start_entrance(f"{scope['method']} {scope['path']}", parent)
    tracing.enter(span, state)
    return Request(scope, new_request_id(), time.perf_counter(), headers, span)


class InferenceSurface:
    """POST of one dialect, as an ASGI app."""

    def __init__(
        self, dialect: Dialect, admittance: Admittance, drain: Drain, patience: Patience
    ) -> None:
        self.dialect = dialect
        self._admittance = admittance
        self._drain = drain
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = begin(scope)
        stream = EventStream(send, self.dialect, request.request_id)
        in_flight = metrics.IN_FLIGHT.labels(self.dialect.name)
        in_flight.inc()
        try:
            await self._answer(request, receive, send, stream)
        except ClientGoneError:
            request.status, request.reason = 499, "CLIENT_GONE"
        except ServiceFault as error:
            request.reason = str(error.reason)
            await self._fail(request, send, stream, public_fault(error))
        except RemoteDialectError as error:
            request.reason = str(error.fault.kind)
            await self._fail(request, send, stream, error.fault)
        except Exception:
            get_logger().exception("request failed", request_id=request.request_id)
            request.reason = "INTERNAL"
            fault = Fault(FaultClass.INTERNAL, "The gateway failed to answer.")
            await self._fail(request, send, stream, fault)
        finally:
            in_flight.dec()
            log_request(request, self.dialect.name)

    async def _fail(self, request: Request, send: Send, stream: EventStream, fault: Fault) -> None:
        if stream.is_open:
            await stream.fail(fault)
            return
        request.status = self.dialect.render_fault(fault, request.request_id)[0]
        headers = stream.headers
        if request.allowance is not None and not headers:
            headers = limit_headers(self.dialect.name, request.allowance)
        identity = request.request_id
        await send_fault(request.scope, send, self.dialect, fault, identity, headers)

    async def _answer(
        self, request: Request, receive: Receive, send: Send, stream: EventStream
    ) -> None:
        # The key first: a stranger's body is not worth reading.
        lease = await self._admittance.identify(request.scope)
        limit = self._admittance.max_body_bytes
        request.body = await read_body(receive, request.headers, limit)
        peek = self.dialect.peek(parse_body(request.body))
        request.model = peek.model
        is_sealed = may_hold_envelope(request.body)
        road = self._admittance.road(lease.policy, peek, self.dialect.name, is_sealed=is_sealed)
        generate = self._generate_request(request, lease.grant, peek, road.routes)
        request.allowance = lease.allowance
        async with self._admittance.leases.admit(lease, guess_input(request.body)) as admission:
            stream.headers = limit_headers(self.dialect.name, lease.allowance)
            call = road.stub.Generate(generate)
            try:
                with ClientWatch(receive, call), self._drain.running(call):
                    await self._relay(request, call, send, stream, is_stream=peek.stream)
            except grpc.aio.AioRpcError as error:
                raise fault_of(error) from None
            finally:
                call.cancel()
                if request.outcome is not None:
                    admission.settle(request.outcome.usage)

    def _generate_request(
        self, request: Request, grant: bytes, peek: Peek, routes: list[str]
    ) -> inference_pb2.GenerateRequest:
        headers = {
            name.decode(): request.headers[name].decode("latin-1")
            for name in FORWARDED
            if name in request.headers
        }
        return inference_pb2.GenerateRequest(
            grant=grant,
            dialect=DIALECT_VALUES[self.dialect.name],
            operation=inference_pb2.OPERATION_GENERATE,
            body=request.body,
            stream=peek.stream,
            model=peek.model,
            request_id=request.request_id,
            headers=headers,
            routes=routes,
            strict=request.headers.get(b"x-gatebeyz-strict") == b"1",
        )

    async def _relay(
        self, request: Request, call: Any, send: Send, stream: EventStream, *, is_stream: bool
    ) -> None:
        if is_stream:
            async with stream.kept_alive(self._patience):
                first = await self._first(request, call)
                kind = first.head.headers.get("content-type", "")
                if first.head.status == 200 and "json" not in kind:
                    await self._stream(request, first, call, stream)
                    return
                body = await self._whole(request, first, call)
        else:
            first = await self._first(request, call)
            body = await self._whole(request, first, call)
        if stream.is_open:
            await stream.fail(self.dialect.parse_fault(first.head.status, body))
            return
        request.status = first.head.status
        headers = [*stream.headers, *head_headers(first.head)]
        await send_json(request.scope, send, request.status, body, request.request_id, headers)

    async def _first(self, request: Request, call: Any) -> inference_pb2.GenerateResponse:
        """What an answer begins with; its head is in it."""
        first: Any = await call.read()
        if first is grpc.aio.EOF:
            raise ServiceFault(Reason.INTERNAL, "The gateway failed to answer.")
        waited_s = time.perf_counter() - request.began
        metrics.FIRST_BYTE_SECONDS.labels(self.dialect.name).observe(waited_s)
        return first  # type: ignore[no-any-return]

    async def _whole(
        self, request: Request, first: inference_pb2.GenerateResponse, call: Any
    ) -> bytes:
        """The body of an answer that is not a stream; UPSTREAM_ERROR where it broke off."""
        pieces: list[bytes] = []
        answer: Any = first
        while answer is not grpc.aio.EOF:
            pieces.append(answer.chunk)
            if answer.HasField("outcome"):
                request.outcome = answer.outcome
            answer = await call.read()
        body = b"".join(pieces)
        if first.head.status >= 400:
            return self._error_body(first.head.status, body, request.request_id)
        if request.outcome is None or request.outcome.end == inference_pb2.END_TRUNCATED:
            raise ServiceFault(Reason.UPSTREAM_ERROR, "The model's answer broke off.")
        if len(body) < ERROR_BYTES and b'"error"' in body and is_error(body):
            raise RemoteDialectError(self.dialect.parse_fault(200, body))
        return body

    async def _stream(
        self,
        request: Request,
        first: inference_pb2.GenerateResponse,
        call: Any,
        stream: EventStream,
    ) -> None:
        request.status = 200
        await stream.open(head_headers(first.head))
        answer: Any = first
        try:
            while answer is not grpc.aio.EOF:
                if chunk := answer.chunk:
                    await stream.write(chunk)
                if answer.HasField("outcome"):
                    request.outcome = answer.outcome
                answer = await call.read()
        except OversizedFrameError:
            request.outcome = None
        if request.outcome is None or request.outcome.end == inference_pb2.END_TRUNCATED:
            request.reason = "TRUNCATED"
            await stream.fail(_TRUNCATED)
        else:
            await stream.close()

    def _error_body(self, status: int, body: bytes, request_id: str) -> bytes:
        """An upstream's error as it came where it is in the dialect's shape, else brought there."""
        if not names_account(body.decode("utf-8", "replace")):
            with contextlib.suppress(orjson.JSONDecodeError):
                parsed = orjson.loads(body)
                if isinstance(parsed, dict) and isinstance(parsed.get("error"), (dict, str)):
                    return body
        fault = self.dialect.parse_fault(status, body)
        return orjson.dumps(self.dialect.render_fault(fault, request_id)[1])


def is_error(body: bytes) -> bool:
    """Whether a body is the error that some servers answer with under 200."""
    with contextlib.suppress(orjson.JSONDecodeError):
        parsed = orjson.loads(body)
        if isinstance(parsed, dict) and isinstance(parsed.get("error"), (dict, str)):
            return not parsed.keys() & {"choices", "content", "output"}
    return False


def head_headers(head: inference_pb2.Head) -> list[tuple[bytes, bytes]]:
    """What of an upstream's head a client sees."""
    headers = retry_headers(head.headers)
    if head.warnings:
        joined = ";".join(head.warnings)[:1024]
        headers.append((b"x-gatebeyz-warnings", joined.encode("latin-1", "replace")))
    return headers


def log_request(request: Request, surface: str) -> None:
    """The canonical line of a request, and its metrics: no body, no header, no query."""
    elapsed_s = time.perf_counter() - request.began
    metrics.REQUESTS.labels(surface, request.status, request.reason).inc()
    metrics.REQUEST_SECONDS.labels(surface).observe(elapsed_s)
    request.span.set("gatebeyz.request_id", request.request_id)
    request.span.set("http.response.status_code", request.status)
    request.span.end(request.reason)
    get_logger().info(
        "request",
        request_id=request.request_id,
        surface=surface,
        model=request.model,
        status=request.status,
        reason=request.reason,
        ms=round(elapsed_s * 1000, 1),
    )
