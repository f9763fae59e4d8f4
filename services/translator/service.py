"""InferenceService in another dialect than the upstream's: translate, relay, translate back.

The translator names the routes it translated for and asks the relay for those alone; where they
fail before the first byte it translates for the next kind of route. It always asks the upstream
for a stream, so that long answers never idle, and folds it for a client that did not.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio
import orjson

from dialects.bridge import AnswerFold, CarriedRequest, StreamBridge, carry_answer, carry_request
from dialects.capabilities import capabilities_of
from dialects.dialect import AnswerContext, Dialect, EncodeContext
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from runtime.catalog import Catalog, Model, Route
from runtime.faults import Reason, ServiceFault, fault_of
from services.translator.estimate import InputEstimate

NAMES: Final = {
    inference_pb2.DIALECT_ANTHROPIC_MESSAGES: "anthropic_messages",
    inference_pb2.DIALECT_OPENAI_CHAT: "openai_chat",
    inference_pb2.DIALECT_OPENAI_RESPONSES: "openai_responses",
}
VALUES: Final = {name: value for value, name in NAMES.items()}
RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504, 529})

Generated = inference_pb2.GenerateResponse


class InferenceService(inference_pb2_grpc.InferenceServiceServicer):
    """Another dialect in front, the relay behind."""

    def __init__(self, catalog: Catalog, relay: Any, estimate: InputEstimate) -> None:
        self._catalog = catalog
        self._relay = relay
        self._estimate = estimate

    async def Generate(  # noqa: N802 - the name is the proto's
        self, request: inference_pb2.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Generated]:
        """See inference.proto."""
        source = dialect_named(request.dialect)
        body = parse_object(request.body)
        groups = self._groups(request)
        for place, group in enumerate(groups):
            exchange = Exchange(self._relay, source, group, request)
            exchange.prepare(body)
            await exchange.estimate(self._estimate)
            async for answer in exchange.run(is_last=place == len(groups) - 1):
                yield answer
            if not exchange.is_refused:
                return

    def _groups(self, request: inference_pb2.GenerateRequest) -> list[list[Route]]:
        """The routes to try, together where one translation serves them all."""
        model: Model | None = self._catalog.model(request.model)
        if model is None:
            raise ServiceFault(Reason.MODEL_UNKNOWN, "The model does not exist here.")
        routes = [r for r in model.routes if not request.routes or r.name in request.routes]
        if not routes:
            raise ServiceFault(Reason.MODEL_NOT_ALLOWED, "The model has no such route.")
        return [
            list(group)
            for _, group in itertools.groupby(routes, key=lambda r: (r.dialect, r.upstream_model))
        ]


class Exchange:
    """One attempt: a request carried over, an answer carried back."""

    def __init__(
        self,
        relay: Any,
        source: Dialect,
        routes: list[Route],
        request: inference_pb2.GenerateRequest,
    ) -> None:
        self._relay = relay
        self._source = source
        self._target = DIALECTS[routes[0].dialect]
        self._routes = routes
        self._request = request
        self._input: int | None = None
        self._body = b""
        self._carried: CarriedRequest | None = None
        self.is_refused = False

    def prepare(self, body: dict[str, Any]) -> None:
        """Carry the request over; ServiceFault names the field that cannot be carried."""
        upstream_model = self._routes[0].upstream_model
        context = EncodeContext(model=upstream_model, capabilities=capabilities_of(upstream_model))
        try:
            carried = carry_request(
                self._source, self._target, body, context, strict=self._request.strict
            )
        except RemoteDialectError as error:
            raise refusal_of(error.fault) from None
        self._carried = carried
        self._body = orjson.dumps(carried.body)

    async def estimate(self, counter: InputEstimate) -> None:
        """Ask for the input tokens a Messages client wants in the first event."""
        if self._source.name == "anthropic_messages" and self._request.stream:
            dialect = VALUES[self._target.name]
            model = self._routes[0].upstream_model
            self._input = await counter.count(self._body, dialect, model)

    async def run(self, *, is_last: bool) -> AsyncIterator[Generated]:
        """The answer's messages; none and ``is_refused`` where the next routes should be tried."""
        carried = self._carried
        assert carried is not None
        headers = {"anthropic-version": "2023-06-01"}
        call = self._relay.Generate(
            inference_pb2.GenerateRequest(
                grant=self._request.grant,
                dialect=VALUES[self._target.name],
                operation=inference_pb2.OPERATION_GENERATE,
                body=self._body,
                stream=True,
                model=self._request.model,
                request_id=self._request.request_id,
                traceparent=self._request.traceparent,
                headers=headers if self._target.name == "anthropic_messages" else {},
                routes=[route.name for route in self._routes],
            )
        )
        try:
            first = await call.read()
            if first is grpc.aio.EOF:
                raise ServiceFault(Reason.INTERNAL, "The relay gave no answer.")
            if first.head.status in RETRYABLE and not is_last:
                self.is_refused = True
                return
            first.head.warnings.extend(carried.warnings)
            async for answer in self._answer(first, call):
                yield answer
        except grpc.aio.AioRpcError as error:
            fault = fault_of(error)
            if not is_last and fault.reason in (
                Reason.UPSTREAM_UNREACHABLE,
                Reason.UPSTREAM_CREDENTIAL,
            ):
                self.is_refused = True
                return
            raise fault from None
        finally:
            call.cancel()

    async def _answer(self, first: Generated, call: Any) -> AsyncIterator[Generated]:
        content_type = first.head.headers.get("content-type", "")
        if first.head.status >= 400:
            yield await self._error(first, call)
        elif "event-stream" not in content_type:
            yield await self._whole(first, call)
        elif self._request.stream:
            async for answer in self._stream(first, call):
                yield answer
        else:
            yield await self._folded(first, call)

    async def _error(self, first: Generated, call: Any) -> Generated:
        body, outcome = await _rest(first, call)
        fault = self._target.parse_fault(first.head.status, body)
        status, rendered = self._source.render_fault(fault, self._request.request_id)
        return self._message(first.head, status, orjson.dumps(rendered), outcome)

    async def _whole(self, first: Generated, call: Any) -> Generated:
        body, outcome = await _rest(first, call)
        context = self._context()
        try:
            answer = carry_answer(self._target, self._source, orjson.loads(body), context)
        except (RemoteDialectError, orjson.JSONDecodeError):
            raise ServiceFault(
                Reason.UPSTREAM_ERROR, "The upstream's answer could not be read."
            ) from None
        return self._message(first.head, 200, orjson.dumps(answer), outcome)

    async def _folded(self, first: Generated, call: Any) -> Generated:
        folding = AnswerFold(self._target, self._source, self._context())
        outcome = inference_pb2.Outcome()
        answer = first
        while answer is not grpc.aio.EOF and not folding.is_cut:
            folding.receive_data(answer.chunk)
            if answer.HasField("outcome"):
                outcome = answer.outcome
            answer = await call.read()
        try:
            body = folding.close()
        except RemoteDialectError as error:
            status, rendered = self._source.render_fault(error.fault, self._request.request_id)
            outcome.end = inference_pb2.END_UPSTREAM_ERROR
            return self._message(first.head, status, orjson.dumps(rendered), outcome)
        return self._message(first.head, 200, orjson.dumps(body), outcome)

    async def _stream(self, first: Generated, call: Any) -> AsyncIterator[Generated]:
        context = self._context()
        bridge = StreamBridge(self._target.reader(), self._source.writer(context), context.stops)
        head: inference_pb2.Head | None = first.head
        first.head.headers["content-type"] = "text/event-stream; charset=utf-8"
        outcome = inference_pb2.Outcome()
        answer = first
        while answer is not grpc.aio.EOF and not bridge.is_cut:
            data = bridge.receive_data(answer.chunk) if answer.chunk else b""
            if answer.HasField("outcome"):
                outcome = answer.outcome
            if data or head is not None:
                yield Generated(head=head, chunk=data)
                head = None
            answer = await call.read()
        rest = bridge.close()
        # Whatever befell the upstream, the bridge has ended the stream in the client's dialect.
        done = bridge.finished and bridge.failed is None
        outcome.end = inference_pb2.END_COMPLETE if done else inference_pb2.END_UPSTREAM_ERROR
        yield Generated(chunk=rest, outcome=outcome, complete=True)

    def _message(
        self, head: inference_pb2.Head, status: int, body: bytes, outcome: Any
    ) -> Generated:
        head.status = status
        head.headers["content-type"] = "application/json"
        return Generated(head=head, chunk=body, outcome=outcome, complete=True)

    def _context(self) -> AnswerContext:
        assert self._carried is not None
        return AnswerContext(
            **{
                **self._carried.answer_context_fields,
                "model": self._request.shown_model or self._request.model,
                "request_id": self._request.request_id,
                "now": int(time.time()),
                "new_id": lambda: secrets.token_hex(12),
                "input_estimate": self._input,
            }
        )


def dialect_named(value: inference_pb2.Dialect) -> Dialect:
    """The dialect of a proto value; INVALID_REQUEST where it is none."""
    name = NAMES.get(value)
    if name is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "The dialect is not known.")
    return DIALECTS[name]


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ServiceFault(Reason.INVALID_REQUEST, "The request body must be a JSON object.")
    return parsed


def refusal_of(fault: Fault) -> ServiceFault:
    is_feature = fault.kind is FaultClass.UNSUPPORTED_FEATURE
    reason = Reason.UNSUPPORTED_FEATURE if is_feature else Reason.INVALID_REQUEST
    metadata = {"param": fault.param} if fault.param else {}
    return ServiceFault(reason, fault.message, metadata=metadata)


async def _rest(first: Generated, call: Any) -> tuple[bytes, inference_pb2.Outcome]:
    """The whole body and the outcome."""
    pieces, outcome = [first.chunk], first.outcome
    while (answer := await call.read()) is not grpc.aio.EOF:
        pieces.append(answer.chunk)
        if answer.HasField("outcome"):
            outcome = answer.outcome
    return b"".join(pieces), outcome
