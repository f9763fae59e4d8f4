"""Counting through all processes: the provider's word where it gives one, else our own."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from tests.doubles.upstream import Move, ScriptedUpstream, broken, hangup, silence, whole
from tests.e2e.operating import new_key, operate
from tests.e2e.stack import Stack, start_stack
from tests.e2e.test_products import credits_url
from tests.ports import free_port

PATH = "/v1/messages/count_tokens"
COUNTED, UNCOUNTED, FOREIGN = "claude-counted", "claude-sonnet-4-5", "gpt-4o"
PER_MINUTE = 300
PRICE = 7
SAY = [{"role": "user", "content": "What is the capital of France?"}]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 560, 560))


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def counting_stack(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    upstream = {
        "base_url": f"http://127.0.0.1:{port}",
        "credential": {"env": "SCRIPTED_KEY"},
        "allow_private": True,
    }
    claude = {**upstream, "dialect": "anthropic_messages"}
    catalog = {
        "upstreams": [
            {**claude, "name": "counts", "capabilities": {"count_tokens": True}},
            {**claude, "name": "does-not"},
            {**upstream, "name": "foreign", "dialect": "openai_chat"},
        ],
        "models": [
            {"id": COUNTED, "routes": [{"upstream": "counts", "model": "claude-far-away"}]},
            {"id": UNCOUNTED, "routes": [{"upstream": "does-not"}]},
            {"id": FOREIGN, "routes": [{"upstream": "foreign"}]},
        ],
    }
    catalog |= {"plans": [{"name": "laptop", "thinking": True}], "count_tokens": {"price": PRICE}}
    folder = tmp_path_factory.mktemp("counting")
    (folder / "gatebeyz.yaml").write_text(json.dumps(catalog), encoding="utf-8")
    running = start_stack(
        folder,
        {
            "SCRIPTED_KEY": "a-credential-of-the-upstream",
            "GATEBEYZ_COUNT_TOKENS_PER_MINUTE": str(PER_MINUTE),
        },
    )
    yield running
    running.stop()


@pytest.fixture
async def upstream(port: int) -> AsyncIterator[ScriptedUpstream]:
    scripted = ScriptedUpstream(whole(b'{"input_tokens": 4321}'))
    await scripted.start(port)
    yield scripted
    await scripted.stop()


@pytest.fixture
async def client(counting_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": counting_stack.key}
    async with httpx.AsyncClient(
        base_url=counting_stack.url, headers=headers, timeout=20
    ) as opened:
        yield opened


async def count(client: httpx.AsyncClient, model: str, **body: Any) -> tuple[int, str]:
    """(tokens, how they were counted)."""
    answer = await client.post(PATH, json={"model": model, "messages": SAY, **body})
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["input_tokens"]
    return answer.json()["input_tokens"], answer.headers["x-gatebeyz-count"]


async def test_the_providers_count_is_asked_once_and_remembered(
    client: httpx.AsyncClient, upstream: ScriptedUpstream
) -> None:
    for _ in range(3):
        assert await count(client, COUNTED, system="once") == (4321, "exact")
    (seen,) = upstream.seen
    assert seen.path == PATH
    assert json.loads(seen.body)["model"] == "claude-far-away"
    upstream.script = [whole(b'{"input_tokens": 5}')]
    assert await count(client, COUNTED, system="twice") == (5, "exact")


@pytest.mark.parametrize(
    "move",
    [
        whole(b'{"type":"error","error":{"type":"overloaded_error"}}', 529),
        whole(b'{"type":"error","error":{"type":"rate_limit_error"}}', 429, retry_after="30"),
        whole(b'{"type":"error","error":{"type":"not_found_error"}}', 404),
        whole(b"<html>"),
        whole(b'{"input_tokens": "many"}'),
        whole(b"[]"),
        hangup(),
        broken(b'{"input_tok', 100),
    ],
    ids=["529", "429", "404", "html", "words", "list", "hangup", "broken"],
)
async def test_a_provider_that_does_not_count_is_stood_in_for(
    client: httpx.AsyncClient, upstream: ScriptedUpstream, move: Move
) -> None:
    upstream.script = [move]
    tokens, method = await count(client, COUNTED, system="stand in")
    assert method in ("calibrated", "vocabulary")
    assert 5 <= tokens <= 40
    # It is asked again, and a message takes the same road as ever.
    upstream.script = [whole(b'{"input_tokens": 77}')]
    assert await count(client, COUNTED, system=f"again after {len(upstream.seen)} {move}") == (
        77,
        "exact",
    )


def test_a_priced_count_is_paid_from_the_wallet_or_not_made(counting_stack: Stack) -> None:
    made = new_key(counting_stack, product=auth_pb2.PRODUCT_CREDITS)
    account_id, headers = made.key.account_id, {"x-api-key": made.secret}
    body = {"model": UNCOUNTED, "messages": SAY}

    def ask() -> httpx.Response:
        return httpx.post(credits_url(counting_stack) + PATH, json=body, headers=headers)

    assert ask().json()["error"]["type"] == "billing_error"
    grant = ledger_pb2.GrantCreditsRequest(
        account_id=account_id, payment_reference="first", amount_micros=2 * PRICE + 1
    )
    operate(counting_stack, lambda client: client.call(client.credit.GrantCredits, grant))
    assert [ask().status_code for _ in range(2)] == [200, 200]
    assert ask().json()["error"]["type"] == "billing_error"
    wanted = ledger_pb2.GetBalanceRequest(account_id=account_id)
    balance = operate(
        counting_stack, lambda client: client.call(client.credit.GetBalance, wanted)
    ).balance
    assert (balance.spent_micros, balance.held_micros) == (2 * PRICE, 0)


async def test_a_silent_provider_is_given_up_on(
    client: httpx.AsyncClient, upstream: ScriptedUpstream
) -> None:
    upstream.script = [silence()]
    _tokens, method = await count(client, COUNTED, system="silence")
    assert method in ("calibrated", "vocabulary")
    await asyncio.wait_for(upstream.gone.wait(), 5)


async def test_failed_counts_leave_messages_alone(
    client: httpx.AsyncClient, upstream: ScriptedUpstream
) -> None:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-far-away",
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 14, "output_tokens": 5},
    }
    for at in range(20):
        upstream.script = [hangup()]
        await count(client, COUNTED, system=f"failure {at}")
    upstream.script = [whole(json.dumps(answer).encode())]
    body = {"model": COUNTED, "max_tokens": 50, "messages": SAY}
    message = await client.post("/v1/messages", json=body)
    assert message.status_code == 200
    assert message.json()["content"] == answer["content"]


@pytest.mark.parametrize("model", [UNCOUNTED, FOREIGN])
async def test_every_model_is_counted_and_everything_counts(
    client: httpx.AsyncClient, model: str
) -> None:
    parts: list[dict[str, Any]] = [
        {"system": "You are a helpful assistant who answers in one word."},
        {"tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]},
        {"messages": [*SAY, {"role": "assistant", "content": "Paris."}, *SAY]},
        {"messages": [{"role": "user", "content": [IMAGE, *TEXT]}]},
        {"messages": [{"role": "user", "content": [DOCUMENT, *TEXT]}]},
    ]
    plain, method = await count(client, model)
    assert method == ("calibrated" if model == UNCOUNTED else "vocabulary")
    assert 13 <= plain <= 15
    for part in parts:
        tokens, _method = await count(client, model, **part)
        assert tokens > plain


TEXT = [{"type": "text", "text": SAY[0]["content"]}]
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG.decode()},
}
DOCUMENT = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "All about Paris."},
}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"messages": SAY}, 400, "model"),
        ({"model": UNCOUNTED}, 400, "messages"),
        ({"model": UNCOUNTED, "messages": [1]}, 400, "messages"),
        ({"model": "nobody-knows", "messages": SAY}, 404, "nobody-knows"),
    ],
)
async def test_what_cannot_be_counted_is_told_in_the_dialect(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == status
    assert answer.json()["type"] == "error"
    assert field in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_only_post_counts(client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, PATH)).status_code == 405


async def test_counting_has_an_allowance_of_its_own(counting_stack: Stack) -> None:
    headers = {"x-api-key": counting_stack.key}
    async with httpx.AsyncClient(base_url=counting_stack.url, headers=headers) as client:
        body = {"model": UNCOUNTED, "messages": SAY}
        statuses = set()
        for _ in range(2 * PER_MINUTE):
            refused = await client.post(PATH, json=body)
            statuses.add(refused.status_code)
            if refused.status_code == 429:
                break
        assert statuses == {200, 429}
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert int(refused.headers["retry-after"]) >= 1
        # A message is still welcome: the provider it is for is away, and that is all.
        message = await client.post("/v1/messages", json={**body, "max_tokens": 5})
        assert message.status_code != 429
