"""The edge's way out: told first, patient with what runs, honest about what it must cut.

begin()  readiness goes, answers say ``connection: close``; requests are still taken in
end()    the grace is over: every running answer ends in its dialect's error event
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc.aio
from starlette.types import Message, Send

from edge import metrics
from runtime.faults import Reason, ServiceFault
from runtime.metrics import DRAINING

# How a call ends that was cancelled.
CALL_ENDS: Final = (asyncio.CancelledError, grpc.aio.AioRpcError)
_CLOSE: Final = (b"connection", b"close")
_OVER: Final = ServiceFault(
    Reason.DRAINING, "The gateway is restarting. Send the request again.", retry_after_s=1
)


class Drain:
    """The state of one process, and the calls it would have to cut."""

    def __init__(self) -> None:
        self.is_begun = False
        self._is_over = False
        self._calls: set[Any] = set()

    def begin(self) -> None:
        """From now on this process is on its way out."""
        self.is_begun = True
        DRAINING.set(1)

    def end(self) -> None:
        """Cut what still runs."""
        self._is_over = True
        for call in tuple(self._calls):
            call.cancel()

    def running(self, call: Any) -> _Running:
        """While the context lasts, ``end`` cancels ``call``; ServiceFault DRAINING comes of it."""
        return _Running(self, call)

    def keep(self, call: Any) -> None:
        """A call begins that ``end`` is to cut."""
        self._calls.add(call)

    def drop(self, call: Any) -> bool:
        """The call is over; whether it may have been cut."""
        self._calls.discard(call)
        return self._is_over


class _Running:
    """One call that a drain may cut."""

    __slots__ = ("_call", "_drain")

    def __init__(self, drain: Drain, call: Any) -> None:
        self._drain = drain
        self._call = call

    def __enter__(self) -> None:
        self._drain.keep(self._call)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        was_cut = self._drain.drop(self._call)
        if was_cut and kind is not None and issubclass(kind, CALL_ENDS):
            metrics.DRAIN_CUTS.inc()
            raise _OVER from None


def closing(send: Send) -> Send:
    """``send`` for an answer after which the client is to open its connection anew, elsewhere."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _CLOSE]}
        await send(message)

    return send_closing
