"""The table of errors, read from the code that renders them: it cannot say anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dialects.errors import Fault, FaultClass
from dialects.registry import DIALECTS
from edge.faults import PUBLIC
from edge.web.rendering import N_

_MEANINGS: Final[dict[FaultClass, str]] = {
    FaultClass.BAD_REQUEST: N_("The request is wrong in itself; the message names the field."),
    FaultClass.CONTEXT_OVERFLOW: N_("The prompt does not fit the model's context window."),
    FaultClass.UNSUPPORTED_FEATURE: N_("The model cannot do what a field of the request asks."),
    FaultClass.UNAUTHENTICATED: N_(
        "The key is missing, unknown, expired or revoked, or belongs to the other product."
    ),
    FaultClass.FORBIDDEN: N_(
        "The account may not use this model or feature now, or is suspended or expired."
    ),
    FaultClass.UNKNOWN_MODEL: N_("There is no model of that name here."),
    FaultClass.NOT_FOUND: N_("There is no such endpoint."),
    FaultClass.METHOD_NOT_ALLOWED: N_("The endpoint wants another HTTP method."),
    FaultClass.TOO_LARGE: N_("The body is larger than the limit."),
    FaultClass.OUT_OF_CREDIT: N_("The credit packs do not cover the request. Buy another pack."),
    FaultClass.QUOTA_EXHAUSTED: N_("The monthly quota is used up until its reset date."),
    FaultClass.RATE_LIMITED: N_("A limit per minute or of streams at once is reached."),
    FaultClass.UPSTREAM_RATE_LIMITED: N_("The model's provider asks to slow down."),
    FaultClass.OVERLOADED: N_("No capacity at this moment."),
    FaultClass.UPSTREAM_ERROR: N_("The model's provider failed to answer."),
    FaultClass.TIMEOUT: N_("The answer took too long."),
    FaultClass.INTERNAL: N_("The gateway failed. It was recorded; send us the request id."),
}


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One kind of error on both surfaces. ``retry`` is yes, no, or left to the client (None)."""

    meaning: str
    anthropic_status: int
    anthropic_type: str
    openai_status: int
    openai_code: str
    retry: bool | None


def error_rows() -> list[ErrorRow]:
    """Every kind, in the order of the statuses of the Anthropic surface."""
    retries = dict(PUBLIC.values())
    rows = []
    for kind, meaning in _MEANINGS.items():
        fault = Fault(kind, "")
        status, body = DIALECTS["anthropic_messages"].render_fault(fault, "")
        openai_status, openai_body = DIALECTS["openai_chat"].render_fault(fault, "")
        error = openai_body["error"]
        code = error["code"] or error["type"]
        retry = retries.get(kind, False)
        rows.append(ErrorRow(meaning, status, body["error"]["type"], openai_status, code, retry))
    return sorted(rows, key=lambda row: row.anthropic_status)
