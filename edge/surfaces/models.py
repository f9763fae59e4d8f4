"""GET /v1/models and /v1/models/{id}: one path, two shapes.

Anthropic's clients always send ``anthropic-version``; whoever does gets Anthropic's shape, the
others OpenAI's. The list is the account's, at this moment.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, unquote

import orjson
from starlette.types import Receive, Scope, Send

from dialects.registry import DIALECTS
from edge.admittance import Admittance
from edge.faults import public_fault, send_fault, send_json
from edge.surfaces.inference import begin, log_request
from runtime.catalog import Model
from runtime.faults import Reason, ServiceFault

PREFIX: Final = "/v1/models"
# Neither dialect's date is ours to know; a fixed one keeps answers the same on every replica.
CREATED: Final = 1_735_689_600
CREATED_AT: Final = "2025-01-01T00:00:00Z"
MAX_PAGE: Final = 1000


class ModelsSurface:
    """The model list, as an ASGI app."""

    def __init__(self, admittance: Admittance) -> None:
        self._admittance = admittance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = begin(scope)
        is_anthropic = b"anthropic-version" in request.headers
        dialect = DIALECTS["anthropic_messages" if is_anthropic else "openai_chat"]
        try:
            lease = await self._admittance.identify(scope)
            models = self._admittance.models(lease.policy)
            name = unquote(scope["path"][len(PREFIX) :].strip("/"))
            if name:
                body = _one(models, name, is_anthropic)
            else:
                body = _anthropic_page(models, scope) if is_anthropic else _openai_list(models)
            request.status = 200
            await send_json(scope, send, 200, orjson.dumps(body), request.request_id)
        except ServiceFault as error:
            request.reason = str(error.reason)
            fault = public_fault(error)
            request.status = dialect.render_fault(fault, request.request_id)[0]
            await send_fault(scope, send, dialect, fault, request.request_id)
        finally:
            log_request(request, "models")


def _one(models: list[Model], name: str, is_anthropic: bool) -> dict[str, Any]:
    for model in models:
        if model.id == name:
            return _anthropic_model(model) if is_anthropic else _openai_model(model)
    raise ServiceFault(
        Reason.MODEL_UNKNOWN, f"The model `{name[:200]}` does not exist or is not available."
    )


def _openai_model(model: Model) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": CREATED, "owned_by": "gatebeyz"}


def _openai_list(models: list[Model]) -> dict[str, Any]:
    return {"object": "list", "data": [_openai_model(model) for model in models]}


def _anthropic_model(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": CREATED_AT,
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
    }


def _anthropic_page(models: list[Model], scope: Scope) -> dict[str, Any]:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    try:
        limit = int(query.get("limit", ["20"])[0])
    except ValueError:
        limit = 0
    if not 1 <= limit <= MAX_PAGE:
        raise ServiceFault(Reason.INVALID_REQUEST, f"limit must be from 1 to {MAX_PAGE}.")
    ids = [model.id for model in models]
    begin_at, end_at = 0, len(models)
    if after := query.get("after_id"):
        begin_at = ids.index(after[0]) + 1 if after[0] in ids else len(ids)
    if before := query.get("before_id"):
        end_at = ids.index(before[0]) if before[0] in ids else 0
        begin_at = max(begin_at, end_at - limit)
    page = models[begin_at:end_at][:limit]
    return {
        "data": [_anthropic_model(model) for model in page],
        "has_more": begin_at + len(page) < end_at,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
