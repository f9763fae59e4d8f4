"""Reasoning on its way through a client: sealed, opened, stripped; and who the provider sees."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from dialects.dialect import AnswerContext
from dialects.envelope import PREFIX, Sealer
from dialects.events import (
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    End,
    Event,
    Finish,
    FinishReason,
    Start,
    UsageReport,
)
from dialects.registry import DIALECTS
from dialects.usage import Usage
from runtime.pseudonym import Pseudonyms
from tests.contract.translating import question, text_of, translating, written
from tests.doubles.upstream import stream

MODELS = {"anthropic_messages": "claude-opus-4-8", "openai_chat": "deepseek-chat",
          "openai_responses": "gpt-5.2"}  # fmt: skip
CARRIERS = {"anthropic_messages": "anthropic", "openai_responses": "openai"}
CELLS = [(client, up) for client in DIALECTS for up in DIALECTS if client != up]
LOOPS = [(client, up) for client, up in CELLS if up in CARRIERS]


def context() -> AnswerContext:
    numbers = itertools.count()
    return AnswerContext(
        model="some-model",
        request_id="req_up",
        now=1_700_000_000,
        new_id=lambda: f"{next(numbers):024}",
        include_usage=True,
        include_encrypted=True,
    )


def thinking(up: str, n: int, *, calls: bool) -> list[Event]:
    """What a provider answers in turn ``n``: a signed thought, then a call or a word."""
    carrier = CARRIERS.get(up)
    signed = [BlockSignature(0, carrier, f"sig{n}==")] if carrier else []
    said: list[Event] = [BlockOpen(1, BlockKind.TEXT), BlockDelta(1, "Done."), BlockClose(1)]
    if calls:
        opening = BlockOpen(1, BlockKind.TOOL, id=f"call_{n}", name="look")
        said = [opening, BlockDelta(1, f'{{"n":{n}}}'), BlockClose(1)]
    return [
        Start("id_up", "some-model"),
        BlockOpen(0, BlockKind.REASONING, id=f"rs_{n}" if carrier == "openai" else None),
        BlockDelta(0, f"thought {n}"),
        *signed,
        BlockClose(0),
        *said,
        UsageReport(Usage(input=10, output=5)),
        Finish(FinishReason.TOOL_CALLS if calls else FinishReason.STOP),
        End(),
    ]


def tools_of(client: str) -> list[dict[str, Any]]:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    if client == "anthropic_messages":
        return [{"name": "look", "input_schema": schema}]
    if client == "openai_chat":
        return [{"type": "function", "function": {"name": "look", "parameters": schema}}]
    return [{"type": "function", "name": "look", "parameters": schema}]


def extended(client: str, body: dict[str, Any], answer: dict[str, Any], n: int) -> dict[str, Any]:
    """The client's next request: all it got, given back, and the result of the call."""
    if client == "openai_responses":
        output = {"type": "function_call_output", "call_id": f"call_{n}", "output": "found"}
        return {**body, "input": [*body["input"], *answer["output"], output]}
    if client == "openai_chat":
        result = {"role": "tool", "tool_call_id": f"call_{n}", "content": "found"}
        told = [answer["choices"][0]["message"], result]
    else:
        found = {"type": "tool_result", "tool_use_id": f"call_{n}", "content": "found"}
        told = [
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [found]},
        ]
    return {**body, "messages": [*body["messages"], *told]}


def first_request(client: str) -> dict[str, Any]:
    body = question(client, tools=tools_of(client))
    if client == "openai_responses":
        body["input"] = [{"role": "user", "content": "Say it."}]
    return body


def thoughts_of(up: str, sent: dict[str, Any]) -> list[tuple[str, str]]:
    """Text and signature of each thought a provider got back."""
    if up == "openai_responses":
        return [
            ("".join(part["text"] for part in item["summary"]), item["encrypted_content"])
            for item in sent["input"]
            if item["type"] == "reasoning"
        ]
    return [
        (block["thinking"], block["signature"])
        for message in sent["messages"]
        for block in message["content"]
        if not isinstance(block, str) and block["type"] == "thinking"
    ]


@pytest.mark.reported(5)
@pytest.mark.parametrize(("client", "up"), LOOPS)
async def test_a_loop_of_three_turns_gives_each_thought_back_as_it_was_signed(
    client: str, up: str
) -> None:
    answers = [thinking(up, n, calls=n < 3) for n in (1, 2, 3)]
    moves = [stream(written(DIALECTS[up], events, context())) for events in answers]
    async with translating((up, moves[0]), model=MODELS[up]) as bench:
        bench.upstreams[0].script = moves
        body = first_request(client)
        for n in (1, 2):
            request = bench.request(client, body)
            (message,) = [answer async for answer in bench.stub.Generate(request)]
            assert not message.head.warnings
            assert f"sig{n}==".encode() not in message.chunk
            assert PREFIX.encode() in message.chunk
            body = extended(client, body, json.loads(message.chunk), n)
        request = bench.request(client, {**body, "stream": True})
        last = [answer async for answer in bench.stub.Generate(request)]
        seen = [json.loads(request.body) for request in bench.upstreams[0].seen]
    assert b"Done." in text_of(last)
    assert thoughts_of(up, seen[0]) == []
    assert thoughts_of(up, seen[1]) == [("thought 1", "sig1==")]
    assert thoughts_of(up, seen[2]) == [("thought 1", "sig1=="), ("thought 2", "sig2==")]
    key = "input" if up == "openai_responses" else "messages"
    for shorter, longer in itertools.pairwise(seen):
        assert longer[key][: len(shorter[key])] == shorter[key]


@pytest.mark.reported(7)
@pytest.mark.parametrize("client", ["anthropic_messages", "openai_responses"])
async def test_a_compatible_server_gets_its_reasoning_text_back(client: str) -> None:
    up = "openai_chat"
    moves = [stream(written(DIALECTS[up], thinking(up, n, calls=n < 2), context())) for n in (1, 2)]
    async with translating((up, moves[0]), model=MODELS[up]) as bench:
        bench.upstreams[0].script = moves
        body = first_request(client)
        if client == "openai_responses":
            body["include"] = ["reasoning.encrypted_content"]
        request = bench.request(client, body)
        (message,) = [answer async for answer in bench.stub.Generate(request)]
        answer = json.loads(message.chunk)
        trimmed = json.loads(json.dumps(answer).replace("thought 1", "thou…"))
        request = bench.request(client, extended(client, body, trimmed, 1))
        _ = [answer async for answer in bench.stub.Generate(request)]
        sent = json.loads(bench.upstreams[0].seen[1].body)
    assert sent["messages"][1]["reasoning_content"] == "thought 1"


def sealer(**changes: Any) -> Sealer:
    pseudonyms = Pseudonyms("pepper")
    fields: dict[str, Any] = {
        "keys": {"k1": b"1" * 32},
        "current": "k1",
        "family": "anthropic",
        "origin": pseudonyms.of_upstream("up1"),
        "account": pseudonyms.of_account("acc"),
    }
    return Sealer(**{**fields, **changes})


def remembering(client: str, sealed: str) -> dict[str, Any]:
    """A request whose history holds a sealed thought before a call."""
    answer: dict[str, Any]
    if client == "openai_responses":
        call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
        answer = {
            "output": [{"type": "reasoning", "summary": [], "encrypted_content": sealed}, call]
        }
    elif client == "openai_chat":
        function = {"name": "look", "arguments": "{}"}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": sealed, "format": "gatebeyz-v1"}
            ],
        }
        answer = {"choices": [{"message": message}]}
    else:
        thought = {"type": "thinking", "thinking": "seen", "signature": sealed}
        answer = {
            "content": [thought, {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}]
        }
    return extended(client, first_request(client), answer, 1)


@pytest.mark.edge(34)
@pytest.mark.reported(6)
@pytest.mark.parametrize(
    "changes",
    [
        {"account": "gb_another"},
        {"keys": {"k1": b"2" * 32}},
        {"keys": {"k9": b"1" * 32}, "current": "k9"},
        {"family": "openai"},
        {"origin": "up_another"},
    ],
)
@pytest.mark.parametrize("client", ["openai_responses", "openai_chat"])
async def test_a_seal_of_another_account_key_or_upstream_is_left_out_and_the_call_stays(
    client: str, changes: dict[str, Any]
) -> None:
    up = "anthropic_messages"
    data = written(DIALECTS[up], thinking(up, 2, calls=False), context())
    sealed = sealer(**changes).seal("anthropic", "sig1==", "seen", None)
    async with translating((up, stream(data)), model=MODELS[up]) as bench:
        request = bench.request(client, remembering(client, sealed))
        (message,) = [answer async for answer in bench.stub.Generate(request)]
        sent = json.loads(bench.upstreams[0].seen[0].body)
    assert message.head.status == 200
    assert not message.head.warnings
    assert thoughts_of(up, sent) == []
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"]
    assert [block["type"] for block in sent["messages"][2]["content"]] == ["tool_result"]


@pytest.mark.edge(34)
@pytest.mark.reported(6)
@pytest.mark.parametrize("dialect", list(DIALECTS))
async def test_no_seal_reaches_a_provider_also_where_the_dialect_stays_the_same(
    dialect: str,
) -> None:
    """A conversation that began with another provider's model goes on with this one's."""
    data = written(DIALECTS[dialect], thinking(dialect, 2, calls=False), context())
    foreign = sealer(family="elsewhere").seal("anthropic", "sig1==", "seen", None)
    body = {**remembering(dialect, foreign), "x_unknown": 1, "stream": True}
    async with translating((dialect, stream(data)), model=MODELS[dialect]) as bench:
        request = bench.request(dialect, body)
        messages = [answer async for answer in bench.stub.Generate(request)]
        sent = bench.upstreams[0].seen[0].body
    assert PREFIX.encode() not in sent
    assert b"call_1" in sent
    assert json.loads(sent)["x_unknown"] == 1
    assert text_of(messages) == data


async def test_a_body_that_only_speaks_of_seals_keeps_its_every_byte() -> None:
    dialect = "openai_chat"
    data = written(DIALECTS[dialect], thinking(dialect, 2, calls=False), context())
    async with translating((dialect, stream(data)), model=MODELS[dialect]) as bench:
        request = bench.request(dialect, question(dialect, stream=True))
        said = b'{"role": "user", "content": "gb1. is a prefix", "n": 1.50}'
        request.body = b'{"model": "demo-model", "stream": true,  "messages": [%b]}' % said
        _ = [answer async for answer in bench.stub.Generate(request)]
        sent = bench.upstreams[0].seen[0].body
    assert sent == request.body.replace(b"demo-model", MODELS[dialect].encode())


async def test_a_seal_of_this_providers_own_is_opened_where_the_dialect_stays_the_same() -> None:
    dialect = "anthropic_messages"
    data = written(DIALECTS[dialect], thinking(dialect, 2, calls=False), context())
    sealed = sealer().seal("anthropic", "sig1==", "what was thought", None)
    async with translating((dialect, stream(data)), model=MODELS[dialect]) as bench:
        request = bench.request(dialect, {**remembering(dialect, sealed), "stream": True})
        _ = [answer async for answer in bench.stub.Generate(request)]
        sent = json.loads(bench.upstreams[0].seen[0].body)
    assert thoughts_of(dialect, sent) == [("what was thought", "sig1==")]


async def test_a_conversation_goes_on_at_the_upstream_that_signed_its_reasoning() -> None:
    up = "anthropic_messages"
    data = written(DIALECTS[up], thinking(up, 2, calls=False), context())
    origin = Pseudonyms("pepper").of_upstream("up2")
    sealed = sealer(origin=origin).seal("anthropic", "sig1==", "seen", None)
    async with translating((up, stream(data)), (up, stream(data)), model=MODELS[up]) as bench:
        request = bench.request("openai_responses", remembering("openai_responses", sealed))
        _ = [answer async for answer in bench.stub.Generate(request)]
        seen = [len(upstream.seen) for upstream in bench.upstreams]
        sent = json.loads(bench.upstreams[1].seen[0].body)
    assert seen == [0, 1]
    assert thoughts_of(up, sent) == [("seen", "sig1==")]


@pytest.mark.edge(39)
@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_half_a_surrogate_pair_passes_every_hop_as_a_replacement(
    client: str, up: str
) -> None:
    data = written(DIALECTS[up], thinking(up, 2, calls=False), context())
    body = json.dumps(question(client)).replace("Say it.", r"\ud83d Say \ud83d\ude00 it.")
    async with translating((up, stream(data)), model=MODELS[up]) as bench:
        request = bench.request(client, json.loads(body))
        _ = [answer async for answer in bench.stub.Generate(request)]
        sent = bench.upstreams[0].seen[0].body.decode("utf-8", "strict")
    assert "\ufffd Say 😀 it." in sent
    assert r"\ud83d" not in sent


@pytest.mark.edge(40)
@pytest.mark.parametrize(("client", "up"), CELLS)
async def test_a_beta_header_goes_nowhere_without_the_field_it_is_for(client: str, up: str) -> None:
    data = written(DIALECTS[up], thinking(up, 2, calls=False), context())
    headers = {"anthropic-beta": "context-management-2025-06-27", "anthropic-version": "2023-06-01"}
    async with translating((up, stream(data)), model=MODELS[up]) as bench:
        request = bench.request(client, question(client), headers=headers)
        _ = [answer async for answer in bench.stub.Generate(request)]
        (seen,) = bench.upstreams[0].seen
    assert "anthropic-beta" not in seen.headers
    if up == "anthropic_messages":
        assert seen.headers["anthropic-version"] == "2026-10-21"


@pytest.mark.edge(41)
@pytest.mark.parametrize("client", list(DIALECTS))
@pytest.mark.parametrize("up", list(DIALECTS))
async def test_every_provider_sees_one_pseudonym_of_the_account(client: str, up: str) -> None:
    told = {"metadata": {"user_id": "jane@example.org"}}
    if client != "anthropic_messages":
        told = {"user": "jane@example.org", "safety_identifier": "jane"}  # type: ignore[dict-item]
    data = written(DIALECTS[up], thinking(up, 2, calls=False), context())
    async with translating((up, stream(data)), model=MODELS[up]) as bench:
        body = {**question(client), **told, "stream": True}
        stub = bench.relay if client == up else bench.stub
        for _ in range(2):
            _ = [answer async for answer in stub.Generate(bench.request(client, body))]
        sent = [request.body.decode() for request in bench.upstreams[0].seen]
    assert sent[0] == sent[1]
    assert "jane" not in sent[0]
    assert Pseudonyms("pepper").of_account("acc") in sent[0]
