"""TranslationService over a socket: bodies there and back, refusals that name the field."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from dialects.registry import DIALECTS
from gatebeyz.translation.v1 import translation_pb2, translation_pb2_grpc
from runtime.catalog import Model, Route, Upstream, build_catalog
from runtime.channels import SERVER_OPTIONS, open_channel
from runtime.faults import Reason, fault_of
from runtime.interceptors import FaultInterceptor
from services.translator.carriage import VALUES
from services.translator.translation import TranslationService
from tests.contract.carrying import CLAUDE, chat, function
from tests.contract.translating import question

A, C, R = (VALUES[name] for name in ("anthropic_messages", "openai_chat", "openai_responses"))
CATALOG = build_catalog(
    [
        Upstream(
            "local",
            "openai_chat",
            "http://127.0.0.1:1/v1",
            allow_private=True,
            model_capabilities={"max_tokens_field": "max_tokens", "reasoning_field": "reasoning"},
        )
    ],
    [Model("large", "Large", (Route("local", "openai_chat", "org/Large-70B"),),
           capabilities={"max_output": 100})],
    [],
)  # fmt: skip
Stub = translation_pb2_grpc.TranslationServiceStub
CELLS = [(source, target) for source in DIALECTS for target in DIALECTS]


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Stub]:
    server = grpc.aio.server(interceptors=(FaultInterceptor(),), options=SERVER_OPTIONS)
    service = TranslationService(lambda: CATALOG)
    translation_pb2_grpc.add_TranslationServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with open_channel(f"127.0.0.1:{port}", None) as channel:
            yield Stub(channel)
    finally:
        await server.stop(0)


def asked(source: int, target: int, body: Any, **fields: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    fields = {"model": CLAUDE, **fields}
    return translation_pb2.TranslateRequestRequest(
        source=source, target=target, body=data, **fields  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(("source", "target"), CELLS)
async def test_a_request_and_its_answer_pass_on_every_road(source: str, target: str) -> None:
    body = question(source)
    async with serving() as stub:
        there = await stub.TranslateRequest(asked(VALUES[source], VALUES[target], body))
        again = await stub.TranslateRequest(asked(VALUES[source], VALUES[target], body))
        peek = DIALECTS[target].peek(json.loads(there.body))
        answer = await stub.TranslateResponse(
            translation_pb2.TranslateResponseRequest(
                source=VALUES[target],
                target=VALUES[source],
                body=ANSWERS[target],
                request=json.dumps({"model": "m", **body}).encode(),
                model="m",
                upstream_model=CLAUDE,
            )
        )
    assert there == again
    assert (peek.model, peek.stream) == (CLAUDE, False)
    assert answer.status == 200
    assert b"It." in answer.body
    assert json.loads(answer.body)["model"] == "m"


ANSWERS = {
    "anthropic_messages": json.dumps(
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "up",
            "content": [{"type": "text", "text": "It."}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 1},
        }
    ).encode(),
    "openai_chat": json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "It."},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }
    ).encode(),
    "openai_responses": json.dumps(
        {
            "id": "resp_1", "object": "response", "created_at": 1, "model": "up",
            "status": "completed",
            "output": [{"type": "message", "id": "msg_1", "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": "It.", "annotations": []}]}],
            "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
        }
    ).encode(),
}  # fmt: skip


async def test_what_the_provider_must_get_beside_the_body_is_told() -> None:
    body = chat(temperature=1.5, stop=["END"], user="jane")
    async with serving() as stub:
        claude = await stub.TranslateRequest(asked(C, A, body, user="team-1"))
        gpt = await stub.TranslateRequest(asked(C, R, body, model="gpt-4.1"))
    assert claude.headers == {"anthropic-version": "2023-06-01"}
    assert list(claude.warnings) == ["temperature=clamped"]
    assert json.loads(claude.body)["metadata"] == {"user_id": "team-1"}
    assert list(gpt.stops) == ["END"]
    assert b"jane" not in claude.body + gpt.body


async def test_a_model_of_the_catalog_stands_for_its_route_and_its_overrides() -> None:
    async with serving() as stub:
        found = await stub.TranslateRequest(
            asked(A, C, question("anthropic_messages"), model="large")
        )
    body = json.loads(found.body)
    assert (body["model"], body["max_tokens"]) == ("org/Large-70B", 100)
    assert list(found.warnings) == ["max_tokens=clamped"]


async def test_tools_come_back_under_the_names_they_were_given() -> None:
    tools = [function("files.read"), {"type": "custom", "custom": {"name": "patch"}}]
    body = {"model": "m", **chat(tools=tools)}
    async with serving() as stub:
        there = await stub.TranslateRequest(asked(C, A, body))
        names = [tool["name"] for tool in json.loads(there.body)["tools"]]
        given = json.loads(ANSWERS["anthropic_messages"])
        given["content"] = [
            {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": {"input": "x"}}
            for n, name in enumerate(names)
        ]
        back = await stub.TranslateResponse(
            translation_pb2.TranslateResponseRequest(
                source=A,
                target=C,
                body=json.dumps(given).encode(),
                request=json.dumps(body).encode(),
                model="m",
                upstream_model=CLAUDE,
            )
        )
    assert names[0].startswith("files_read_")
    read, patch = json.loads(back.body)["choices"][0]["message"]["tool_calls"]
    assert read["function"] == {"name": "files.read", "arguments": '{"input":"x"}'}
    assert patch["custom"] == {"name": "patch", "input": "x"}


async def test_an_answer_without_its_request_keeps_the_upstreams_names() -> None:
    given = json.loads(ANSWERS["anthropic_messages"])
    given["content"] = [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]
    async with serving() as stub:
        back = await stub.TranslateResponse(
            translation_pb2.TranslateResponseRequest(
                source=A, target=C, body=json.dumps(given).encode(), model="m", status=200
            )
        )
    (call,) = json.loads(back.body)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "f"


@pytest.mark.parametrize("target", [A, C, R])
async def test_an_error_of_the_provider_becomes_one_of_the_clients_dialect(target: int) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    async with serving() as stub:
        told = await stub.TranslateResponse(
            translation_pb2.TranslateResponseRequest(
                source=A,
                target=target,  # type: ignore[arg-type]
                body=json.dumps(error).encode(),
                status=529,
            )
        )
        page = await stub.TranslateResponse(
            translation_pb2.TranslateResponseRequest(
                source=C,
                target=target,  # type: ignore[arg-type]
                body=b"<html>Bad gateway</html>",
                status=502,
            )
        )
    assert told.status in (503, 529)
    assert "verloaded" in json.loads(told.body)["error"]["message"]
    assert page.status >= 500
    assert b"<html>" not in page.body


@pytest.mark.parametrize(
    ("request_", "reason", "param"),
    [
        (asked(C, A, chat(n=2)), Reason.UNSUPPORTED_FEATURE, "n"),
        (asked(C, A, chat(temperature="hot")), Reason.INVALID_REQUEST, "temperature"),
        (asked(C, A, chat(temperature=2), strict=True), Reason.UNSUPPORTED_FEATURE, "temperature"),
        (
            asked(A, C, chat(max_tokens=9, top_k=1), headers={"anthropic-version": "2026-10-21"}),
            Reason.INVALID_REQUEST,
            "top_k",
        ),
        (asked(C, A, b"[]"), Reason.INVALID_REQUEST, None),
        (asked(C, A, b"\xff"), Reason.INVALID_REQUEST, None),
        (asked(C, A, b"[" * 100_000), Reason.INVALID_REQUEST, None),
        (asked(0, A, chat()), Reason.INVALID_REQUEST, None),
        (asked(C, 9, chat()), Reason.INVALID_REQUEST, None),
    ],
)
async def test_a_refusal_names_its_reason_and_the_field(
    request_: Any, reason: Reason, param: str | None
) -> None:
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TranslateRequest(request_)
    fault = fault_of(caught.value)
    assert fault.reason is reason
    assert fault.metadata.get("param") == param


async def test_an_answer_that_is_none_is_refused() -> None:
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.TranslateResponse(
                translation_pb2.TranslateResponseRequest(source=A, target=C, body=b"{", status=200)
            )
    assert fault_of(caught.value).reason is Reason.INVALID_REQUEST
