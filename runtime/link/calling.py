"""The caller's side of links: one to each replica, kept up while the process lives.

A channel balances RPCs, not calls on a link, so each replica gets a link of its own: links are
opened one after another, the channel's round robin takes each to the next replica, and the name
that a replica gives itself tells whether there is a link to it already. The same search, repeated,
finds replicas that were added. A call takes the link with the fewest calls on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc
import grpc.aio

from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from runtime import tracing
from runtime.channels import identity_metadata
from runtime.config import SecretText
from runtime.faults import DETAILS_KEY
from runtime.link.serving import PACE_KEY, WINDOW_BYTES
from runtime.link.writer import PACE_S, Writer
from runtime.logs import get_logger
from runtime.metrics import LINKS

# Between two searches for replicas; the more there are, the more often.
SEARCH_S: Final = 2.0
# So many searches that find none end the first one: a channel begins with one connection.
IN_VAIN: Final = 2
# How long a link takes new calls. Old ones would outlive a certificate that was replaced.
AGE_S: Final = 60.0
# A replica that does not say its name within this time is none.
NAME_S: Final = 5.0
# After no replica answered.
AGAIN_S: Final = 0.25
# After a peer said that it knows no links.
UNKNOWN_S: Final = 60.0
# A body beyond this goes as an RPC of its own: on a link it would hold up the others.
BODY_BYTES: Final = 512 * 1024

# So many turns of the loop a message waits before it leaves: nothing at rest, and under load time
# enough for other requests that came meanwhile to go along.
TURNS: Final = 2

# In place of a request that is not to be repeated: its body may be large, its answer long.
_NEVER_AGAIN: Final = inference_pb2.GenerateRequest()
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class LinkedInference:
    """``InferenceServiceStub`` whose Generates share links. Close it at the end.

    ``pace_s`` is how long the middle of an answer may wait for company on its way here.
    """

    def __init__(
        self,
        channel: Any,
        service_token: SecretText | None,
        peer: str,
        pace_s: float = PACE_S,
    ) -> None:
        LINKS.labels(peer).set_function(lambda: len(self._links))
        self.stub = inference_pb2_grpc.InferenceServiceStub(channel)
        pace = (PACE_KEY, str(round(pace_s * 1000)))
        self._metadata = [*identity_metadata(service_token), pace]
        self._links: dict[str, _Link] = {}
        self._retired: set[_Link] = set()
        self._is_missed = asyncio.Event()
        self._is_used = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def instances(self) -> frozenset[str]:
        """The replicas that new calls are shared between."""
        return frozenset(self._links)

    def start(self) -> None:
        """Begin to open links; the first call does, where nobody did."""
        self._keeping = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """Close the links; calls that still run end."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        for link in (*self._links.values(), *self._retired):
            await link.close()

    def Generate(self, request: inference_pb2.GenerateRequest) -> Any:  # noqa: N802
        """A call with ``read`` and ``cancel``, as of the stub."""
        if self._keeping is None:
            self.start()
        self._is_used.set()
        if not self._links or len(request.body) > BODY_BYTES:
            return self.stub.Generate(request)
        request.traceparent, request.tracestate = tracing.current(), tracing.state()
        link = min(self._links.values(), key=_Link.load)
        return link.begin(request, self.stub)

    async def probe(self) -> None:
        """Until the quickest of the replicas has answered on its link; at once where none is up.

        What takes long is everything a call waits for that is not the replica's work: the loops
        of both sides, and what stands between them.
        """
        if echoes := [link.probe() for link in self._links.values()]:
            await asyncio.wait(echoes, return_when=asyncio.FIRST_COMPLETED)

    async def _keep(self) -> None:
        """Find a link to each replica, and go on searching."""
        in_vain = 0
        while True:
            self._is_missed.clear()
            in_vain += 1
            try:
                if is_new := await self._search():
                    in_vain = 0
                wait_s = 0.0 if is_new else SEARCH_S / max(len(self._links), 1)
            except (TimeoutError, ConnectionError):
                wait_s = AGAIN_S
            except grpc.aio.AioRpcError as error:
                is_unknown = error.code() is grpc.StatusCode.UNIMPLEMENTED
                wait_s = UNKNOWN_S if is_unknown else AGAIN_S
            except Exception:
                get_logger().exception("no link")
                wait_s = SEARCH_S
            # Not wait_for: in Python 3.11 it swallows a cancel that comes with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._is_missed.wait()
            if self._links and in_vain >= IN_VAIN:
                # Where nobody calls, nobody needs to know of more replicas.
                await self._is_used.wait()
                self._is_used.clear()

    async def _search(self) -> bool:
        """Open a link; whether it leads to a replica that had none.

        AioRpcError, ConnectionError, TimeoutError where there is none.
        """
        link = _Link(self.stub.Link(metadata=self._metadata), self._leave)
        try:
            async with asyncio.timeout(NAME_S):
                await link.open()
        except BaseException:
            link.cancel()
            raise
        known = self._links.get(link.instance)
        if known is not None and not known.is_old():
            link.cancel()
            return False
        self._links[link.instance] = link
        if known is not None:
            self._retired.add(known)
            known.retire()
        link.start()
        return known is None

    def _leave(self, link: _Link) -> None:
        """A link takes no more calls, or is over."""
        if self._links.get(link.instance) is link:
            del self._links[link.instance]
            self._is_missed.set()
            self._is_used.set()
        if link.is_over:
            self._retired.discard(link)
        else:
            self._retired.add(link)


class _Link:
    """One link. ``leave`` is told when it takes no more calls, and when it is over."""

    def __init__(self, stream: Any, leave: Callable[[_Link], None]) -> None:
        self._stream = stream
        self._leave = leave
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._is_retired = False
        self._opened_at = asyncio.get_running_loop().time()
        self._work: tuple[asyncio.Task[None], ...] = ()
        self._echo: asyncio.Future[None] | None = None
        self._may_probe = self._probes = False
        self.writer: Writer[inference_pb2.CallFrame] = Writer()
        self.instance = ""
        self.is_over = False

    def load(self) -> int:
        """How many calls are on it."""
        return len(self._calls)

    def is_old(self) -> bool:
        """Whether new calls had better take a new link."""
        return asyncio.get_running_loop().time() - self._opened_at > AGE_S

    async def open(self) -> None:
        """Wait for the replica's name. AioRpcError, ConnectionError."""
        hello = await self._stream.read()
        if hello is grpc.aio.EOF:
            raise ConnectionError("the replica ended the link before it began")
        self.instance = hello.instance
        self._may_probe = hello.echoes

    def start(self) -> None:
        """Begin to carry calls."""
        self._work = (asyncio.ensure_future(self._hear()), asyncio.ensure_future(self._speak()))

    def cancel(self) -> None:
        """End it at once."""
        self._stream.cancel()

    async def close(self) -> None:
        """End it, with all that runs on it."""
        for call in tuple(self._calls.values()):
            call.cancel()
        self.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def retire(self) -> None:
        """Take no new calls; end with the last."""
        self._is_retired = True
        self.writer.wake()

    def begin(self, request: inference_pb2.GenerateRequest, stub: Any) -> _Call:
        """A new call."""
        self._number += 1
        call = self._calls[self._number] = _Call(self._number, self, request, stub)
        self.writer.mark(call)
        return call

    def probe(self) -> asyncio.Future[None]:
        """Done when the replica has answered; one question at a time is under way."""
        if self._echo is None or self._echo.done():
            self._echo = asyncio.get_running_loop().create_future()
            self._probes = self._may_probe
            if self._probes:
                self.writer.wake()
            else:
                self._end_probe()
        return self._echo

    def forget(self, call: _Call) -> None:
        """A call is over."""
        self._calls.pop(call.number, None)
        if self._is_retired and not self._calls:
            self.writer.wake()

    async def _speak(self) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                # The last call's last word, a cancel perhaps, goes out when no more is to come.
                if self._calls or not self._is_retired:
                    await self.writer.ready()
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                request = inference_pb2.LinkRequest(probes=self._probes)
                if self.writer.drain(request.frames) or self._probes:
                    self._probes = False
                    await self._stream.write(request)
                elif self._is_retired and not self._calls:
                    await self._stream.done_writing()
                    return

    async def _hear(self) -> None:
        try:
            while (response := await self._stream.read()) is not grpc.aio.EOF:
                for frame in response.frames:
                    if (call := self._calls.get(frame.call)) is not None:
                        call.hear(frame)
                if response.echoes:
                    self._end_probe()
                if response.going_away:
                    self._leave(self)
                    self.retire()
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass
        finally:
            self.is_over = True
            self._end_probe()
            self._leave(self)
            for call in tuple(self._calls.values()):
                call.lose()
            self._work[1].cancel()

    def _end_probe(self) -> None:
        if self._echo is not None and not self._echo.done():
            self._echo.set_result(None)


class _Call:
    """One call, as a gRPC call would be: ``read`` until EOF or AioRpcError, ``cancel``."""

    __slots__ = (
        "_alone", "_answers", "_consumed", "_is_accepted", "_is_cancelled", "_is_told", "_link",
        "_request", "_status", "_stub", "_waiter", "is_marked", "number",
    )  # fmt: skip

    def __init__(
        self, number: int, link: _Link, request: inference_pb2.GenerateRequest, stub: Any
    ) -> None:
        self.number = number
        self.is_marked = False
        self._link = link
        self._request = request
        self._stub = stub
        self._alone: Any = None  # the same call as an RPC of its own
        self._answers: deque[inference_pb2.GenerateResponse] = deque()
        self._status: tuple[grpc.StatusCode, str, bytes] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._consumed = 0
        self._is_accepted = False
        self._is_cancelled = False
        self._is_told = False

    async def read(self) -> Any:
        """The next answer, or EOF. AioRpcError; CancelledError after ``cancel``."""
        while not self._answers:
            if self._alone is not None:
                return await self._alone.read()
            if self._is_cancelled:
                raise asyncio.CancelledError
            if self._status is not None:
                return self._end()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        answer = self._answers.popleft()
        if self._answers and not self._answers[0].HasField("outcome"):
            answer = self._join(answer)
        self._consumed += len(answer.chunk)
        if self._consumed >= WINDOW_BYTES // 2:
            self._link.writer.mark_paced(self)
        return answer

    async def __aiter__(self) -> AsyncIterator[inference_pb2.GenerateResponse]:
        """Every answer."""
        while (answer := await self.read()) is not grpc.aio.EOF:
            yield answer

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self._alone is not None:
            self._alone.cancel()
        elif self._status is None and not self._is_cancelled:
            self._is_cancelled = True
            self._link.writer.mark(self)
            self._link.forget(self)
            self._wake()

    def hear(self, frame: inference_pb2.AnswerFrame) -> None:
        """The service's next piece."""
        if frame.accepted and not self._is_accepted:
            self._is_accepted = True
            self._request = _NEVER_AGAIN
        if frame.HasField("answer"):
            self._answers.append(frame.answer)
        if frame.HasField("status"):
            status = frame.status
            self._link.forget(self)
            if status.repeatable and not self._is_accepted:
                self._alone = self._stub.Generate(self._request)
            else:
                self._status = (_CODES[status.code], status.message, status.details)
        self._wake()

    def lose(self) -> None:
        """The link broke: what no upstream can have begun is done again."""
        self._link.forget(self)
        if self._is_accepted:
            self._status = (grpc.StatusCode.UNAVAILABLE, "the link broke", b"")
        else:
            self._alone = self._stub.Generate(self._request)
        self._wake()

    def fill(self, frame: inference_pb2.CallFrame) -> int:
        """What the service is to know, in one frame."""
        frame.call = self.number
        size = 16
        if not self._is_told:
            self._is_told = True
            frame.begin.CopyFrom(self._request)
            size += len(self._request.body)
        frame.consumed, self._consumed = self._consumed, 0
        frame.cancel = self._is_cancelled
        return size

    def _join(self, answer: inference_pb2.GenerateResponse) -> inference_pb2.GenerateResponse:
        """``answer`` with the chunks that came while its reader was busy."""
        chunks = [answer.chunk]
        while self._answers and not self._answers[0].HasField("outcome"):
            chunks.append(self._answers.popleft().chunk)
        answer.chunk = b"".join(chunks)
        return answer

    def _end(self) -> Any:
        assert self._status is not None
        code, message, details = self._status
        if code is grpc.StatusCode.OK:
            return grpc.aio.EOF
        trailers = grpc.aio.Metadata((DETAILS_KEY, details)) if details else grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, message)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
