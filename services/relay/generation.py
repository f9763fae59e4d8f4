"""One running Generate: from a checked order to its settlement, whatever happens between.

``messages`` gives what goes to the caller. ``close`` may come from anywhere, also while
``messages`` sleeps in the caller's socket: it ends the exchange, leaves the registry and puts the
settlement down, once. A prepaid request makes its hold before anything is dialled.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from typing import Final

from dialects.usage import Usage
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog, Route
from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger
from services.relay import metrics
from services.relay.answer import Answer, End
from services.relay.exchange import Closed, Dialer, ExchangeError, TimedOut
from services.relay.health import Health
from services.relay.hold import Hold, Holds, Seat
from services.relay.order import Order
from services.relay.revocation import Registry
from services.relay.route import Attempt, Result, first_answer
from services.relay.settlement import Outbox

_ENDS: Final = {
    End.COMPLETE: inference_pb2.END_COMPLETE,
    End.UPSTREAM_ERROR: inference_pb2.END_UPSTREAM_ERROR,
    End.TRUNCATED: inference_pb2.END_TRUNCATED,
}
_END_NAMES: Final = {number: name for name, number in inference_pb2.End.items()}
_BYTES_PER_TOKEN: Final = 4


class Generation:
    """See the module."""

    def __init__(
        self,
        order: Order,
        catalog: Catalog,
        dialer: Dialer,
        registry: Registry,
        holds: Holds,
        outbox: Outbox,
        health: Health,
    ) -> None:
        self._order = order
        self._catalog = catalog
        self._dialer = dialer
        self._registry = registry
        self._holds = holds
        self._outbox = outbox
        self._health = health
        self._hold: Hold | None = None
        self._ticket = registry.enter(order.grant)
        self._attempts: list[Attempt] = []
        self._route: Route | None = None
        self._opening: Route | None = None  # dialled, and nothing known of it yet
        self._answer: Answer | None = None
        self._end = inference_pb2.END_CANCELLED
        self._usage = Usage()
        self._used = inference_pb2.Usage()  # the same, once it is settled on
        self._is_concluded = False
        self._is_settled = False
        self._is_closed = False
        self._started_at = time.time()
        self._begun = time.perf_counter()
        self._first_byte_ms = 0

    async def messages(self) -> AsyncGenerator[inference_pb2.GenerateResponse | bytes]:
        """Head with the first bytes, chunks as they are, Outcome with the last. ServiceFault."""
        try:
            if self._order.grant.prepaid and not self._order.is_count:
                await self._take_hold()
            self._route, answer = await self._first_answer()
            self._answer = answer
            self._first_byte_ms = self._elapsed_ms()
            piece = self._head(answer)
            while not answer.is_over:
                yield piece
                piece = await answer.read()
                if self._hold is not None:
                    self._hold.notice(answer.output_estimate)
            self._conclude()
            # Put down before the caller knows: what it saw end is settled, whatever dies now.
            self._put_settlement()
            message = message_of(piece)
            message.complete = True
            self._fill_outcome(message.outcome)
            yield message
        except Closed:
            if (fault := self._ticket.fault) is None:
                return  # the caller left; there is nobody to tell
            self._end = inference_pb2.END_REVOKED
            # A fault that several share would gather their frames, bodies and all.
            raise fault.with_traceback(None) from None
        except TimedOut:
            self._end = inference_pb2.END_UPSTREAM_ERROR
            raise _fell_silent() from None
        except ServiceFault:
            self._end = inference_pb2.END_UPSTREAM_ERROR
            raise
        finally:
            self.close()

    def close(self) -> None:
        """End it; the second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._ticket.close()
        self._registry.leave(self._ticket)
        self._conclude()
        self._put_settlement()
        self._observe()
        self._log()

    async def _take_hold(self) -> None:
        """Make the one hold of a prepaid request, before anything is dialled."""
        started_ms = int(self._started_at * 1000)
        seat = Seat(self._order, started_ms, self._used_so_far, self._known_input, self._ticket.end)
        self._hold = await self._holds.open(seat)
        if self._is_closed:
            self._hold.close(void=True)
            raise Closed

    def _known_input(self) -> int | None:
        usage = Usage() if self._answer is None else self._answer.usage
        return None if usage.input is None else usage.total_input

    def _used_so_far(self) -> inference_pb2.Usage:
        answer = self._answer
        if answer is None or not answer.is_success:
            return inference_pb2.Usage()
        return _usage_message(self._guess(answer.usage, answer.output_floor))

    def _put_settlement(self) -> None:
        """Settle or void, once."""
        if self._is_settled:
            return
        self._is_settled = True
        reached = any(attempt.reached_upstream for attempt in self._attempts)
        is_due = (reached or self._opening is not None) and not self._order.is_count
        if is_due:
            self._outbox.put(self._settlement())
        if self._hold is not None:
            self._hold.close(void=not is_due)

    async def _first_answer(self) -> tuple[Route, Answer]:
        """The first answer of a route; a count of tokens says nothing of an upstream's health."""
        upstreams = self._catalog.upstreams
        routes = self._health.order(
            self._order.routes, lambda route: upstreams[route.upstream].pool, time.monotonic()
        )
        try:
            return await first_answer(routes, self._open_answer, self._attempts)
        finally:
            if not self._order.is_count:
                self._health.note(self._attempts, time.monotonic())

    async def _open_answer(self, route: Route) -> Answer:
        upstream = self._catalog.upstreams[route.upstream]
        if self._opening is None and not self._attempts and not self._order.is_count:
            self._opening = route
            self._outbox.begin(self._estimate())
        exchange = self._dialer.exchange(upstream, self._order.call(route))
        self._ticket.hold(exchange)
        answer = Answer(exchange, self._order.dialect)
        self._opening = route
        try:
            await answer.begin()
        except ExchangeError as error:
            exchange.close()
            if not isinstance(error, Closed):
                self._opening = None
            raise
        self._opening = None
        return answer

    def _conclude(self) -> None:
        """Settle on how it ended and what it used, from all that went by; once."""
        if self._is_concluded:
            return
        self._is_concluded = True
        self._usage = self._end_usage()
        self._used = _usage_message(self._usage)

    def _end_usage(self) -> Usage:
        answer = self._answer
        if answer is None:
            is_unsure = self._opening is not None or any(
                attempt.result is Result.TIMED_OUT for attempt in self._attempts
            )
            return self._guess(Usage(), 0) if is_unsure else Usage()
        end, usage = answer.finish()
        # Some callers hang up at the terminal event, before the upstream closes.
        if answer.is_over or end is End.COMPLETE:
            self._end = _ENDS[end]
        is_told = self._end == inference_pb2.END_COMPLETE and usage.is_reported
        if answer.is_success and not is_told:
            usage = self._guess(usage, answer.output_floor)
        return usage

    def _guess(self, usage: Usage, output_floor: int) -> Usage:
        """The usage, with our own guess where the upstream could not or did not tell."""
        guess = Usage(
            input=self._input_guess() if usage.input is None else usage.input,
            output=max(usage.output or 0, output_floor),
            estimated=True,
        )
        return usage.merge(guess)

    def _input_guess(self) -> int:
        return math.ceil(len(self._order.body) / _BYTES_PER_TOKEN)

    def _head(self, answer: Answer) -> inference_pb2.GenerateResponse | bytes:
        route = self._route
        assert route is not None
        message = inference_pb2.GenerateResponse(chunk=answer.first)
        # In place, here and below: protobuf copies a message by encoding and decoding it.
        head = message.head
        head.status = answer.status
        head.headers.update(answer.headers)
        head.upstream_request_id = answer.upstream_request_id
        head.upstream = route.upstream
        head.upstream_model = route.upstream_model
        head.upstream_dialect = self._order.request.dialect
        return message

    def _fill_outcome(self, outcome: inference_pb2.Outcome) -> None:
        outcome.usage.CopyFrom(self._used)
        outcome.end = self._end
        outcome.first_byte_ms = self._first_byte_ms
        outcome.total_ms = self._elapsed_ms()
        for attempt in self._attempts:
            outcome.attempts.add(
                upstream=attempt.route.upstream, status=attempt.status, result=attempt.result
            )

    def _estimate(self) -> ledger_pb2.Settlement:
        """What to record should this process die: the request, and nothing it is not sure of."""
        estimate = self._settlement()
        estimate.usage.estimated = True
        return estimate

    def _settlement(self) -> ledger_pb2.Settlement:
        order, route = self._order, self._route or self._opening or self._attempts[-1].route
        settlement = ledger_pb2.Settlement(
            request_id=order.request.request_id,
            account_id=order.grant.account_id,
            key_id=order.grant.key_id,
            model=order.model.id,
            upstream=route.upstream,
            upstream_model=route.upstream_model,
            usage=self._used,
            end=self._end,
            total_ms=self._elapsed_ms(),
            attempts=len(self._attempts),
            prepaid=order.grant.prepaid,
        )
        started_at = settlement.started_at
        started_at.seconds, milliseconds = divmod(int(self._started_at * 1000), 1000)
        started_at.nanos = milliseconds * 1_000_000
        return settlement

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self._begun) * 1000)

    def _observe(self) -> None:
        metrics.observe_attempts(self._attempts, is_count=self._order.is_count)
        if not self._order.is_count:
            # The customer pays for the last one, where it came to anything.
            unpaid = self._attempts[:-1] if self._usage.is_reported else self._attempts
            metrics.observe_unpaid(unpaid, self._input_guess(), self._order.model.prices)
        if (route := self._route) is None:
            return
        model, upstream = self._order.model.id, route.upstream
        metrics.ENDS.labels(model, upstream, _END_NAMES[self._end]).inc()
        metrics.GENERATE_SECONDS.labels(upstream).observe(self._elapsed_ms() / 1000)
        metrics.FIRST_BYTE_SECONDS.labels(upstream).observe(self._first_byte_ms / 1000)
        if not self._order.is_count:
            metrics.observe_usage(model, upstream, self._used)

    def _log(self) -> None:
        order, route = self._order, self._route
        refused = [
            a.route.upstream for a in self._attempts if a.result is Result.CREDENTIAL_REFUSED
        ]
        if refused:
            get_logger().error("upstream refuses its credential", upstreams=refused)
        get_logger().info(
            "generated",
            request_id=order.request.request_id,
            account_id=order.grant.account_id,
            model=order.model.id,
            upstream=route.upstream if route else None,
            upstream_request_id=self._answer.upstream_request_id if self._answer else None,
            status=self._answer.status if self._answer else None,
            attempts=[f"{a.route.upstream}:{a.result}" for a in self._attempts],
            end=_END_NAMES[self._end],
            first_byte_ms=self._first_byte_ms,
            total_ms=self._elapsed_ms(),
        )


def message_of(piece: inference_pb2.GenerateResponse | bytes) -> inference_pb2.GenerateResponse:
    """A piece of an answer as a message of its own."""
    return inference_pb2.GenerateResponse(chunk=piece) if isinstance(piece, bytes) else piece


def _fell_silent() -> ServiceFault:
    message = "The model's provider fell silent in the middle of its answer."
    return ServiceFault(Reason.UPSTREAM_TIMEOUT, message)


def _usage_message(usage: Usage) -> inference_pb2.Usage:
    return inference_pb2.Usage(
        input_tokens=usage.input or 0,
        cache_read_tokens=usage.cache_read or 0,
        cache_write_5m_tokens=usage.cache_write_5m or 0,
        cache_write_1h_tokens=usage.cache_write_1h or 0,
        output_tokens=usage.output or 0,
        reasoning_tokens=usage.reasoning or 0,
        estimated=usage.estimated,
    )
