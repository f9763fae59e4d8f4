"""InferenceService in another dialect than the upstream's: translate, relay, translate back.

The translator names the routes it translated for and asks the relay for those alone; where they
fail before the first byte it translates for the next kind of route. It always asks the upstream
for a stream, so that long answers never idle, and folds it for a client that did not.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from dialects import json_text
from dialects.dialect import AnswerContext, Dialect, EncodeContext
from dialects.envelope import Sealer, may_hold_envelope
from dialects.registry import DIALECTS
from gatebeyz.inference.v1 import inference_pb2
from runtime.catalog import Catalog, Model, Route
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.grants import Grant, Signer
from runtime.link.serving import LinkedCall, LinkedService
from services.translator.answer import AnswerCarrier
from services.translator.carriage import VALUES, carry, dialect_named, parse_object
from services.translator.estimate import InputEstimate, PendingEstimate, rough_count
from services.translator.leg import Leg, plan_legs
from services.translator.memory import Memory

_ELSEWHERE: Final = (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_CREDENTIAL)
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


class InferenceService(LinkedService):
    """Another dialect in front, the relay behind."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    async def Generate(  # noqa: N802 - the name is the proto's
        self, request: inference_pb2.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Generated]:
        """See inference.proto."""
        answers = self._begin(request)
        await context.send_initial_metadata(())
        async with contextlib.aclosing(answers):
            async for answer in answers:
                yield answer

    async def carry(self, request: inference_pb2.GenerateRequest, call: LinkedCall) -> None:
        """The same for a link, a generator less."""
        answers = self._begin(request)
        call.accept()
        async with contextlib.aclosing(answers):
            async for answer in answers:
                await call.send(answer)

    def _begin(self, request: inference_pb2.GenerateRequest) -> AsyncGenerator[Generated, None]:
        """The answer to a request, checked. From here on an upstream may be at work: say so."""
        source = dialect_named(request.dialect)
        body = parse_object(request.body)
        grant = self._parts.signer.verify(request.grant, self._parts.now())
        legs = self._legs(request, grant)
        exchanges = [Exchange(self._parts, source, leg, request, grant.account_id) for leg in legs]
        return self._answers(exchanges, body)

    async def _answers(
        self, exchanges: list[Exchange], body: dict[str, Any]
    ) -> AsyncGenerator[Generated, None]:
        """The messages of the first exchange that is not refused."""
        for exchange in exchanges:
            is_last = exchange is exchanges[-1]
            exchange.prepare(body)
            exchange.begin()
            try:
                async for answer in await exchange.answer(is_last=is_last):
                    yield answer
            except grpc.aio.AioRpcError as error:
                exchange.judge(fault_of(error), is_last=is_last)
            finally:
                exchange.close()
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
        self._sealer = self._sealer_of(leg.routes[0])
        self._body = b""
        self._headers: dict[str, str] = {}
        self._warnings: list[str] = []
        self._answer_fields: dict[str, Any] = {}
        self._call: Any = None
        self._counting: PendingEstimate | None = None
        self._carrier: AnswerCarrier | None = None
        self._is_refused = False

    @property
    def is_refused(self) -> bool:
        """Whether the next routes should be tried."""
        return self._is_refused or (self._carrier is not None and self._carrier.is_refused)

    @property
    def _is_native(self) -> bool:
        """Whether nothing but the history's envelopes needs translating."""
        return self._target is self._source

    def prepare(self, body: dict[str, Any]) -> None:
        """Carry the request over; ServiceFault names the field that cannot be carried."""
        sealer = self._sealer
        if self._is_native:
            unsealed = self._target.unseal_history(body, sealer.open)
            # Not every "gb1." is an envelope: a body without one keeps its every byte.
            self._body = self._request.body if unsealed == body else json_text.render(unsealed)
            self._headers = dict(self._request.headers)
            return
        context = EncodeContext(
            model=self._leg.upstream_model,
            capabilities=self._leg.capabilities,
            user=sealer.account,
            open_seal=sealer.open,
        )
        carried = carry(
            self._source,
            self._target,
            body,
            context,
            self._request.headers,
            strict=self._request.strict,
        )
        self._body = json_text.render(carried.body)
        self._headers = self._target.request_headers(carried.body)
        self._warnings = carried.warnings
        self._answer_fields = carried.answer_context_fields

    def _sealer_of(self, route: Route) -> Sealer:
        family = self._leg.capabilities.family
        return self._parts.memory.sealer(self._account_id, family, route)

    def begin(self) -> None:
        """Ask the relay; ``close`` must be called in the end."""
        self._call = self._parts.relay.Generate(
            inference_pb2.GenerateRequest(
                grant=self._request.grant,
                dialect=VALUES[self._target.name],
                operation=inference_pb2.OPERATION_GENERATE,
                body=self._body,
                stream=self._request.stream if self._is_native else True,
                model=self._request.model,
                request_id=self._request.request_id,
                headers=self._headers,
                routes=[route.name for route in self._leg.routes],
            )
        )
        self._counting = self._begin_counting()

    async def answer(self, *, is_last: bool) -> AsyncIterator[Generated]:
        """The answer's messages; none where it ``is_refused``. AioRpcError, now or from them."""
        first = await self._call.read()
        if first is grpc.aio.EOF:
            raise ServiceFault(Reason.INTERNAL, "The relay gave no answer.")
        first.head.warnings.extend(self._warnings)
        carry = self._pass if self._is_native else self._carry
        return carry(first, is_last=is_last)

    def judge(self, fault: ServiceFault, *, is_last: bool) -> None:
        """What became of the call: raised, unless other routes are worth a try."""
        if is_last or fault.reason not in _ELSEWHERE:
            raise fault from None
        self._is_refused = True

    def close(self) -> None:
        """Nobody waits any more."""
        self._call.cancel()
        if self._counting is not None:
            self._counting.close()

    async def _pass(self, first: Generated, *, is_last: bool) -> AsyncIterator[Generated]:
        """The answer as it comes."""
        if first.head.status in RETRYABLE and not is_last:
            self._is_refused = True
            return
        answer = first
        while answer is not grpc.aio.EOF:
            yield answer
            answer = await self._call.read()

    def _carry(self, first: Generated, *, is_last: bool) -> AsyncIterator[Generated]:
        """The answer in the caller's dialect."""
        self._carrier = AnswerCarrier(
            self._source,
            self._target,
            self._request.request_id,
            lambda: self._context(first.head),
            is_last=is_last,
        )
        return self._carrier.carry(first, self._call, is_stream=self._request.stream)

    def _begin_counting(self) -> PendingEstimate | None:
        """Ask for the input tokens a Messages client wants in the first event, beside the call."""
        is_wanted = self._source.name == "anthropic_messages" and self._request.stream
        if not is_wanted or self._is_native:
            return None
        dialect = VALUES[self._target.name]
        return self._parts.estimate.begin(self._body, dialect, self._leg.upstream_model)

    async def _context(self, head: inference_pb2.Head) -> AnswerContext:
        counting = self._counting
        return AnswerContext(
            model=self._request.shown_model or self._request.model,
            request_id=self._request.request_id,
            now=int(time.time()),
            new_id=lambda: secrets.token_hex(12),
            input_estimate=await counting.settle() if counting else rough_count(self._body),
            seal=self._sealer_for(head.upstream).seal,
            **self._answer_fields,
        )

    def _sealer_for(self, upstream: str) -> Sealer:
        """What seals an answer of that upstream."""
        first, *others = self._leg.routes
        if upstream == first.upstream:
            return self._sealer
        answered = (route for route in others if route.upstream == upstream)
        return self._sealer_of(next(answered, first))


def _routes_of(
    catalog: Catalog, model: Model, request: inference_pb2.GenerateRequest, grant: Grant
) -> list[Route]:
    """The routes the caller names, in its order; else those assigned to the account."""
    routes = catalog.routes(model, None, grant.upstreams, grant.account_id)
    if not request.routes:
        return routes
    named = {route.name: route for route in routes}
    return [named[name] for name in request.routes if name in named]
