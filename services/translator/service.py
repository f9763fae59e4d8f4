"""InferenceService in another dialect than the upstream's: translate, relay, translate back.

The translator names the routes it translated for and asks the relay for those alone; where they
fail before the first byte it translates for the next kind of route. It always asks the upstream
for a stream, so that long answers never idle, and folds it for a client that did not.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio
import orjson

from dialects import json_text
from dialects.bridge import AnswerFold, StreamBridge, carry_answer, carry_request
from dialects.dialect import AnswerContext, Dialect, EncodeContext
from dialects.envelope import Sealer, may_hold_envelope
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from runtime.catalog import Catalog, Model, Route
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.grants import Grant, Signer
from services.translator.estimate import InputEstimate
from services.translator.leg import Leg, plan_legs
from services.translator.memory import Memory

NAMES: Final = {
    inference_pb2.DIALECT_ANTHROPIC_MESSAGES: "anthropic_messages",
    inference_pb2.DIALECT_OPENAI_CHAT: "openai_chat",
    inference_pb2.DIALECT_OPENAI_RESPONSES: "openai_responses",
}
VALUES: Final = {name: value for value, name in NAMES.items()}
RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504, 529})

Generated = inference_pb2.GenerateResponse


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service works with; ``catalog`` is asked once per request."""

    catalog: Callable[[], Catalog]
    relay: Any
    estimate: InputEstimate
    signer: Signer
    memory: Memory
    now: Callable[[], float] = time.time


class InferenceService(inference_pb2_grpc.InferenceServiceServicer):
    """Another dialect in front, the relay behind."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def Generate(  # noqa: N802 - the name is the proto's
        self, request: inference_pb2.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Generated]:
        """See inference.proto."""
        source = dialect_named(request.dialect)
        body = parse_object(request.body)
        grant = self._parts.signer.verify(request.grant, self._parts.now())
        legs = self._legs(request, grant)
        for place, leg in enumerate(legs):
            exchange = Exchange(self._parts, source, leg, request, grant.account_id)
            exchange.prepare(body)
            await exchange.estimate(self._parts.estimate)
            async for answer in exchange.run(is_last=place == len(legs) - 1):
                yield answer
            if not exchange.is_refused:
                return

    def _legs(self, request: inference_pb2.GenerateRequest, grant: Grant) -> list[Leg]:
        """The routes to try, together where one translation serves them all."""
        catalog = self._parts.catalog()
        model = catalog.model(request.model)
        if model is None:
            raise ServiceFault(Reason.MODEL_UNKNOWN, "The model does not exist here.")
        routes = _routes_of(catalog, model, request, grant)
        if not routes:
            raise ServiceFault(Reason.MODEL_NOT_ALLOWED, "The model has no such route.")
        if not may_hold_envelope(request.body):
            return plan_legs(catalog, model, routes)
        memory = self._parts.memory
        if origin := memory.origin_of(request.body, grant.account_id):
            # Only where the reasoning was signed can it be read again.
            pseudonym = memory.pseudonyms.of_upstream
            routes.sort(key=lambda route: pseudonym(route.upstream) != origin)
        return plan_legs(catalog, model, routes, is_apart=True)


class Exchange:
    """One attempt: a request carried over, an answer carried back."""

    def __init__(
        self,
        parts: Parts,
        source: Dialect,
        leg: Leg,
        request: inference_pb2.GenerateRequest,
        account_id: str,
    ) -> None:
        self._parts = parts
        self._source = source
        self._target = DIALECTS[leg.dialect]
        self._leg = leg
        self._request = request
        self._account_id = account_id
        self._input: int | None = None
        self._body = b""
        self._headers: dict[str, str] = {}
        self._warnings: list[str] = []
        self._answer_fields: dict[str, Any] = {}
        self.is_refused = False

    @property
    def _is_native(self) -> bool:
        """Whether nothing but the history's envelopes needs translating."""
        return self._target is self._source

    def prepare(self, body: dict[str, Any]) -> None:
        """Carry the request over; ServiceFault names the field that cannot be carried."""
        sealer = self._sealer(self._leg.routes[0])
        if self._is_native:
            self._body = json_text.render(self._target.unseal_history(body, sealer.open))
            self._headers = dict(self._request.headers)
            return
        context = EncodeContext(
            model=self._leg.upstream_model,
            capabilities=self._leg.capabilities,
            user=sealer.account,
            open_seal=sealer.open,
        )
        try:
            carried = carry_request(
                self._source, self._target, body, context, strict=self._request.strict
            )
        except RemoteDialectError as error:
            raise refusal_of(error.fault) from None
        self._body = json_text.render(carried.body)
        self._headers = self._target.request_headers(carried.body)
        self._warnings = carried.warnings
        self._answer_fields = carried.answer_context_fields

    def _sealer(self, route: Route) -> Sealer:
        family = self._leg.capabilities.family
        return self._parts.memory.sealer(self._account_id, family, route)

    async def estimate(self, counter: InputEstimate) -> None:
        """Ask for the input tokens a Messages client wants in the first event."""
        is_wanted = self._source.name == "anthropic_messages" and self._request.stream
        if is_wanted and not self._is_native:
            dialect = VALUES[self._target.name]
            self._input = await counter.count(self._body, dialect, self._leg.upstream_model)

    async def run(self, *, is_last: bool) -> AsyncIterator[Generated]:
        """The answer's messages; none and ``is_refused`` where the next routes should be tried."""
        call = self._parts.relay.Generate(
            inference_pb2.GenerateRequest(
                grant=self._request.grant,
                dialect=VALUES[self._target.name],
                operation=inference_pb2.OPERATION_GENERATE,
                body=self._body,
                stream=self._request.stream if self._is_native else True,
                model=self._request.model,
                request_id=self._request.request_id,
                traceparent=self._request.traceparent,
                headers=self._headers,
                routes=[route.name for route in self._leg.routes],
            )
        )
        try:
            first = await call.read()
            if first is grpc.aio.EOF:
                raise ServiceFault(Reason.INTERNAL, "The relay gave no answer.")
            if first.head.status in RETRYABLE and not is_last:
                self.is_refused = True
                return
            first.head.warnings.extend(self._warnings)
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
        if self._is_native:
            yield first
            while (answer := await call.read()) is not grpc.aio.EOF:
                yield answer
        elif first.head.status >= 400:
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
        context = self._context(first.head)
        try:
            answer = carry_answer(self._target, self._source, orjson.loads(body), context)
        except (RemoteDialectError, orjson.JSONDecodeError):
            raise ServiceFault(
                Reason.UPSTREAM_ERROR, "The upstream's answer could not be read."
            ) from None
        return self._message(first.head, 200, orjson.dumps(answer), outcome)

    async def _folded(self, first: Generated, call: Any) -> Generated:
        folding = AnswerFold(self._target, self._source, self._context(first.head))
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
        context = self._context(first.head)
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

    def _context(self, head: inference_pb2.Head) -> AnswerContext:
        answered = (route for route in self._leg.routes if route.upstream == head.upstream)
        return AnswerContext(
            **{
                **self._answer_fields,
                "model": self._request.shown_model or self._request.model,
                "request_id": self._request.request_id,
                "now": int(time.time()),
                "new_id": lambda: secrets.token_hex(12),
                "input_estimate": self._input,
                "seal": self._sealer(next(answered, self._leg.routes[0])).seal,
            }
        )


def _routes_of(
    catalog: Catalog, model: Model, request: inference_pb2.GenerateRequest, grant: Grant
) -> list[Route]:
    """The routes the caller names, in its order; else those assigned to the account."""
    routes = catalog.routes(model, None, grant.upstreams)
    if not request.routes:
        return routes
    named = {route.name: route for route in routes}
    return [named[name] for name in request.routes if name in named]


def dialect_named(value: inference_pb2.Dialect) -> Dialect:
    """The dialect of a proto value; INVALID_REQUEST where it is none."""
    name = NAMES.get(value)
    if name is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "The dialect is not known.")
    return DIALECTS[name]


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json_text.parse(body)
    except ValueError:
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
