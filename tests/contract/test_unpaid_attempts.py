"""Attempts that an upstream may bill and that came to nothing: no customer pays them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.contract.test_relay_service import ANSWER, BODY, INPUT_RATE, OVERLOADED, scripted
from tests.doubles.upstream import hangup, stream, whole


@pytest.mark.parametrize(
    ("first", "result"),
    [
        (hangup(), "DISCONNECTED"),
        (whole(b"oops", 500), "SERVER_ERROR"),
        (stream(b"event: error\ndata: " + OVERLOADED + b"\n\n"), "ERROR_EVENT"),
        (whole(b"{}", 429), ""),
    ],
    ids=["hung up", "500", "error event", "429"],
)
async def test_what_an_upstream_may_bill_for_nothing_is_the_operators_cost(
    first: Any, result: str
) -> None:
    def unpaid() -> float:
        sample = "gatebeyz_relay_unpaid_dollars_total", {"upstream": "up1", "result": result}
        return REGISTRY.get_sample_value(*sample) or 0.0

    before = unpaid()
    async with scripted(first, whole(ANSWER)) as (bench, *_):
        await bench.generate()
        settlement = await bench.wait_settled()
    assert settlement.usage.input_tokens == 5  # the customer pays for the one that answered
    tokens = math.ceil(len(BODY) / 4)
    assert unpaid() - before == pytest.approx(tokens * INPUT_RATE / 1e12 if result else 0)
