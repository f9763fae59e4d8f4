"""Plain gRPC clients with a key: admitted as at the edge, by every service that takes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from tests.e2e.operating import new_key, revoke, targets, update_account
from tests.e2e.stack import ROOT, Stack

MODEL = "claude-sonnet-4-5"
ANTHROPIC = inference_pb2.DIALECT_ANTHROPIC_MESSAGES
CHAT = inference_pb2.DIALECT_OPENAI_CHAT
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/grpc.md").read_text(), re.S)


def generate(
    stack: Stack, service: str, key: str | None, dialect: int = ANTHROPIC, **body: Any
) -> list[inference_pb2.GenerateResponse]:
    asked = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
    request = inference_pb2.GenerateRequest(
        dialect=inference_pb2.Dialect.ValueType(dialect),
        operation=inference_pb2.OPERATION_GENERATE,
        model=MODEL,
        body=json.dumps(asked | body).encode(),
    )
    metadata = (("authorization", f"Bearer {key}"),) if key is not None else ()
    with grpc.insecure_channel(targets(stack)[service]) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        return list(stub.Generate(request, metadata=metadata, timeout=20))


def refusal(*arguments: Any, **body: Any) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        generate(*arguments, **body)
    return reason_of(caught.value)


def reason_of(error: Any) -> tuple[grpc.StatusCode, str, str]:
    status = status_pb2.Status.FromString(
        dict(error.trailing_metadata())["grpc-status-details-bin"]
    )
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert info.domain == "gatebeyz"
    return error.code(), info.reason, status.message


@pytest.mark.parametrize(("service", "dialect"), [("relay", ANTHROPIC), ("translator", CHAT)])
def test_a_key_in_the_metadata_is_served(stack: Stack, service: str, dialect: int) -> None:
    answers = generate(stack, service, stack.key, dialect)
    body = json.loads(b"".join(answer.chunk for answer in answers))
    assert body["usage"]
    assert answers[-1].outcome.usage.output_tokens > 0


@pytest.mark.parametrize("service", ["relay", "translator"])
@pytest.mark.parametrize("key", ["", "sk-gb-replace-with-your-key", "sk-gb-pl-" + "a" * 49])
def test_a_bad_key_is_refused_in_one_way(stack: Stack, service: str, key: str) -> None:
    assert refusal(stack, service, key) == (
        grpc.StatusCode.UNAUTHENTICATED, "KEY_UNKNOWN", "The API key is not valid.",
    )  # fmt: skip


def test_a_revoked_key_is_refused_as_one_nobody_has(stack: Stack) -> None:
    created = new_key(stack)
    generate(stack, "relay", created.secret)
    revoke(stack, created.key.key_id)
    found = refusal(stack, "relay", created.secret)
    assert found[1:] == ("KEY_UNKNOWN", "The API key is not valid.")


@pytest.mark.parametrize("service", ["relay", "translator"])
def test_without_a_key_a_grant_or_a_token_nothing_is_served(stack: Stack, service: str) -> None:
    code, reason, _ = refusal(stack, service, None)
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert reason in ("GRANT_INVALID", "SERVICE_TOKEN_INVALID")


def test_the_policy_holds_as_at_the_edge(stack: Stack) -> None:
    created = new_key(stack, models=["gpt-*"], thinking=False)
    assert refusal(stack, "relay", created.secret)[1] == "MODEL_NOT_ALLOWED"
    update_account(stack, created.key.account_id, models=["claude-*"])
    changed_at = time.monotonic()
    while True:
        try:
            generate(stack, "relay", created.secret)
            break
        except grpc.RpcError:
            assert time.monotonic() - changed_at < 5
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert refusal(stack, "relay", created.secret, thinking=thinking)[1] == "THINKING_NOT_ALLOWED"


def test_limits_hold_as_at_the_edge(stack: Stack) -> None:
    limits = auth_pb2.Limits(requests_per_minute=3)
    key = new_key(stack, limits=limits).secret
    for _ in range(3):
        generate(stack, "relay", key)
    with pytest.raises(grpc.RpcError) as caught:
        generate(stack, "relay", key)
    code, reason, _ = reason_of(caught.value)
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")


def test_a_network_that_is_not_the_keys_is_refused(stack: Stack) -> None:
    key = new_key(stack, key={"networks": ["192.0.2.0/24"]}).secret
    assert refusal(stack, "relay", key)[1] == "ADDRESS_NOT_ALLOWED"


def test_a_credits_key_speaks_the_anthropic_dialect_alone(stack: Stack) -> None:
    key = new_key(stack, product=auth_pb2.PRODUCT_CREDITS).secret
    assert refusal(stack, "translator", key, CHAT)[1] == "INVALID_REQUEST"


def test_the_counter_takes_keys_too(stack: Stack) -> None:
    item = counter_pb2.CountItem(model=MODEL, text="Hello!")
    request = counter_pb2.CountTokensRequest(items=[item])
    with grpc.insecure_channel(targets(stack)["counter"]) as channel:
        stub = counter_pb2_grpc.CounterServiceStub(channel)
        metadata = (("authorization", f"Bearer {stack.key}"),)
        answers = list(stub.CountTokens(request, metadata=metadata, timeout=20))
        assert answers[-1].total.tokens > 0
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.CountTokens(request, metadata=(("authorization", "Bearer x"),), timeout=20))
    assert reason_of(caught.value)[1] == "KEY_UNKNOWN"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_of_the_documentation_runs(stack: Stack, number: int, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[number])
    found = targets(stack)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "protos/gen"),
        "GATEBEYZ_KEY": stack.key,
        "GATEBEYZ_RELAY_TARGET": found["relay"],
        "GATEBEYZ_COUNTER_TARGET": found["counter"],
        "GATEBEYZ_TRANSLATOR_TARGET": found["translator"],
    }
    result = subprocess.run(
        [sys.executable, str(script)], env=environ, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
