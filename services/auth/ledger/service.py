"""LedgerService: the relay's side of money, proto ↔ domain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import grpc.aio

from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.faults import Reason, ServiceFault
from runtime.logs import get_logger
from runtime.prices import Prices
from services.auth import metrics
from services.auth.account import refusal
from services.auth.key import KeyState
from services.auth.ledger import wire
from services.auth.ledger.identity import StoreIdentity
from services.auth.ledger.price_list import PriceList
from services.auth.ledger.pricing import Bound, affordable_output, cost_of, worst_cost
from services.auth.ledger.settlement import (
    RequestName,
    Settlement,
    check_bound,
    check_cost,
    check_name,
    check_recordable,
    check_tokens,
)
from services.auth.ledger.store import HoldUsed, HoldWanted, LedgerStore
from services.auth.ledger.wallet import Hold
from services.auth.store import Store

MAX_ITEMS: Final = 1024
_HELD: Final = 1


class _Asked(NamedTuple):
    """A hold that was asked for, and what its price came from."""

    hold: HoldWanted
    bound: Bound
    prices: Prices


class LedgerService(ledger_pb2_grpc.LedgerServiceServicer):
    """Callers are relays; the serving interceptor has checked their token.

    An answer tells the store's identity from before its work was begun: what a store took that
    was replaced meanwhile is told under the old name, and its caller tells it again.
    """

    def __init__(
        self,
        ledger: LedgerStore,
        directory: Store,
        prices: PriceList,
        identity: StoreIdentity,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._prices = prices
        self._identity = identity
        self._clock = clock

    async def Hold(  # noqa: N802
        self, request: ledger_pb2.HoldRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.HoldResponse:
        [answer] = await self._hold([request])
        if isinstance(answer, ServiceFault):
            raise answer
        return answer

    async def HoldBatch(  # noqa: N802
        self, request: ledger_pb2.HoldBatchRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.HoldBatchResponse:
        _check_count(len(request.holds))
        answers = await self._hold(request.holds)
        return ledger_pb2.HoldBatchResponse(answers=[_render_answer(one) for one in answers])

    async def Progress(  # noqa: N802
        self, request: ledger_pb2.ProgressRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.ProgressResponse:
        _check_count(len(request.holds))
        response = ledger_pb2.ProgressResponse(store_id=self._identity.value)
        if not request.holds:
            return response
        await self._prices.learn(message.account_id for message in request.holds)
        used = [self._parse_used(message) for message in request.holds]
        found = await self._ledger.progress(used)
        revoked = await self._find_revoked(one.name for one in used)
        for message, one, hold in zip(request.holds, used, found, strict=True):
            status = ledger_pb2.HoldStatus(state=wire.render_state(hold.state))
            prices = self._prices.prices(one.name.account_id, one.name.model)
            if message.HasField("wanted") and prices is not None:
                bound = wire.parse_bound(message.wanted)
                status.output_tokens = affordable_output(prices, bound, hold.held)
            if one.name.key_id in revoked and hold.state in (_HELD, -1):
                status.state = ledger_pb2.HOLD_STATE_REVOKED
            response.holds.append(status)
        return response

    async def Settle(  # noqa: N802
        self, request: ledger_pb2.SettleRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.SettleResponse:
        store_id = self._identity.value
        _check_count(len(request.settlements))
        settlements = [wire.parse_settlement(message) for message in request.settlements]
        for settlement in settlements:
            check_recordable(settlement)
        await self._prices.learn(one.account_id for one in settlements if one.prepaid)
        priced = [(settlement, self._cost(settlement)) for settlement in settlements]
        settled = await self._ledger.settle(priced)
        metrics.observe_settled(settlements, settled.new)
        metrics.observe_costs(settled.costs)
        return ledger_pb2.SettleResponse(recorded=settled.new, store_id=store_id)

    async def Void(  # noqa: N802
        self, request: ledger_pb2.VoidRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.VoidResponse:
        _check_count(len(request.holds))
        names = [wire.parse_name(message) for message in request.holds]
        for name in names:
            check_name(name)
        await self._ledger.void(names, int(self._clock() * 1000))
        return ledger_pb2.VoidResponse()

    async def _hold(
        self, requests: Sequence[ledger_pb2.HoldRequest]
    ) -> list[ledger_pb2.HoldResponse | ServiceFault]:
        """Make holds; one that is refused leaves the others alone."""
        store_id = self._identity.value
        await self._prices.learn(request.account_id for request in requests)
        asked = [self._parse_wanted(request) for request in requests]
        wanted = [one for one in asked if not isinstance(one, ServiceFault)]
        holds = iter(await self._ledger.hold([one.hold for one in wanted]))
        answers: list[ledger_pb2.HoldResponse | ServiceFault] = []
        for one in asked:
            answer = one if isinstance(one, ServiceFault) else _conclude(one, next(holds), store_id)
            answers.append(answer)
        return answers

    def _parse_wanted(self, request: ledger_pb2.HoldRequest) -> _Asked | ServiceFault:
        name, bound = wire.parse_name(request), wire.parse_bound(request.bound)
        try:
            check_name(name)
            check_bound(name, bound)
            prices = self._price(name)
            whole = check_cost(name, worst_cost(prices, bound))
        except ServiceFault as fault:
            return fault
        least = 0
        if 0 < request.slice_tokens < bound.output:
            least = worst_cost(prices, bound._replace(output=request.slice_tokens))
        started_ms = request.started_at.ToMilliseconds() or int(self._clock() * 1000)
        hold = HoldWanted(name=name, whole=whole, least=least, started_ms=started_ms)
        return _Asked(hold, bound, prices)

    def _parse_used(self, message: ledger_pb2.HoldProgress) -> HoldUsed:
        name, tokens = wire.parse_name(message), wire.parse_usage(message.usage)
        check_name(name)
        check_tokens(name, tokens)
        prices = self._prices.prices(name.account_id, name.model)
        if prices is None:
            # The catalog lost the model while this runs: the hold stays as it is.
            return HoldUsed(name=name, cost=0, tokens=tokens, wanted=0)
        wanted = 0
        if message.HasField("wanted"):
            bound = wire.parse_bound(message.wanted)
            check_bound(name, bound)
            wanted = check_cost(name, worst_cost(prices, bound))
        cost = check_cost(name, cost_of(prices, tokens))
        return HoldUsed(name=name, cost=cost, tokens=tokens, wanted=wanted)

    def _price(self, name: RequestName) -> Prices:
        prices = self._prices.prices(name.account_id, name.model)
        if prices is None:
            message = "The model has no price, so credits cannot pay for it."
            raise ServiceFault(Reason.MODEL_UNKNOWN, message, metadata={"model": name.model})
        return prices

    def _cost(self, settlement: Settlement) -> int:
        prices = self._prices.prices(settlement.account_id, settlement.model)
        if prices is None:
            if settlement.prepaid:
                # It had a price when it was held: the catalog changed under it.
                get_logger().error(
                    "prepaid usage without a price",
                    request_id=settlement.request_id,
                    model=settlement.model,
                )
            return 0
        return check_cost(settlement, cost_of(prices, settlement.tokens))

    async def _find_revoked(self, names: Iterable[RequestName]) -> set[str]:
        """The keys among these that may not go on."""
        revoked: set[str] = set()
        now = self._clock()
        for key_id in {name.key_id for name in names}:
            key = await self._directory.find_key(key_id)
            if key is None:
                continue
            account = await self._directory.find_account(key.account_id)
            is_refused = account is not None and refusal(account.state) is not None
            if is_refused or key.state(now) is not KeyState.ACTIVE:
                revoked.add(key_id)
        return revoked


def _conclude(
    asked: _Asked, hold: Hold | ServiceFault, store_id: str
) -> ledger_pb2.HoldResponse | ServiceFault:
    """The answer to a hold that was asked for, by what the store says of it."""
    if isinstance(hold, ServiceFault):
        return hold
    wanted = asked.hold
    if hold.state != _HELD:
        return _refusal(hold, wanted.least or wanted.whole)
    return ledger_pb2.HoldResponse(
        held_micros=hold.held,
        output_tokens=affordable_output(asked.prices, asked.bound, hold.held),
        remaining_micros=hold.remaining,
        store_id=store_id,
    )


def _render_answer(answer: ledger_pb2.HoldResponse | ServiceFault) -> ledger_pb2.HoldAnswer:
    if isinstance(answer, ServiceFault):
        return ledger_pb2.HoldAnswer(refusal=answer.status().SerializeToString())
    return ledger_pb2.HoldAnswer(held=answer)


def _refusal(hold: Hold, needed: int) -> ServiceFault:
    if hold.state:
        return ServiceFault(Reason.CONFLICT, "A request of this id was settled before.")
    message = (
        f"Your credits cannot pay for this request: it may cost up to {_dollars(needed)}, and "
        f"{_dollars(hold.remaining)} remain. Add credits, or ask for fewer tokens."
    )
    return ServiceFault(Reason.CREDIT_EXHAUSTED, message)


def _dollars(micros: int) -> str:
    """Never less than it is: a remainder that rounds to nothing still shows."""
    return f"${micros // 1_000_000}.{micros % 1_000_000:06d}"


def _check_count(count: int) -> None:
    if count > MAX_ITEMS:
        raise ServiceFault(Reason.INVALID_REQUEST, f"Send at most {MAX_ITEMS} at once.")
