"""Requests carried from dialect to dialect, in the words of a service: proto values and faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dialects import json_text
from dialects.bridge import CarriedRequest, carry_request
from dialects.dialect import Dialect, EncodeContext
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from gatebeyz.inference.v1 import inference_pb2
from runtime.faults import Reason, ServiceFault

NAMES: Final = {
    inference_pb2.DIALECT_ANTHROPIC_MESSAGES: "anthropic_messages",
    inference_pb2.DIALECT_OPENAI_CHAT: "openai_chat",
    inference_pb2.DIALECT_OPENAI_RESPONSES: "openai_responses",
}
VALUES: Final = {name: value for value, name in NAMES.items()}


def dialect_named(value: inference_pb2.Dialect) -> Dialect:
    """The dialect of a proto value; INVALID_REQUEST where it is none."""
    name = NAMES.get(value)
    if name is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "The dialect is not known.")
    return DIALECTS[name]


def parse_object(body: bytes) -> dict[str, Any]:
    """A body as the object it must be; INVALID_REQUEST for anything else."""
    try:
        parsed = json_text.parse_request(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ServiceFault(Reason.INVALID_REQUEST, "The request body must be a JSON object.")
    return parsed


def carry(
    source: Dialect,
    target: Dialect,
    body: dict[str, Any],
    where: EncodeContext,
    headers: Mapping[str, str],
    *,
    strict: bool = False,
) -> CarriedRequest:
    """As ``carry_request``; a ServiceFault names the field of what is refused."""
    try:
        return carry_request(source, target, body, where, headers=headers, strict=strict)
    except RemoteDialectError as error:
        raise _refusal_of(error.fault) from None


def _refusal_of(fault: Fault) -> ServiceFault:
    is_feature = fault.kind is FaultClass.UNSUPPORTED_FEATURE
    reason = Reason.UNSUPPORTED_FEATURE if is_feature else Reason.INVALID_REQUEST
    metadata = {"param": fault.param} if fault.param else {}
    return ServiceFault(reason, fault.message, metadata=metadata)
