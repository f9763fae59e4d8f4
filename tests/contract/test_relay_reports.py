"""What relays say of themselves, through a real channel and store, and who may hear it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatebeyz.status.v1 import status_pb2
from runtime.catalog import Route
from runtime.faults import Reason
from runtime.grants import Grant
from services.auth import relay_store
from services.relay.health import Health
from services.relay.report import Reporter
from services.relay.revocation import Registry
from services.relay.route import Attempt, Result
from tests.contract.identity_room import (
    AS_EDGE,
    AS_OPERATOR,
    Room,
    create_account,
    invite,
    refused,
    serving,
    with_session,
)


@pytest.fixture
async def room(redis_url: str) -> AsyncIterator[Room]:
    async with serving(redis_url) as one:
        yield one


class Relay:
    """One relay's health and registry, and the reporter that the process runs with them."""

    def __init__(self) -> None:
        self.health, self.registry = Health(), Registry(now=lambda: 0.0)
        self.reporter = Reporter(None, self.health, self.registry, now=lambda: 100.0)

    def note(self, upstream: str, result: Result, at: float) -> None:
        self.health.note([Attempt(Route(upstream, "anthropic_messages", "m"), 0, result)], at)

    def run(self, account_id: str) -> None:
        self.registry.enter(
            Grant(
                account_id=account_id,
                key_id=f"key-{account_id}",
                lease_id="l",
                product="api",
                models=(),
                thinking=True,
                upstreams=(),
                expires_at=100.0,
            )
        )

    async def report(self, room: Room, wall: float = 1_800_000_100.0) -> None:
        await room.reports.ReportRelay(self.reporter.render(wall), metadata=AS_EDGE)


async def listed(room: Room) -> dict[str, Any]:
    answer = await room.status.ListRelays(status_pb2.ListRelaysRequest(), metadata=AS_OPERATOR)
    return {relay.relay_id: {one.name: one for one in relay.upstreams} for relay in answer.relays}


async def running(room: Room, account_id: str, metadata: Any = AS_OPERATOR) -> int:
    request = status_pb2.CountRunningRequest(account_id=account_id)
    return int((await room.status.CountRunning(request, metadata=metadata)).running)


async def test_each_relay_tells_how_it_sees_its_upstreams(room: Room) -> None:
    one, other = Relay(), Relay()
    for at in (70.0, 80.0, 90.0):
        one.note("down", Result.CONNECT_FAILED, at)
    one.note("shaky", Result.ANSWERED, 60.0)
    one.note("shaky", Result.SERVER_ERROR, 95.0)
    other.note("down", Result.ANSWERED, 99.0)
    await asyncio.gather(one.report(room), other.report(room))

    found = sorted((await listed(room)).values(), key=len)

    assert [list(each) for each in found] == [["down"], ["down", "shaky"]]
    (well,) = found[0].values()
    assert well.condition == status_pb2.CONDITION_WELL
    assert well.answered_at.seconds == 1_800_000_099
    down, shaky = found[1]["down"], found[1]["shaky"]
    assert down.condition == status_pb2.CONDITION_DOWN
    assert (down.failures, down.last_failure) == (3, "CONNECT_FAILED")
    assert not down.HasField("answered_at")
    assert down.rests_until.seconds == 1_800_000_095
    assert shaky.condition == status_pb2.CONDITION_FAILING
    assert (shaky.answered_at.seconds, shaky.failed_at.seconds) == (1_800_000_060, 1_800_000_095)


async def test_what_runs_is_counted_over_all_relays_and_no_longer_when_it_ended(
    room: Room,
) -> None:
    one, other = Relay(), Relay()
    for _ in range(2):
        one.run("acc-a")
    other.run("acc-a")
    other.run("acc-b")
    await one.report(room)
    await other.report(room)

    assert [await running(room, name) for name in ("acc-a", "acc-b", "acc-c")] == [3, 1, 0]
    other.registry = Registry()
    other.reporter._registry = other.registry
    await other.report(room)
    assert [await running(room, name) for name in ("acc-a", "acc-b")] == [2, 0]


async def test_a_relay_that_falls_silent_is_forgotten(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_store, "LIFE_S", 0.2)
    relay = Relay()
    relay.note("main", Result.ANSWERED, 90.0)
    relay.run("acc-a")
    await relay.report(room)
    assert len(await listed(room)) == 1
    await asyncio.sleep(0.3)

    assert await listed(room) == {}
    assert await running(room, "acc-a") == 0


async def test_a_member_hears_of_the_own_account_alone(room: Room) -> None:
    own, other = await create_account(room), await create_account(room)
    session = with_session(await invite(room, own, "ada@example.org"))
    relay = Relay()
    relay.run(own)
    await relay.report(room)

    assert await running(room, own, session) == 1
    assert (await refused(running(room, other, session))).reason is Reason.NOT_FOUND
    asked = room.status.ListRelays(status_pb2.ListRelaysRequest(), metadata=session)
    assert (await refused(asked)).reason is Reason.NOT_AN_OPERATOR
    assert (await refused(running(room, own, AS_EDGE))).reason is Reason.NOT_AN_OPERATOR


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"relay_id": "../elsewhere"},
        {"relay_id": "r" * 129},
        {"relay_id": "r", "running": {"a" * 129: 1}},
        {"relay_id": "r", "upstreams": [{"name": "u"}] * 1001},
    ],
    ids=["no name", "a path", "a long name", "a long account", "many upstreams"],
)
async def test_a_report_has_bounds(room: Room, report: dict[str, Any]) -> None:
    request = status_pb2.ReportRelayRequest(**report)
    call = room.reports.ReportRelay(request, metadata=AS_EDGE)

    assert (await refused(call)).reason is Reason.INVALID_REQUEST


async def test_a_report_takes_the_service_token(room: Room) -> None:
    call = room.reports.ReportRelay(status_pb2.ReportRelayRequest(relay_id="r"))

    assert (await refused(call)).reason is Reason.SERVICE_TOKEN_INVALID


async def test_a_lost_report_is_said_again_with_the_next(room: Room) -> None:
    """The process's own loop, against a door that is shut at first."""
    relay = Relay()
    relay.note("main", Result.ANSWERED, 90.0)

    class Door:
        calls = 0

        def ReportRelay(self, request: Any, timeout: float) -> Any:  # noqa: N802
            self.calls += 1
            return room.reports.ReportRelay(
                request, timeout=timeout, metadata=AS_EDGE if self.calls > 1 else ()
            )

    relay.reporter._stub = Door()
    task = asyncio.create_task(relay.reporter.run())
    async with asyncio.timeout(10):
        while not await listed(room):  # noqa: ASYNC110 - the store tells of no event
            await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
