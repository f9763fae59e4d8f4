"""Input tokens of a translated stream, asked of the counter while the upstream thinks."""

from __future__ import annotations

from typing import Any, Final

import grpc.aio

from gatebeyz.counter.v1 import counter_pb2
from gatebeyz.inference.v1 import inference_pb2

TIMEOUT_S: Final = 0.3


class InputEstimate:
    """The counter, asked with a short patience: a missing estimate never holds an answer up."""

    def __init__(self, counter: Any) -> None:
        self._counter = counter

    async def count(self, body: bytes, dialect: inference_pb2.Dialect, model: str) -> int:
        """The body's tokens; a rough share of its bytes where the counter does not answer."""
        item = counter_pb2.CountItem(model=model, body=body, dialect=dialect)
        request = counter_pb2.CountTokensRequest(items=[item])
        try:
            async for answer in self._counter.CountTokens(request, timeout=TIMEOUT_S):
                if answer.HasField("count") and not answer.count.error_reason:
                    return int(answer.count.tokens)
        except grpc.aio.AioRpcError:
            pass
        return max(1, len(body) // 4)
