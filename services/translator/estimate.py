"""Input tokens of a translated stream, asked of the counter while the upstream thinks."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

import grpc.aio

from gatebeyz.counter.v1 import counter_pb2
from gatebeyz.inference.v1 import inference_pb2

# What the counter gets in all, and what it gets once the upstream's first byte waits for it.
TIMEOUT_S: Final = 5.0
GRACE_S: Final = 0.1
BYTES_PER_TOKEN: Final = 4


class InputEstimate:
    """The counter, asked beside the upstream: a missing count never holds an answer up."""

    def __init__(self, counter: Any, grace_s: float = GRACE_S) -> None:
        self._counter = counter
        self._grace_s = grace_s

    def begin(self, body: bytes, dialect: inference_pb2.Dialect, model: str) -> PendingEstimate:
        """Ask; the answer is collected, or given up, later."""
        asking = asyncio.ensure_future(self._count(body, dialect, model))
        return PendingEstimate(asking, rough_count(body), self._grace_s)

    async def _count(self, body: bytes, dialect: inference_pb2.Dialect, model: str) -> int | None:
        item = counter_pb2.CountItem(model=model, body=body, dialect=dialect)
        request = counter_pb2.CountTokensRequest(items=[item])
        try:
            async for answer in self._counter.CountTokens(request, timeout=TIMEOUT_S):
                if answer.HasField("count") and not answer.count.error_reason:
                    return int(answer.count.tokens)
        except grpc.aio.AioRpcError:
            pass
        return None


class PendingEstimate:
    """A count under way. ``close`` must be called in the end; ``settle`` does not."""

    def __init__(self, asking: asyncio.Future[int | None], rough: int, grace_s: float) -> None:
        self._asking = asking
        self._rough = rough
        self._grace_s = grace_s

    async def settle(self) -> int:
        """The count, waited for a moment at most; else a rough share of the bytes."""
        await asyncio.wait([self._asking], timeout=self._grace_s)
        counted = self._asking.result() if self._asking.done() else None
        return self._rough if counted is None else counted

    def close(self) -> None:
        """Stop waiting; the counter's call is cancelled if it still runs."""
        self._asking.cancel()


def rough_count(body: bytes) -> int:
    """The tokens of a body as its settlement guesses them where nobody counts."""
    return max(1, math.ceil(len(body) / BYTES_PER_TOKEN))
