"""Two products on two listeners, and keys that are not good: what each is told."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from admission.credential import mint
from gatebeyz.auth.v1 import auth_pb2
from tests.e2e.operating import new_key, revoke
from tests.e2e.stack import Stack

MESSAGE = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Hi"}],
}
PATHS = ["/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions", "/v1/responses"]


def credits_url(stack: Stack) -> str:
    host, _, port = stack.url.rpartition(":")
    return f"{host}:{int(port) + 1}"


def ask(url: str, path: str, headers: dict[str, str]) -> httpx.Response:
    if path.startswith("/v1/models"):
        return httpx.get(url + path, headers=headers)
    body: dict[str, Any] = dict(MESSAGE)
    if path == "/v1/responses":
        body = {"model": MESSAGE["model"], "input": "Hi", "store": False}
    return httpx.post(url + path, json=body, headers=headers)


@pytest.fixture(scope="module")
def credits_key(stack: Stack) -> str:
    created = new_key(stack, product=auth_pb2.PRODUCT_CREDITS)
    secret: str = created.secret
    return secret


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/models"])
def test_a_key_on_the_wrong_host_is_told_where_it_belongs(
    stack: Stack, credits_key: str, path: str
) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    here = ask(credits_url(stack), path, headers | {"x-api-key": stack.key})
    there = ask(stack.url, path, headers | {"x-api-key": credits_key})
    for answer, message in (
        (here, f"This is a key of the monthly API. Use it at {stack.url}."),
        (there, f"This is a Claude Credits key. Use it at {credits_url(stack)}."),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"] == {"type": "authentication_error", "message": message}
        assert answer.headers["x-should-retry"] == "false"


def test_what_a_wrong_host_says_does_not_depend_on_the_key_being_good(stack: Stack) -> None:
    real = ask(credits_url(stack), "/v1/messages", {"x-api-key": stack.key})
    made_up = ask(credits_url(stack), "/v1/messages", {"x-api-key": mint("api")})
    assert bare(real) == bare(made_up)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_the_credits_host_has_no_openai_surfaces(stack: Stack, credits_key: str, path: str) -> None:
    answer = ask(credits_url(stack), path, {"authorization": f"Bearer {credits_key}"})
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["type"] == "invalid_request_error"


def bare(answer: httpx.Response) -> tuple[int, bytes, list[str]]:
    """An answer but for its request id."""
    request_id = answer.headers["request-id"].encode()
    assert len(request_id) == 28
    body = answer.content.replace(request_id, b"-")
    return answer.status_code, body, sorted(answer.headers)


@pytest.fixture(scope="module")
def bad_keys(stack: Stack) -> dict[str, dict[str, str]]:
    revoked = new_key(stack)
    revoke(stack, revoked.key.key_id)
    soon = Timestamp()
    soon.FromMilliseconds(int(time.time() * 1000) + 700)
    expired = new_key(stack, key={"expires_at": soon})
    time.sleep(0.8)
    return {
        "missing": {},
        "empty": {"x-api-key": ""},
        "malformed": {"x-api-key": "sk-gb-replace-with-your-key"},
        "not a bearer": {"authorization": "Basic c2stZ2I6"},
        "long": {"x-api-key": "sk-gb-pl-" + "a" * 8_000},
        "one letter off": {"x-api-key": mint("api")[:-1] + "_"},
        "unknown": {"x-api-key": mint("api")},
        "revoked": {"x-api-key": revoked.secret},
        "expired": {"x-api-key": expired.secret},
    }


@pytest.mark.parametrize("path", [*PATHS, "/v1/models", "/v1/models/claude-sonnet-4-5"])
def test_every_bad_key_gets_the_same_answer(
    stack: Stack, bad_keys: dict[str, dict[str, str]], path: str
) -> None:
    answers = {name: bare(ask(stack.url, path, headers)) for name, headers in bad_keys.items()}
    assert {status for status, _, _ in answers.values()} == {401}
    different = [name for name in answers if answers[name] != answers["missing"]]
    assert different == []
