"""Bad input gets a clear error in the surface's own envelope: a request id, never a 5xx."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import zstandard

from tests.e2e.stack import Stack

SURFACES = ("/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/messages/count_tokens")
MODEL = "claude-sonnet-4-5"
GOOD: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "model": MODEL,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "/v1/chat/completions": {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"model": MODEL, "input": "hi", "store": False},
    "/v1/messages/count_tokens": {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hi"}],
    },
}


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {stack.key}", "content-type": "application/json"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=30) as opened:
        yield opened


def check_envelope(path: str, answer: httpx.Response, status: int) -> str:
    """The message, when status and envelope are the surface's own."""
    assert answer.status_code == status, answer.text[:300]
    request_id = answer.headers["request-id"]
    assert request_id.startswith("req_")
    assert answer.headers["x-request-id"] == request_id
    body = answer.json()
    if path.startswith("/v1/messages"):
        assert body["type"] == "error"
        assert body["request_id"] == request_id
    else:
        assert set(body["error"]) >= {"message", "type", "param", "code"}
    message = body["error"]["message"]
    assert "Traceback" not in message
    assert ".py" not in message
    return str(message)


def nested(depth: int) -> bytes:
    return b'{"model":"m","messages":' + b"[" * depth + b"]" * depth + b"}"


HOSTILE = {
    "malformed": b'{"model": ',
    "empty": b"",
    "not an object": b"[1, 2]",
    "nested": nested(300),
    "nested beyond the parser": nested(5000),
    "invalid utf-8": b'{"model": "\xff\xfe"}',
    "lone surrogate": b'{"model": "\\ud83d", "messages": []}',
    "duplicate model": b'{"model": "a", "messages": [], "model": "b"}',
    "duplicate model, escaped": b'{"model": "a", "messages": [], "\\u006dodel": "b"}',
    "nan": b'{"model": "m", "temperature": NaN}',
    "too many values": b'{"model":"m","messages":[' + b"[]," * 600_000 + b"[]]}",
    "model of the wrong type": b'{"model": 7, "messages": [], "max_tokens": 5}',
    "messages of the wrong type": b'{"model": "claude-sonnet-4-5", "messages": 7, "input": 7}',
}


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies(client: httpx.Client, path: str, name: str) -> None:
    check_envelope(path, client.post(path, content=HOSTILE[name]), 400)


@pytest.mark.parametrize("path", SURFACES)
def test_unknown_model(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={**GOOD[path], "model": "no-such-model"})

    assert "no-such-model" in check_envelope(path, answer, 404)


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer sk-gb-replace-with-your-key"},
        {"authorization": "Bearer " + "x" * 5000},
        {"authorization": "Basic eDp5"},
        {"authorization": "Bearer sk-gb-pl-" + "0" * 49},
    ],
    ids=["none", "placeholder", "long", "basic", "forged"],
)
def test_every_bad_key_reads_the_same(
    client: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    message = check_envelope(path, client.post(path, json=GOOD[path], headers=headers), 401)

    assert message == "The API key is not valid. Check it, or reset it in the panel."


@pytest.mark.edge(1)
@pytest.mark.edge(2)
@pytest.mark.parametrize("path", SURFACES)
def test_key_in_either_header_with_a_query(client: httpx.Client, stack: Stack, path: str) -> None:
    by_bearer = client.post(f"{path}?beta=true", json=GOOD[path])
    by_key = httpx.post(
        f"{stack.url}{path}?beta=true", json=GOOD[path], headers={"x-api-key": stack.key}
    )

    assert (by_bearer.status_code, by_key.status_code) == (200, 200)


@pytest.mark.parametrize("path", SURFACES)
def test_two_different_keys_are_refused(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json=GOOD[path], headers={"x-api-key": "sk-gb-other"})

    assert "Two different API keys" in check_envelope(path, answer, 400)


@pytest.mark.parametrize("path", SURFACES)
def test_wrong_method(client: httpx.Client, path: str) -> None:
    check_envelope(path, client.get(path), 405)


@pytest.mark.parametrize("path", ["/v1/messages/", "/v1/nothing", "/v2", "/", "/v1/embeddings"])
def test_unknown_path(client: httpx.Client, path: str) -> None:
    answer = client.post(path, json={})

    check_envelope(path, answer, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", SURFACES)
def test_too_large(client: httpx.Client, path: str) -> None:
    body = json.dumps({**GOOD[path], "padding": "x" * (33 * 1024 * 1024)}).encode()

    check_envelope(path, client.post(path, content=body), 413)
    check_envelope(
        path, client.post(path, content=iter([body[:20_000_000], body[20_000_000:]])), 413
    )


@pytest.mark.edge(80)
@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_compressed_bodies(client: httpx.Client, path: str, encoding: str) -> None:
    compress = gzip.compress if encoding == "gzip" else zstandard.compress
    headers = {"content-encoding": encoding}
    good = json.dumps(GOOD[path]).encode()

    assert client.post(path, content=compress(good), headers=headers).status_code == 200
    check_envelope(path, client.post(path, content=b"not compressed", headers=headers), 400)
    check_envelope(path, client.post(path, content=compress(good)[:-9], headers=headers), 400)
    bomb = compress(b" " * (40 * 1024 * 1024))
    check_envelope(path, client.post(path, content=bomb, headers=headers), 413)


def test_unknown_content_encoding(client: httpx.Client) -> None:
    answer = client.post("/v1/messages", content=b"x", headers={"content-encoding": "br"})

    check_envelope("/v1/messages", answer, 400)


@pytest.mark.parametrize("host", ["evil/v1/models?x=", "evil/healthz", "localhost:1@evil"])
def test_forged_host_changes_nothing(stack: Stack, host: str) -> None:
    name, port = stack.url.removeprefix("http://").split(":")
    with socket.create_connection((name, int(port)), 5) as plain:
        plain.sendall(
            f"POST /v1/messages HTTP/1.1\r\nHost: {host}\r\ncontent-length: 2\r\n"
            "connection: close\r\n\r\n{}".encode()
        )
        answer = plain.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 401")


def test_two_hosts_and_smuggling_are_refused(stack: Stack) -> None:
    name, port = stack.url.removeprefix("http://").split(":")
    for lines in (
        "Host: a\r\nHost: b\r\ncontent-length: 2\r\n",
        "Host: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
        "",
    ):
        with socket.create_connection((name, int(port)), 5) as plain:
            plain.sendall(
                f"POST /v1/messages HTTP/1.1\r\n{lines}connection: close\r\n\r\n{{}}".encode()
            )
            answer = plain.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400"), answer[:200]


@pytest.mark.parametrize("model", [MODEL, "gpt-5"])
@pytest.mark.parametrize(
    "field",
    [
        {"previous_response_id": "resp_of_somebody"},
        {"conversation": "conv_of_somebody"},
        {"background": True},
        {"input": [{"type": "item_reference", "id": "rs_of_somebody"}]},
    ],
    ids=lambda field: next(iter(field)),
)
def test_references_to_stored_state_are_refused(
    client: httpx.Client, model: str, field: dict[str, Any]
) -> None:
    body = {"model": model, "input": "hi", **field}

    check_envelope("/v1/responses", client.post("/v1/responses", json=body), 400)


@pytest.mark.edge(79)
@pytest.mark.parametrize("path", SURFACES)
def test_nothing_is_redirected(client: httpx.Client, path: str) -> None:
    slashed = client.post(f"{path}/", json=GOOD[path])
    asked = [client.request(method, path) for method in ("HEAD", "OPTIONS")]

    assert slashed.status_code == 404  # a redirect would lose an SDK's body or its key
    assert "location" not in slashed.headers
    assert all(answer.status_code in (405, 204) for answer in asked)


LOSSY: dict[str, tuple[str, dict[str, Any], str]] = {
    "/v1/messages": ("gpt-4.1", {"top_k": 3}, "top_k=dropped"),
    "/v1/chat/completions": (MODEL, {"temperature": 1.5}, "temperature=clamped"),
    "/v1/responses": (MODEL, {"text": {"verbosity": "low"}}, "text.verbosity=dropped"),
}


@pytest.mark.parametrize("path", LOSSY)
@pytest.mark.parametrize("is_stream", [False, True])
def test_what_a_translation_loses_is_told_in_a_header_and_refused_in_strict_mode(
    client: httpx.Client, path: str, is_stream: bool
) -> None:
    model, lossy, told = LOSSY[path]
    body = {**GOOD[path], **lossy, "model": model, "stream": is_stream}
    answer = client.post(path, json=body)
    strict = client.post(path, json=body, headers={"x-gatebeyz-strict": "1"})

    assert answer.status_code == 200
    assert answer.headers["x-gatebeyz-warnings"] == told
    message = check_envelope(path, strict, 400)
    field = told.partition("=")[0]
    assert field in message or strict.json()["error"]["param"] == field
    assert "x-gatebeyz-warnings" not in client.post(path, json={**GOOD[path]}).headers
