"""A trial ends, whatever the surface does, and says only what may be said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from edge.site import trial as trial_module
from edge.site.example import EXAMPLES
from edge.site.trial import MAX_ANSWER_BYTES, is_presentable, run_trial

VISIT: dict[str, Any] = {
    "client": ("192.0.2.7", 1),
    "headers": [(b"cookie", b"gb-panel=secret"), (b"x-forwarded-for", b"198.51.100.1")],
}
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"set-cookie", b"a=b")],
}


async def test_an_endless_answer_is_cut_and_its_client_is_gone() -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            await asyncio.sleep(0)
        assert gone.result()["type"] == "http.disconnect"
        ended.set()

    trial = await run_trial(endless, EXAMPLES["message"].call, "http://a.example", "key", VISIT)

    assert ended.is_set()
    assert trial.is_cut
    assert len(trial.text) == MAX_ANSWER_BYTES
    assert trial.headers == {"content-type": "text/plain"}


async def test_a_silent_surface_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "LIMIT_S", 0.01)

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    trial = await run_trial(silent, EXAMPLES["models"].call, "http://a.example", "key", VISIT)

    assert trial.is_cut
    assert trial.status == 0


async def test_the_request_is_the_examples_and_carries_nothing_of_the_visit() -> None:
    seen: list[Scope] = []

    async def surface(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send(START)
        await send({"type": "http.response.body", "body": (await receive())["body"]})

    call = EXAMPLES["chat"].call
    trial = await run_trial(surface, call, "https://api.example", "the-key", VISIT)
    headers = dict(seen[0]["headers"])

    assert seen[0]["path"] == "/v1/chat/completions"
    assert seen[0]["client"] == VISIT["client"]
    assert headers[b"host"] == b"api.example"
    assert headers[b"authorization"] == b"Bearer the-key"
    assert headers[b"x-forwarded-for"] == b"198.51.100.1"
    assert b"cookie" not in headers
    assert int(headers[b"content-length"]) == len(trial.text.encode())


@pytest.mark.parametrize("key", ["", "x" * 129, "a\r\nb", "ş", "a\x00b"])
def test_what_no_header_may_carry_is_no_key(key: str) -> None:
    assert not is_presentable(key)
