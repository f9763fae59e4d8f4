"""What a Generate asks for, checked before anything is dialled. Pure.

The grant is the authority: it names the account, the models and the upstreams; the request only
chooses among them. The body's own model is never trusted, because each route replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from dialects.body import BodyError, Places, find_places, splice
from dialects.dialect import Dialect
from dialects.errors import RemoteDialectError
from gatebeyz.inference.v1 import inference_pb2
from runtime.catalog import Catalog, Model, Route
from runtime.faults import Reason, ServiceFault
from runtime.grants import Grant
from runtime.pseudonym import Pseudonyms
from services.relay.exchange import Call

DIALECT_NAMES: Final[Mapping[int, str]] = {
    inference_pb2.DIALECT_ANTHROPIC_MESSAGES: "anthropic_messages",
    inference_pb2.DIALECT_OPENAI_CHAT: "openai_chat",
    inference_pb2.DIALECT_OPENAI_RESPONSES: "openai_responses",
}

# Appended to a base URL: Anthropic's stands without /v1, the OpenAI dialects' with it.
PATHS: Final[Mapping[str, str]] = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
}
COUNT_PATH: Final = "/v1/messages/count_tokens"


@dataclass(frozen=True, slots=True)
class Order:
    """A request that may be carried out: who pays, what for, by which routes.

    ``body`` is the request's, taken out once: protobuf copies it each time it is asked.
    """

    request: inference_pb2.GenerateRequest
    body: bytes
    grant: Grant
    dialect: Dialect
    model: Model
    routes: Sequence[Route]
    is_count: bool
    _places: Places
    _identity: Mapping[str, Any]

    def call(self, route: Route) -> Call:
        """The request as ``route`` gets it: its model's name, and a pseudonym for the end user."""
        request = self.request
        values = {**self._identity, "model": route.upstream_model}
        return Call(
            path=COUNT_PATH if self.is_count else PATHS[self.dialect.name],
            body=splice(self.body, self._places, values),
            stream=request.stream,
            headers=request.headers,
        )


def check_order(
    request: inference_pb2.GenerateRequest,
    grant: Grant,
    catalog: Catalog,
    dialects: Mapping[str, Dialect],
    pseudonyms: Pseudonyms,
) -> Order:
    """The order, or a ServiceFault that says what is wrong with it."""
    name = DIALECT_NAMES.get(request.dialect)
    if name is None or name not in dialects:
        raise ServiceFault(Reason.INVALID_REQUEST, "The request names no known dialect.")
    model = catalog.model(request.model)
    if model is None:
        raise _model_fault(Reason.MODEL_UNKNOWN, "There is no such model.", request.model)
    if not grant.allows_model(model.id):
        message = "This key may not use the model."
        raise _model_fault(Reason.MODEL_NOT_ALLOWED, message, model.id)
    is_count = request.operation == inference_pb2.OPERATION_COUNT_TOKENS
    routes = _choose_routes(request, grant, catalog, model, name, is_count=is_count)
    dialect = dialects[name]
    if not is_count:
        routes = _check_thinking(request, grant, catalog, dialect, routes)
    identity = dialect.identity(pseudonyms.of_account(grant.account_id))
    try:
        body = request.body
        places = find_places(body, identity.keys())
    except BodyError as error:
        raise ServiceFault(Reason.INVALID_REQUEST, f"{str(error).capitalize()}.") from None
    return Order(request, body, grant, dialect, model, routes, is_count, places, identity)


def _choose_routes(
    request: inference_pb2.GenerateRequest,
    grant: Grant,
    catalog: Catalog,
    model: Model,
    dialect: str,
    *,
    is_count: bool,
) -> list[Route]:
    """The model's routes of the dialect: assigned to the account, and named where any are."""
    routes = catalog.routes(model, dialect, grant.upstreams, grant.account_id)
    if request.routes:
        named = [
            [route for route in routes if name in (route.name, route.upstream)]
            for name in request.routes
        ]
        routes = list(dict.fromkeys(route for group in named for route in group))
    if is_count:
        routes = [route for route in routes if catalog.upstreams[route.upstream].count_tokens]
    if not routes:
        message = "No provider of this model takes such a request."
        raise _model_fault(Reason.UNSUPPORTED_FEATURE, message, model.id)
    return routes


def _check_thinking(
    request: inference_pb2.GenerateRequest,
    grant: Grant,
    catalog: Catalog,
    dialect: Dialect,
    routes: list[Route],
) -> list[Route]:
    """The routes that can think, if that is asked; the body is decoded only where it matters."""
    able = [route for route in routes if catalog.upstreams[route.upstream].thinking]
    if grant.thinking and len(able) == len(routes):
        return routes
    if not _asks_thinking(request.body, dialect):
        return routes
    if not grant.thinking:
        message = "Extended thinking is not part of this plan."
        raise ServiceFault(Reason.THINKING_NOT_ALLOWED, message)
    if not able:
        message = "No provider of this model supports extended thinking."
        raise _model_fault(Reason.UNSUPPORTED_FEATURE, message, request.model)
    return able


def _asks_thinking(body: bytes, dialect: Dialect) -> bool:
    try:
        decoded = orjson.loads(body)
    except ValueError:
        raise ServiceFault(Reason.INVALID_REQUEST, "The body is not JSON.") from None
    if not isinstance(decoded, dict):
        raise ServiceFault(Reason.INVALID_REQUEST, "The body is not a JSON object.")
    try:
        return dialect.peek(decoded).thinking
    except RemoteDialectError as error:
        raise ServiceFault(Reason.INVALID_REQUEST, error.fault.message) from None


def _model_fault(reason: Reason, message: str, model: str) -> ServiceFault:
    return ServiceFault(reason, message, metadata={"model": model[:200]})
