"""The request log: when, which model, how much, how it ended. Prompts are nowhere to be shown."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response
from starlette.routing import Route

from edge.panel.door import Door
from edge.panel.keys import read_labels
from edge.panel.moments import read_moment
from edge.panel.visit import Visit
from edge.web.rendering import N_
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2

PAGE_SIZE: Final = 50
# How a request ended: the look of the word, and the word.
ENDS: Final[dict[int, tuple[str, str]]] = {
    inference_pb2.END_COMPLETE: ("good", N_("complete")),
    inference_pb2.END_UPSTREAM_ERROR: ("bad", N_("provider's error")),
    inference_pb2.END_TRUNCATED: ("bad", N_("broken off")),
    inference_pb2.END_CANCELLED: ("", N_("closed by the client")),
    inference_pb2.END_REVOKED: ("warn", N_("ended with its key")),
}
_UNKNOWN_END: Final = ("", N_("not known"))


class RequestPages:
    """The log of one account."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._clients = door.clients

    def routes(self) -> list[Route]:
        """``/requests``, page by page."""
        return [Route("/requests", self._door.page(self.show))]

    async def show(self, visit: Visit) -> Response:
        """The newest requests, or those before a sequence."""
        before = visit.request.query_params.get("before", "")[:64]
        request = ledger_pb2.ListUsageRequest(
            account_id=visit.account_id, limit=PAGE_SIZE + 1, before_sequence=before
        )
        stream = self._clients.stream(self._clients.credit.ListUsage, request, visit.token)
        entries = [answer.entry async for answer in stream]
        labels = await read_labels(self._clients, visit)
        page = entries[:PAGE_SIZE]
        return self._door.show(
            visit,
            "panel/requests.html",
            rows=[_row(one, labels) for one in page if one.kind == ledger_pb2.ENTRY_KIND_SETTLE],
            before=before,
            older=page[-1].sequence if len(entries) > PAGE_SIZE else "",
        )


def _row(entry: ledger_pb2.Entry, labels: dict[str, str]) -> dict[str, Any]:
    usage = entry.usage
    return {
        "at": read_moment(entry, "started_at"),
        "id": entry.request_id,
        "model": entry.model,
        "key": labels.get(entry.key_id, entry.key_id),
        "input": usage.input_tokens
        + usage.cache_read_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens,
        "output": usage.output_tokens,
        "estimated": usage.estimated,
        "cost_micros": entry.cost_micros,
        "ms": entry.total_ms,
        "end": ENDS.get(entry.end, _UNKNOWN_END),
    }
