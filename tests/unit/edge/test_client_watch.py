"""A call ends with its client, and is not watched while it is short."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge.body import ClientGoneError
from edge.client_watch import WATCHED_AFTER_S, ClientWatch


class Call:
    """A call that answers when it is told to, or is cancelled."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def cancel(self) -> None:
        self.answered.cancel()


class Client:
    """What ASGI's ``receive`` tells of a client."""

    def __init__(self) -> None:
        self.is_gone = asyncio.Event()
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        await self.is_gone.wait()
        return {"type": "http.disconnect"}


async def test_a_call_is_cancelled_when_its_client_leaves() -> None:
    client, call = Client(), Call()
    asyncio.get_running_loop().call_later(2 * WATCHED_AFTER_S, client.is_gone.set)
    async with asyncio.timeout(5):
        with pytest.raises(ClientGoneError), ClientWatch(client.receive, call):
            await call.answered


async def test_a_client_that_left_at_once_is_noticed_when_the_watch_begins() -> None:
    client, call = Client(), Call()
    client.is_gone.set()
    async with asyncio.timeout(5):
        with pytest.raises(ClientGoneError), ClientWatch(client.receive, call):
            await call.answered


async def test_a_short_call_is_never_watched() -> None:
    client, call = Client(), Call()
    with ClientWatch(client.receive, call):
        call.answered.set_result("whole")
        assert await call.answered == "whole"
    await asyncio.sleep(2 * WATCHED_AFTER_S)
    assert client.asked == 0


async def test_an_end_that_is_not_the_clients_stays_what_it_is() -> None:
    client, call = Client(), Call()
    call.cancel()
    with pytest.raises(asyncio.CancelledError), ClientWatch(client.receive, call):
        await call.answered
