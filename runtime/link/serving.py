"""The service's side of a link."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from runtime.faults import Reason, ServiceFault
from runtime.interceptors import guard_call
from runtime.link.writer import MAX_PACE_S, PACE_S, Writer
from runtime.logs import get_logger

# What a call may send ahead of its reader.
WINDOW_BYTES: Final = 256 * 1024
# Far beyond what one edge has in flight; a peer that begins more is out of its mind.
MAX_CALLS: Final = 8_192

# Under this name a caller says its pace in milliseconds as it opens a link.
PACE_KEY: Final = "x-gatebeyz-pace"
GENERATE: Final = "/gatebeyz.inference.v1.InferenceService/Generate"
_OVERFULL: Final = ServiceFault(
    Reason.OVERLOADED, "Too many requests are under way.", retry_after_s=1
)
_AWAY: Final = ServiceFault(Reason.DRAINING, "This replica is restarting.", retry_after_s=1)

Behaviour = Callable[[inference_pb2.GenerateRequest, "LinkedCall"], Awaitable[None]]


class LinkedService(inference_pb2_grpc.InferenceServiceServicer):
    """A servicer whose ``Generate`` is reached by links as well.

    ``tells_of_generates`` where it logs a line of its own for each that goes well.
    """

    tells_of_generates = False

    def __init__(self) -> None:
        self._links: set[_Link] = set()
        self._is_going_away = False
        self.instance = secrets.token_hex(8)

    def attach(self, server: grpc.aio.Server) -> None:
        """Have ``server`` serve it."""
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(self, server)

    @property
    def links(self) -> int:
        """How many links are open."""
        return len(self._links)

    def go_away(self) -> None:
        """Take no new calls by link; each link ends with its last call."""
        self._is_going_away = True
        for link in self._links:
            link.go_away()

    async def carry(self, request: inference_pb2.GenerateRequest, call: LinkedCall) -> None:
        """Answer one call of a link, as ``Generate`` would."""
        answers: Any = self.Generate(request, call)  # type: ignore[arg-type]
        async with contextlib.aclosing(answers):
            async for answer in answers:
                await call.send(answer)

    async def Link(  # noqa: N802 - the name is the proto's
        self, requests: AsyncIterator[inference_pb2.LinkRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[inference_pb2.LinkResponse]:
        """See inference.proto."""
        guarded = guard_call(GENERATE, self.carry, is_told=self.tells_of_generates)
        link = _Link(guarded, _pace_of(context.invocation_metadata() or ()))
        self._links.add(link)
        hearing = asyncio.ensure_future(link.hear(requests))
        # The caller may leave while this generator sleeps in its yield: nothing would wake it.
        context.add_done_callback(lambda _: link.close())
        if self._is_going_away:
            link.go_away()
        try:
            yield inference_pb2.LinkResponse(instance=self.instance, echoes=True)
            while not link.is_over:
                await link.writer.ready()
                response = inference_pb2.LinkResponse()
                is_news = link.writer.drain(response.frames)
                if link.echoes():
                    response.echoes = is_news = True
                if link.tells_going_away():
                    response.going_away = is_news = True
                if is_news:
                    yield response
        finally:
            self._links.discard(link)
            hearing.cancel()
            link.close()


class _Link:
    """The calls of one link."""

    def __init__(self, behaviour: Behaviour, pace_s: float) -> None:
        self.writer: Writer[inference_pb2.AnswerFrame] = Writer(pace_s)
        self._behaviour = behaviour
        self._calls: dict[int, LinkedCall] = {}
        self._is_heard_out = False
        self._is_going_away = False
        self._has_told = False
        self._is_probed = False

    @property
    def is_over(self) -> bool:
        """Whether nothing will be said any more."""
        return not self._calls and (self._is_heard_out or self._has_told)

    def go_away(self) -> None:
        """Have the caller told; new calls are refused."""
        self._is_going_away = True
        self.writer.wake()

    def tells_going_away(self) -> bool:
        """Whether the caller is to be told now."""
        is_news = self._is_going_away and not self._has_told
        self._has_told = self._is_going_away
        return is_news

    def echoes(self) -> bool:
        """Whether the caller waits to hear that it was heard."""
        is_probed, self._is_probed = self._is_probed, False
        return is_probed

    async def hear(self, requests: AsyncIterator[inference_pb2.LinkRequest]) -> None:
        """Follow what the caller says; when it is gone, so are its calls."""
        try:
            async for request in requests:
                for frame in request.frames:
                    self._take(frame)
                if request.probes:
                    self._is_probed = True
                    self.writer.wake()
        except Exception:
            get_logger().exception("link broken")
            self.close()
        self._is_heard_out = True
        self.writer.wake()

    def close(self) -> None:
        """End every call: nobody is there."""
        for call in tuple(self._calls.values()):
            call.cancel()

    def leave(self, call: LinkedCall) -> None:
        """A call's status went out."""
        self._calls.pop(call.number, None)
        if not self._calls:
            self.writer.wake()

    def _take(self, frame: inference_pb2.CallFrame) -> None:
        call = self._calls.get(frame.call)
        if call is None:
            if frame.HasField("begin"):
                self._begin(frame)
            return  # what was said before our status arrived
        if frame.consumed:
            call.widen(frame.consumed)
        if frame.cancel:
            call.cancel()

    def _begin(self, frame: inference_pb2.CallFrame) -> None:
        call = self._calls[frame.call] = LinkedCall(frame.call, self)
        if frame.cancel:
            call.end(grpc.StatusCode.CANCELLED)
        elif self._is_going_away or len(self._calls) > MAX_CALLS:
            call.refuse(_AWAY if self._is_going_away else _OVERFULL)
        else:
            call.start(self._behaviour, frame.begin)


class LinkedCall:
    """One call, and what a handler needs of a ServicerContext."""

    __slots__ = (
        "_answer", "_callbacks", "_chunks", "_is_accepted", "_link", "_room",
        "_status", "_task", "_window", "is_marked", "number",
    )  # fmt: skip

    def __init__(self, number: int, link: _Link) -> None:
        self.number = number
        self.is_marked = False
        self._link = link
        self._answer: inference_pb2.GenerateResponse | None = None
        self._chunks: list[bytes] = []
        self._is_accepted = False
        self._status: inference_pb2.CallStatus | None = None
        self._window = WINDOW_BYTES
        self._room: asyncio.Future[None] | None = None
        self._callbacks: list[Callable[[Any], None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self, behaviour: Behaviour, request: inference_pb2.GenerateRequest) -> None:
        """Run the handler."""
        self._task = asyncio.ensure_future(self._run(behaviour, request))

    def cancel(self) -> None:
        """The caller does not wait any more."""
        if self._task is not None:
            self._task.cancel()

    def widen(self, size: int) -> None:
        """The caller read so many bytes."""
        self._window += size
        if self._window > 0 and self._room is not None and not self._room.done():
            self._room.set_result(None)

    def refuse(self, fault: ServiceFault) -> None:
        """End it before it began: the caller may go elsewhere."""
        status = fault.status()
        details = status.SerializeToString()
        self._status = inference_pb2.CallStatus(
            code=status.code,
            message=fault.message,
            details=details,
            repeatable=fault.reason is Reason.DRAINING,
        )
        self._link.writer.mark(self)

    def end(self, code: grpc.StatusCode, message: str = "", details: bytes = b"") -> None:
        """The call is over."""
        if self._status is None:
            self._status = inference_pb2.CallStatus(
                code=code.value[0], message=message, details=details
            )
        self._link.writer.mark(self)

    def fill(self, frame: inference_pb2.AnswerFrame) -> int:
        """Everything that is ready, in one frame."""
        frame.call = self.number
        frame.accepted = self._is_accepted
        size = 64
        if self._answer is not None or self._chunks:
            answer = frame.answer
            if self._answer is not None:
                answer.MergeFrom(self._answer)
                self._answer = None
            if self._chunks:
                answer.chunk = b"".join(self._chunks)
                self._chunks.clear()
            size += len(answer.chunk)
        if self._status is not None:
            if self._status.code:
                frame.status.CopyFrom(self._status)
            else:
                frame.status.SetInParent()  # OK; a copy is an encoding and a decoding
            self._link.leave(self)
        return size

    async def _run(self, behaviour: Behaviour, request: inference_pb2.GenerateRequest) -> None:
        try:
            await behaviour(request, self)
            self.end(grpc.StatusCode.OK)
        except grpc.aio.AbortError:
            pass  # the status is known
        finally:
            for callback in self._callbacks:
                callback(self)
            self.end(grpc.StatusCode.CANCELLED)

    async def send(self, answer: inference_pb2.GenerateResponse) -> None:
        """Have the caller told; waits while it has too much to read. The message is given away."""
        if answer.HasField("head") or answer.HasField("outcome"):
            self.tell(answer)
        else:
            self.pass_on(answer.chunk)
        if self.is_full:
            await self.room()

    def tell(self, answer: inference_pb2.GenerateResponse) -> None:
        """A head or an outcome, which the caller waits for. The message is given away."""
        if chunk := answer.chunk:
            self._chunks.append(chunk)
            self._window -= len(chunk)
            answer.ClearField("chunk")
        if self._answer is None:
            self._answer = answer
        else:
            self._answer.MergeFrom(answer)
        self._link.writer.mark(self)

    def pass_on(self, chunk: bytes) -> None:
        """A piece of the middle: it may wait for company."""
        self._chunks.append(chunk)
        self._window -= len(chunk)
        self._link.writer.mark_paced(self)

    @property
    def is_full(self) -> bool:
        """Whether the caller has more to read than it should."""
        return self._window <= 0

    async def room(self) -> None:
        """Until the caller has read of it."""
        while self._window <= 0:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def accept(self) -> None:
        """From here on the call is not to be repeated."""
        self._is_accepted = True
        self._link.writer.mark_idle(self)

    # What handlers ask of their context.

    async def send_initial_metadata(self, _metadata: Any) -> None:
        """As of a ServicerContext: ``accept``."""
        self.accept()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """As of a ServicerContext."""
        self._callbacks.append(callback)

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """A call has none of its own: its trace stands in the request."""
        return ()

    async def abort(
        self, code: grpc.StatusCode, message: str, trailers: tuple[tuple[str, Any], ...] = ()
    ) -> NoReturn:
        """As of a ServicerContext."""
        details = next((value for _, value in trailers if isinstance(value, bytes)), b"")
        self.end(code, message, details)
        raise grpc.aio.AbortError


def _pace_of(metadata: Iterable[tuple[str, str | bytes]]) -> float:
    """How long the caller lets the middle of an answer wait; ours where it does not say."""
    said = next((value for key, value in metadata if key == PACE_KEY), "")
    return min(int(said) / 1000, MAX_PACE_S) if str(said).isdecimal() else PACE_S
