"""What a count of tokens costs a wallet, where the operator's catalog gives it a price.

::

    price 0 ── nothing is asked of the ledger
    price n ── Hold n ──▶ the count ──▶ Settle n, or Void where it failed

A hold whose edge dies is let go by the ledger itself.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from runtime.catalog import Catalog
from runtime.faults import fault_of
from runtime.logs import get_logger
from runtime.prices import COUNTING

HOLD_TIMEOUT_S: Final = 1.0
SETTLE_TIMEOUT_S: Final = 2.0
_ATTEMPTS: Final = 2


class CountCharge:
    """Money for the counts of one product's accounts; those of the monthly API have no wallet."""

    def __init__(self, ledger: Any, catalog: Callable[[], Catalog]) -> None:
        self._ledger = ledger
        self._catalog = catalog

    @contextlib.asynccontextmanager
    async def paid(self, policy: auth_pb2.Policy, request_id: str) -> AsyncIterator[None]:
        """Charge for the count made within; nothing where that fails.

        Raises ServiceFault CREDIT_EXHAUSTED, or what keeps the ledger from answering.
        """
        if policy.product != auth_pb2.PRODUCT_CREDITS or not self._catalog().count_price:
            yield
            return
        name: dict[str, Any] = {
            "request_id": request_id,
            "account_id": policy.account_id,
            "key_id": policy.key_id,
            "model": COUNTING,
        }
        began_at = time.time()
        await self._hold(name, began_at)
        try:
            yield
        except BaseException:
            await self._void(name)
            raise
        await self._settle(name, began_at)

    async def _hold(self, name: dict[str, Any], began_at: float) -> None:
        request = ledger_pb2.HoldRequest(**name, bound=ledger_pb2.Bound(input_tokens=1))
        request.started_at.FromMilliseconds(round(began_at * 1000))
        try:
            await self._ledger.Hold(request, timeout=HOLD_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            # Whether it was made is not known; voiding one that was not does no harm.
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                await self._void(name)
            raise fault_of(error) from None

    async def _settle(self, name: dict[str, Any], began_at: float) -> None:
        settlement = ledger_pb2.Settlement(
            **name,
            usage=inference_pb2.Usage(input_tokens=1),
            end=inference_pb2.END_COMPLETE,
            total_ms=round((time.time() - began_at) * 1000),
            attempts=1,
            prepaid=True,
        )
        settlement.started_at.FromMilliseconds(round(began_at * 1000))
        request = ledger_pb2.SettleRequest(settlements=[settlement])
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await self._ledger.Settle(request, timeout=SETTLE_TIMEOUT_S)
                return
        get_logger().error("count not charged", request_id=name["request_id"])

    async def _void(self, name: dict[str, Any]) -> None:
        request = ledger_pb2.VoidRequest(holds=[ledger_pb2.VoidedHold(**name)])
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._ledger.Void(request, timeout=SETTLE_TIMEOUT_S)
