"""TranslationService: bodies from dialect to dialect, no upstream called."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import orjson

from dialects import json_text
from dialects.bridge import carry_answer
from dialects.capabilities import capabilities_of
from dialects.dialect import AnswerContext, Dialect, EncodeContext
from dialects.errors import RemoteDialectError
from gatebeyz.translation.v1 import translation_pb2, translation_pb2_grpc
from runtime.catalog import Catalog
from runtime.faults import Reason, ServiceFault
from runtime.identity import new_request_id
from services.translator.carriage import carry, dialect_named, parse_object


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Pure: the same input gives the same output, but for an answer's ids and time."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog

    async def TranslateRequest(  # noqa: N802 - the name is the proto's
        self, request: translation_pb2.TranslateRequestRequest, context: Any
    ) -> translation_pb2.TranslateRequestResponse:
        """See translation.proto."""
        source, target = dialect_named(request.source), dialect_named(request.target)
        body = parse_object(request.body)
        where = self._context(request.model, target, body)
        where.user = request.user or None
        carried = carry(source, target, body, where, request.headers, strict=request.strict)
        return translation_pb2.TranslateRequestResponse(
            body=json_text.render(carried.body),
            warnings=carried.warnings,
            headers=target.request_headers(carried.body),
            stops=where.stops,
        )

    async def TranslateResponse(  # noqa: N802 - the name is the proto's
        self, request: translation_pb2.TranslateResponseRequest, context: Any
    ) -> translation_pb2.TranslateResponseResponse:
        """See translation.proto."""
        source, target = dialect_named(request.source), dialect_named(request.target)
        request_id = new_request_id()
        if request.status >= 400:
            fault = source.parse_fault(request.status, request.body)
            status, rendered = target.render_fault(fault, request_id)
            body = orjson.dumps(rendered)
            return translation_pb2.TranslateResponseResponse(body=body, status=status)
        fields: dict[str, Any] = {}
        if request.request:
            asked = parse_object(request.request)
            where = self._context(request.upstream_model or request.model, source, asked)
            fields = carry(target, source, asked, where, {}).answer_context_fields
        answer_context = AnswerContext(
            model=request.model,
            request_id=request_id,
            now=int(time.time()),
            new_id=lambda: secrets.token_hex(12),
            **fields,
        )
        try:
            answer = carry_answer(source, target, parse_object(request.body), answer_context)
        except RemoteDialectError as error:
            raise ServiceFault(Reason.INVALID_REQUEST, error.fault.message) from None
        body = json_text.render(answer)
        return translation_pb2.TranslateResponseResponse(body=body, status=200)

    def _context(self, name: str, target: Dialect, body: dict[str, Any]) -> EncodeContext:
        """Where a request goes: a model of the catalog by its route, any other by its name."""
        stream = body.get("stream") is True
        catalog = self._catalog()
        model = catalog.model(name)
        routes = catalog.routes(model, target.name) if model else []
        if model and routes:
            capabilities = catalog.capabilities(model, routes[0])
            return EncodeContext(routes[0].upstream_model, capabilities, stream=stream)
        return EncodeContext(name, capabilities_of(name), stream=stream)
