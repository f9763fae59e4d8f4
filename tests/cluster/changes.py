"""Changes of keys and accounts in a cluster: made by its operator, timed until the last holder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient, open_operator
from laptop.secret_file import OPERATOR_TOKEN
from runtime.config import SecretText
from tests.cluster.cluster import Cluster
from tests.cluster.load import CLAUDE, SHORT

# Some forty seconds long, an event each fifth of a second.
LONG = [{"role": "user", "content": "demo:slow 200 " + "word " * 200}]
STREAMS_PER_EDGE = 2
POLL_S = 0.01

Change = Callable[[OperatorClient, auth_pb2.Key], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Reach:
    """Seconds from the call until the last stream ended, and until the last edge refused."""

    streams_s: float
    refusals_s: float


async def revoke(operator: OperatorClient, key: auth_pb2.Key) -> None:
    """The key ends."""
    request = auth_pb2.RevokeKeyRequest(key_id=key.key_id)
    await operator.call(operator.keys.RevokeKey, request)


async def reset(operator: OperatorClient, key: auth_pb2.Key) -> None:
    """The key ends and another stands in its place."""
    await operator.call(operator.keys.ResetKey, auth_pb2.ResetKeyRequest(key_id=key.key_id))


async def suspend(operator: OperatorClient, key: auth_pb2.Key) -> None:
    """The account ends, and every key of it."""
    request = auth_pb2.UpdateAccountRequest(
        account=auth_pb2.Account(account_id=key.account_id, state=auth_pb2.ACCOUNT_STATE_SUSPENDED)
    )
    request.update_mask.paths.append("state")
    await operator.call(operator.accounts.UpdateAccount, request)


@asynccontextmanager
async def operating(cluster: Cluster, replica: int = 0) -> AsyncIterator[OperatorClient]:
    """The operator's client of one auth replica."""
    auth = cluster.replicas["auth"][replica]
    token = SecretText((cluster.folder / "secrets" / OPERATOR_TOKEN).read_text("utf-8"))
    async with open_operator(f"{auth.address}:{auth.kind.port}", token) as operator:
        yield operator


async def new_key(operator: OperatorClient, **account: Any) -> auth_pb2.CreateKeyResponse:
    """A key of an account of its own."""
    request = auth_pb2.CreateAccountRequest(
        **{"name": "Ada", "product": auth_pb2.PRODUCT_API} | account
    )
    made = await operator.call(operator.accounts.CreateAccount, request)
    wanted = auth_pb2.CreateKeyRequest(account_id=made.account.account_id)
    created: auth_pb2.CreateKeyResponse = await operator.call(operator.keys.CreateKey, wanted)
    return created


async def time_change(cluster: Cluster, operator: OperatorClient, change: Change) -> Reach:
    """Run streams of one key through every edge, change it, and wait for the last to notice."""
    created = await new_key(operator)
    headers = {"x-api-key": created.secret, "anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(headers=headers) as session, AsyncExitStack() as running:
        streams = [
            await running.enter_async_context(_stream(session, edge))
            for edge in cluster.edges
            for _ in range(STREAMS_PER_EDGE)
        ]
        began = time.monotonic()
        await change(operator, created.key)
        ends = [_wait_end(stream) for stream in streams]
        refusals = [_wait_refusal(session, edge) for edge in cluster.edges]
        ended = await asyncio.gather(*ends, *refusals)
    streams_at, refused_at = ended[: len(ends)], ended[len(ends) :]
    return Reach(max(streams_at) - began, max(refused_at) - began)


@asynccontextmanager
async def _stream(
    session: aiohttp.ClientSession, edge: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A long stream whose first event has come."""
    body = {"model": CLAUDE, "max_tokens": 1_000, "stream": True, "messages": LONG}
    async with session.post(f"{edge}/v1/messages", json=body) as response:
        assert response.status == 200, await response.text()
        await response.content.readany()
        yield response


async def _wait_end(response: aiohttp.ClientResponse) -> float:
    """When a stream ended, which it must with an error event."""
    text = await response.content.read()
    assert b"authentication_error" in text, text[-300:]
    assert b"message_stop" not in text
    return time.monotonic()


async def _wait_refusal(session: aiohttp.ClientSession, edge: str) -> float:
    """When an edge first refused the key."""
    body = {"model": CLAUDE, "max_tokens": 5, "messages": SHORT}
    while True:
        async with session.post(f"{edge}/v1/messages", json=body) as response:
            await response.read()
            if response.status in (401, 403, 529):
                return time.monotonic()
            assert response.status == 200, response.status
        await asyncio.sleep(POLL_S)
