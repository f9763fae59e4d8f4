"""The demo upstream over HTTP, read back with the dialects' own readers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest
from starlette.testclient import TestClient

from dialects.dialect import Dialect
from dialects.events import (
    NEED_DATA,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Grammar,
    Start,
    UsageReport,
)
from dialects.registry import DIALECTS
from dialects.usage import Usage
from laptop.demo.app import create_app
from laptop.demo.messages import sign

CREDENTIAL = "a-credential"
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
NAMES = ("anthropic_messages", "openai_chat", "openai_responses")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(CREDENTIAL), headers={"x-api-key": CREDENTIAL}) as opened:
        yield opened


def body_of(name: str, text: str, *, thinking: bool = False, **fields: Any) -> dict[str, Any]:
    """A request with one tool in that dialect."""
    said = [{"role": "user", "content": text}]
    function = {"name": "get", "parameters": SCHEMA}
    match name:
        case "anthropic_messages":
            tool = {"name": "get", "input_schema": SCHEMA}
            body: dict[str, Any] = {"model": "m", "max_tokens": 4_000, "messages": said}
            body["tools"] = [tool]
            if thinking:
                body["thinking"] = {"type": "enabled", "budget_tokens": 1_024}
        case "openai_chat":
            tool = {"type": "function", "function": function}
            body = {"model": "m", "messages": said, "tools": [tool]}
            body["stream_options"] = {"include_usage": True}
            if thinking:
                body["reasoning_effort"] = "low"
        case _:
            body = {"model": "m", "input": said, "tools": [{"type": "function", **function}]}
            if thinking:
                body["reasoning"] = {"effort": "low", "summary": "auto"}
    return body | fields


def stream(client: TestClient, name: str, text: str, **fields: Any) -> list[Event]:
    """The neutral events of a streamed answer, checked against the grammar."""
    dialect: Dialect = DIALECTS[name]
    body = body_of(name, text, **fields) | {"stream": True}
    answer = client.post(dialect.path, json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    reader, grammar, events = dialect.reader(), Grammar(), list[Event]()
    reader.receive_data(answer.content)
    reader.close()
    while (event := reader.next_event()) is not NEED_DATA:
        grammar.check_next(event)
        events.append(event)
    return events


def whole(client: TestClient, name: str, text: str, **fields: Any) -> list[Event]:
    dialect: Dialect = DIALECTS[name]
    answer = client.post(dialect.path, json=body_of(name, text, **fields))
    assert answer.status_code == 200, answer.text
    return dialect.read_answer(answer.json())


def said(events: list[Event], kind: BlockKind) -> list[str]:
    """The text of each block of that kind."""
    blocks = {
        event.n: "" for event in events if isinstance(event, BlockOpen) and event.kind is kind
    }
    for event in events:
        if isinstance(event, BlockDelta) and event.n in blocks:
            blocks[event.n] += event.text
    return list(blocks.values())


def finish(events: list[Event]) -> FinishReason:
    return next(event.reason for event in events if isinstance(event, Finish))


READ = pytest.mark.parametrize("read", [stream, whole])
EVERY = pytest.mark.parametrize("name", NAMES)


@READ
@EVERY
def test_echo(client: TestClient, name: str, read: Any) -> None:
    events = read(client, name, "Hello, dünya! 🙂")

    assert said(events, BlockKind.TEXT) == ["Hello, dünya! 🙂"]
    assert finish(events) is FinishReason.STOP


@READ
@EVERY
def test_tool_calls(client: TestClient, name: str, read: Any) -> None:
    events = read(client, name, 'tool:get {"q": "é"} tool:get')

    opened = [event for event in events if isinstance(event, BlockOpen)]
    assert [event.name for event in opened] == ["get", "get"]
    assert len({event.id for event in opened}) == 2
    assert [text.replace(" ", "") for text in said(events, BlockKind.TOOL)] == ['{"q":"é"}', "{}"]
    assert finish(events) is FinishReason.TOOL_CALLS


@READ
@EVERY
def test_thinking(client: TestClient, name: str, read: Any) -> None:
    events = read(client, name, "one two", thinking=True)

    assert said(events, BlockKind.REASONING) == ["The user wrote 2 words. I will answer in kind."]
    signed = [event for event in events if isinstance(event, BlockSignature)]
    assert bool(signed) is (name != "openai_chat")


@READ
@EVERY
def test_usage(client: TestClient, name: str, read: Any) -> None:
    events = read(client, name, "one two demo:cached 1 three", thinking=True)

    reports = [event.usage for event in events if isinstance(event, (Start, UsageReport))]
    usage = reduce(Usage.merge, reports)
    assert usage.cache_read == 1
    assert usage.output == 10 + 3
    assert usage.reasoning == 10


@READ
@EVERY
def test_length(client: TestClient, name: str, read: Any) -> None:
    limit = "max_output_tokens" if name == "openai_responses" else "max_tokens"
    events = read(client, name, "one two three", **{limit: 2})

    assert said(events, BlockKind.TEXT) == ["one two"]
    assert finish(events) is FinishReason.LENGTH


@READ
@EVERY
def test_refusal(client: TestClient, name: str, read: Any) -> None:
    assert finish(read(client, name, "demo:refuse")) is FinishReason.REFUSAL


@EVERY
def test_a_stream_ends(client: TestClient, name: str) -> None:
    assert isinstance(stream(client, name, "Hello")[-1], End)


@EVERY
@pytest.mark.parametrize("directive", ["fail", "truncate"])
def test_a_broken_stream_is_seen(client: TestClient, name: str, directive: str) -> None:
    events = stream(client, name, f"demo:{directive} 4 one two three")

    assert isinstance(events[-1], Failure)
    assert not any(isinstance(event, BlockClose) for event in events)


@EVERY
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_errors_in_the_dialects_envelope(client: TestClient, name: str, status: int) -> None:
    answer = client.post(DIALECTS[name].path, json=body_of(name, f"demo:error {status}"))

    assert answer.status_code == status
    assert answer.json()["error"]["message"] == "The demo was told to fail."
    assert ("retry-after" in answer.headers) is (status in (429, 529))


@EVERY
def test_the_credential_is_required(name: str) -> None:
    with TestClient(create_app(CREDENTIAL)) as stranger:
        path, body = DIALECTS[name].path, body_of(name, "x")
        bare = stranger.post(path, json=body)
        bearer = stranger.post(path, json=body, headers={"authorization": f"Bearer {CREDENTIAL}"})

    assert (bare.status_code, bearer.status_code) == (401, 200)


@EVERY
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"model": 3}', b"[" * 100_000])
def test_bad_bodies_are_400(client: TestClient, name: str, raw: bytes) -> None:
    assert client.post(DIALECTS[name].path, content=raw).status_code == 400


@EVERY
def test_an_absent_model_is_404(client: TestClient, name: str) -> None:
    body = body_of(name, "x", model="no-such-model")

    assert client.post(DIALECTS[name].path, json=body).status_code == 404


@EVERY
def test_equal_requests_get_equal_bytes(client: TestClient, name: str) -> None:
    body = body_of(name, "tool:get", thinking=True)
    first, second = (client.post(DIALECTS[name].path, json=body).content for _ in range(2))

    assert first == second


def test_count_tokens_agrees_with_usage(client: TestClient) -> None:
    body = body_of("anthropic_messages", "one two three")
    counted = client.post("/v1/messages/count_tokens", json=body).json()
    answered = client.post("/v1/messages", json=body).json()

    assert counted == {"input_tokens": answered["usage"]["input_tokens"]}


def test_signatures_are_checked_when_they_come_back(client: TestClient) -> None:
    def send(signature: str) -> int:
        thought = {"type": "thinking", "thinking": "hm", "signature": signature}
        history = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "y"}]},
            {"role": "user", "content": "z"},
        ]
        body = {"model": "m", "max_tokens": 9, "messages": history}
        return client.post("/v1/messages", json=body).status_code

    assert send(sign("hm")) == 200
    assert send("EqQB") == 400


def test_tool_calls_must_be_answered(client: TestClient) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {}}
    history = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}]
    body: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": history}

    unanswered = client.post("/v1/messages", json=body)
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}
    body["messages"] = [*history, {"role": "user", "content": [result]}]
    answered = client.post("/v1/messages", json=body)

    assert unanswered.status_code == 400
    assert answered.json()["content"][0]["text"] == "The tool answered: 42"


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("claude-opus-4-6", "enabled", 200),
        ("claude-opus-4-6", "adaptive", 200),
        ("claude-opus-4-8", "enabled", 400),
        ("claude-opus-4-8", "adaptive", 200),
        ("claude-sonnet-4-5", "adaptive", 400),
    ],
)
def test_models_take_the_thinking_they_take(
    client: TestClient, model: str, kind: str, status: int
) -> None:
    thinking = {"type": kind} | ({"budget_tokens": 1_024} if kind == "enabled" else {})
    body = body_of("anthropic_messages", "x", model=model, thinking_config=thinking)
    body["thinking"] = body.pop("thinking_config")

    assert client.post("/v1/messages", json=body).status_code == status


def test_models_in_both_shapes(client: TestClient) -> None:
    anthropic = client.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()
    openai = client.get("/v1/models").json()

    assert [entry["id"] for entry in anthropic["data"]] == [entry["id"] for entry in openai["data"]]
    assert anthropic["has_more"] is False
    assert openai["object"] == "list"


def test_exchanges_are_counted() -> None:
    with TestClient(create_app(CREDENTIAL), headers={"x-api-key": CREDENTIAL}) as fresh:
        fresh.post("/v1/messages", json=body_of("anthropic_messages", "x"))
        fresh.post("/v1/messages", json=body_of("anthropic_messages", "x", stream=True))

        counted = fresh.get("/demo/exchanges").json()

    assert counted == {"open": 0, "completed": 2, "cancelled": 0}
