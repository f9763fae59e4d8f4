"""What admitting a warm request costs: key, lease, shares, and the headers that tell of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from admission.allowance import Allowance
from admission.credential import digest, mint
from admission.door import Door, Peppers
from admission.draw import Drawer
from admission.lease import Lease, LeaseHolder
from edge.limits import limit_headers
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.inference.v1 import inference_pb2
from tests.bench.meter import cpu_us, json_us

pytestmark = pytest.mark.bench

COUNT = 2_000
PEPPER = b"the-pepper-of-the-benchmarks"
BODY = b'{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}'
LIMITS = (10**9, 10**12, 10**12, 10**6)


def warm_door(key: str) -> Door:
    """A door that knows ``key`` already, with limits of every kind and much left of each."""
    holder = LeaseHolder.__new__(LeaseHolder)
    allowance = Allowance(limits=LIMITS, left=list(LIMITS), remaining=LIMITS)
    now = time.monotonic()
    lease = Lease(
        lease_id="acc/1",
        policy=auth_pb2.Policy(account_id="acc", models=["*"]),
        grant=b"grant",
        expires_at=time.time() + 600,
        heard_at=now + 600,
        drawer=Drawer(None, allowance),
        allowance=allowance,
    )
    future: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    future.set_result(lease)
    holder._leases = {(digest(key, PEPPER), auth_pb2.PRODUCT_API): future}
    return Door(holder, Peppers(PEPPER))


async def admit(door: Door, key: str, usage: inference_pb2.Usage) -> None:
    lease = await door.enter(key, auth_pb2.PRODUCT_API, "192.0.2.1")
    async with door.leases.admit(lease, 20) as admission:
        admission.settle(usage)


def run_all(work: Any) -> None:
    """Drive a coroutine that never waits, without a loop's own cost."""
    for _ in range(COUNT):
        coroutine = work()
        with contextlib.suppress(StopIteration):
            coroutine.send(None)


async def test_a_warm_admission(capsys: pytest.CaptureFixture[str]) -> None:
    key, usage = mint("api"), inference_pb2.Usage(input_tokens=20, output_tokens=10)
    door = warm_door(key)
    lease = await door.enter(key, auth_pb2.PRODUCT_API, "192.0.2.1")
    base = json_us(BODY, COUNT)
    figures = {
        "digest of a key": cpu_us(
            lambda: [digest(key, PEPPER) for _ in range(COUNT)] and None, COUNT
        ),
        "enter, admit, settle": cpu_us(lambda: run_all(lambda: admit(door, key, usage)), COUNT),
        "limit headers, Anthropic": cpu_us(
            lambda: (
                [limit_headers("anthropic_messages", lease.allowance) for _ in range(COUNT)]
                and None
            ),
            COUNT,
        ),
    }
    with capsys.disabled():
        print(f"\nadmission; baseline: JSON of a small request {base:.2f} us")
        for name, cost in figures.items():
            print(f"  {name:28} {cost:7.2f} us  x{cost / base:.1f}")
