"""POST /v1/messages/count_tokens: the provider's own count where it offers one, else ours.

``x-gatebeyz-count`` says which: "exact" (the provider's), "vocabulary" or "calibrated" (ours). A
provider's failure to count falls back to our own counter and never touches its routing health.
Counting spends nothing of a plan and, unless the catalog prices it, costs nothing; it has an
allowance of its own.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc.aio
import orjson
from starlette.types import Receive, Scope, Send

from admission.lease import Lease
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from edge import metrics
from edge.admittance import Admittance
from edge.body import ClientGoneError, parse_body, read_body
from edge.client_watch import ClientWatch
from edge.count_charge import CountCharge
from edge.counting import CountAllowance, CountMemory
from edge.faults import public_fault, send_fault, send_json
from edge.surfaces.inference import FORWARDED, Request, begin, log_request
from gatebeyz.counter.v1 import counter_pb2
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault, fault_of
from runtime.logs import get_logger

RELAY_TIMEOUT_S: Final = 5.0
COUNT_TIMEOUT_S: Final = 20.0
_METHODS: Final = {
    counter_pb2.METHOD_EXACT: b"exact",
    counter_pb2.METHOD_VOCABULARY: b"vocabulary",
    counter_pb2.METHOD_CALIBRATED: b"calibrated",
}


class CountTokensSurface:
    """Counts the tokens of a Messages body for any model, as an ASGI app."""

    def __init__(
        self,
        admittance: Admittance,
        counter: Any,
        relay: Any,
        allowance: CountAllowance,
        charge: CountCharge,
    ) -> None:
        self._admittance = admittance
        self._counter = counter
        self._relay = relay
        self._allowance = allowance
        self._charge = charge
        self._memory = CountMemory()
        self._dialect = DIALECTS["anthropic_messages"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = begin(scope)
        in_flight = metrics.IN_FLIGHT.labels("count_tokens")
        in_flight.inc()
        try:
            tokens, method = await self._count(request, receive)
            request.status = 200
            body = orjson.dumps({"input_tokens": tokens})
            headers = [(b"x-gatebeyz-count", method)]
            await send_json(scope, send, 200, body, request.request_id, headers)
        except ClientGoneError:
            request.status, request.reason = 499, "CLIENT_GONE"
        except ServiceFault as error:
            request.reason = str(error.reason)
            await self._fail(request, send, public_fault(error))
        except RemoteDialectError as error:
            request.reason = str(error.fault.kind)
            await self._fail(request, send, error.fault)
        except Exception:
            get_logger().exception("request failed", request_id=request.request_id)
            request.reason = "INTERNAL"
            await self._fail(
                request, send, Fault(FaultClass.INTERNAL, "The gateway failed to answer.")
            )
        finally:
            in_flight.dec()
            log_request(request, "count_tokens")

    async def _fail(self, request: Request, send: Send, fault: Fault) -> None:
        request.status = self._dialect.render_fault(fault, request.request_id)[0]
        await send_fault(request.scope, send, self._dialect, fault, request.request_id)

    async def _count(self, request: Request, receive: Receive) -> tuple[int, bytes]:
        lease = await self._admittance.identify(request.scope)
        self._allowance.spend(lease.policy.account_id)
        limit = self._admittance.max_body_bytes
        request.body = await read_body(receive, request.headers, limit)
        parsed = parse_body(request.body)
        if not isinstance(parsed.get("messages"), list):
            raise _missing("messages", "a list of messages is required")
        request.model = _model_of(parsed)
        routes = self._admittance.counting_routes(lease.policy, request.model)
        async with self._charge.paid(lease.policy, request.request_id):
            exact = await self._recall_or_ask(request, receive, lease, routes) if routes else None
            if exact is not None:
                return exact, b"exact"
            return await self._ask_counter(request, receive)

    async def _recall_or_ask(
        self, request: Request, receive: Receive, lease: Lease, routes: list[str]
    ) -> int | None:
        """The provider's count of this very request, told before or asked now."""
        account_id = lease.policy.account_id
        headers = [request.headers.get(name, b"") for name in FORWARDED]
        parts = [route.encode() for route in routes]
        digest = self._memory.digest([*parts, *headers, request.body])
        tokens = self._memory.recall(account_id, digest)
        if tokens is None:
            tokens = await self._ask_provider(request, receive, lease, routes)
            if tokens is not None:
                self._memory.remember(account_id, digest, tokens)
        return tokens

    async def _ask_provider(
        self, request: Request, receive: Receive, lease: Lease, routes: list[str]
    ) -> int | None:
        """The provider's count; None where it did not answer well, whatever the cause."""
        headers = {
            name.decode(): request.headers[name].decode("latin-1")
            for name in FORWARDED
            if name in request.headers
        }
        generate = inference_pb2.GenerateRequest(
            grant=lease.grant,
            dialect=inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
            operation=inference_pb2.OPERATION_COUNT_TOKENS,
            body=request.body,
            model=request.model,
            request_id=request.request_id,
            headers=headers,
            routes=routes,
        )
        call = self._relay.Generate(generate)
        try:
            async with asyncio.timeout(RELAY_TIMEOUT_S):
                with ClientWatch(receive, call):
                    answers = [answer async for answer in call]
            if answers[0].head.status != 200:
                return None
            counted = orjson.loads(b"".join(answer.chunk for answer in answers))
            return int(counted["input_tokens"])
        except (
            *(grpc.aio.AioRpcError, TimeoutError),
            *(ValueError, KeyError, TypeError, IndexError),
        ):
            return None
        finally:
            call.cancel()

    async def _ask_counter(self, request: Request, receive: Receive) -> tuple[int, bytes]:
        item = counter_pb2.CountItem(
            model=request.model,
            body=request.body,
            dialect=inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
        )
        call = self._counter.CountTokens(
            counter_pb2.CountTokensRequest(items=[item]), timeout=COUNT_TIMEOUT_S
        )
        try:
            with ClientWatch(receive, call):
                count = await _first_count(call)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None
        finally:
            call.cancel()
        if count.error_reason:
            raise _fault_of_count(count)
        return count.tokens, _METHODS.get(count.method, b"calibrated")


async def _first_count(call: Any) -> counter_pb2.Count:
    async for answer in call:
        if answer.HasField("count"):
            count: counter_pb2.Count = answer.count
            return count
    raise ServiceFault(Reason.INTERNAL, "The token counter gave no answer.")


def _fault_of_count(count: counter_pb2.Count) -> ServiceFault:
    known = count.error_reason in Reason.__members__
    reason = Reason(count.error_reason) if known else Reason.INTERNAL
    return ServiceFault(reason, count.error_message)


def _missing(field: str, what: str) -> ServiceFault:
    return ServiceFault(Reason.INVALID_REQUEST, f"{field}: {what}", metadata={"param": field})


def _model_of(parsed: dict[str, Any]) -> str:
    """The model named; a count has no max_tokens, so the dialect's own peek does not fit."""
    model = parsed.get("model")
    if not isinstance(model, str) or not model:
        raise _missing("model", "a model's name is required")
    return model
