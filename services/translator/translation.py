"""TranslationService: bodies from dialect to dialect, no upstream called."""

from __future__ import annotations

import secrets
import time
from typing import Any

import orjson

from dialects.bridge import carry_answer, carry_request
from dialects.capabilities import capabilities_of
from dialects.dialect import AnswerContext, EncodeContext
from dialects.errors import RemoteDialectError
from gatebeyz.translation.v1 import translation_pb2, translation_pb2_grpc
from runtime.faults import Reason, ServiceFault
from services.translator.service import dialect_named, parse_object, refusal_of


class TranslationService(translation_pb2_grpc.TranslationServiceServicer):
    """Pure: the same input gives the same output, but for an answer's ids and time."""

    async def TranslateRequest(  # noqa: N802 - the name is the proto's
        self, request: translation_pb2.TranslateRequestRequest, context: Any
    ) -> translation_pb2.TranslateRequestResponse:
        """See translation.proto."""
        source, target = dialect_named(request.source), dialect_named(request.target)
        where = EncodeContext(model=request.model, capabilities=capabilities_of(request.model))
        try:
            carried = carry_request(
                source, target, parse_object(request.body), where, strict=request.strict
            )
        except RemoteDialectError as error:
            raise refusal_of(error.fault) from None
        return translation_pb2.TranslateRequestResponse(
            body=orjson.dumps(carried.body), warnings=carried.warnings
        )

    async def TranslateResponse(  # noqa: N802 - the name is the proto's
        self, request: translation_pb2.TranslateResponseRequest, context: Any
    ) -> translation_pb2.TranslateResponseResponse:
        """See translation.proto."""
        source, target = dialect_named(request.source), dialect_named(request.target)
        request_id = f"req_{secrets.token_hex(12)}"
        if request.status >= 400:
            fault = source.parse_fault(request.status, request.body)
            status, rendered = target.render_fault(fault, request_id)
            return translation_pb2.TranslateResponseResponse(
                body=orjson.dumps(rendered), status=status
            )
        answer_context = AnswerContext(
            model=request.model,
            request_id=request_id,
            now=int(time.time()),
            new_id=lambda: secrets.token_hex(12),
            request=parse_object(request.request) if request.request else {},
        )
        try:
            answer = carry_answer(source, target, parse_object(request.body), answer_context)
        except RemoteDialectError as error:
            raise ServiceFault(Reason.INVALID_REQUEST, error.fault.message) from None
        return translation_pb2.TranslateResponseResponse(body=orjson.dumps(answer), status=200)
