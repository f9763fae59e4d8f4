"""What a key that is not good is told, and how soon: nothing tells one kind of it from another.

The medians are printed and judged by nobody: a clock on a busy machine is no test.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from admission.credential import mint
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient
from tests.e2e.operating import operate
from tests.e2e.stack import Stack

# An address may be wrong a hundred times a minute.
ADDRESSES = ("127.0.0.3", "127.0.0.4", "127.0.0.5")
KEYS = 60
BODY = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": ""}],
}


@pytest.fixture(scope="module")
def callers() -> Iterator[list[httpx.Client]]:
    """A connection from each of several addresses."""
    with ExitStack() as closing:
        yield [
            closing.enter_context(httpx.Client(transport=httpx.HTTPTransport(local_address=name)))
            for name in ADDRESSES
        ]


def make_keys(stack: Stack, *, revoked: bool, product: auth_pb2.Product) -> list[str]:
    """Keys of one account, revoked where that is wanted."""

    async def work(client: OperatorClient) -> list[str]:
        request = auth_pb2.CreateAccountRequest(name="Ada", product=product)
        account = (await client.call(client.accounts.CreateAccount, request)).account
        secrets = []
        for _ in range(KEYS):
            wanted = auth_pb2.CreateKeyRequest(account_id=account.account_id)
            created = await client.call(client.keys.CreateKey, wanted)
            secrets.append(created.secret)
            if revoked:
                ended = auth_pb2.RevokeKeyRequest(key_id=created.key.key_id)
                await client.call(client.keys.RevokeKey, ended)
        await asyncio.sleep(0.5)
        return secrets

    return operate(stack, work)


def test_every_key_that_is_not_good_is_told_the_same(
    stack: Stack, callers: list[httpx.Client], capsys: pytest.CaptureFixture[str]
) -> None:
    api, credits_ = auth_pb2.PRODUCT_API, auth_pb2.PRODUCT_CREDITS
    kinds = {
        "unknown": [mint("api") for _ in range(KEYS)],
        "malformed": [f"sk-gb-{number}" for number in range(KEYS)],
        "revoked": make_keys(stack, revoked=True, product=api),
        "wrong host": make_keys(stack, revoked=False, product=credits_),
    }
    asked = [(kind, key) for kind, keys in kinds.items() for key in keys]
    random.Random(401).shuffle(asked)
    took_ms, told = defaultdict[str, list[float]](list), defaultdict[str, set[str]](set)
    for number, (kind, key) in enumerate(asked):
        began = time.perf_counter()
        answer = callers[number % len(callers)].post(
            f"{stack.url}/v1/messages", json=BODY, headers={"x-api-key": key}
        )
        took_ms[kind].append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 401
        told[kind].add(answer.json()["error"]["message"])
    medians = {kind: f"{statistics.median(times):.2f} ms" for kind, times in took_ms.items()}
    with capsys.disabled():
        print(f"\n401 after (median of {KEYS}): {medians}")
    assert told["unknown"] == told["malformed"] == told["revoked"]
    assert [len(messages) for messages in told.values()] == [1, 1, 1, 1]
