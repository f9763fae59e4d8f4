"""Every recorded exchange reaches the client byte for byte through all processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.doubles.replay import replayed_cases
from tests.e2e.stack import ROOT, Stack, start_stack
from tests.ports import free_port
from tests.recordings import Case

SURFACES = {
    "anthropic.messages": ("anthropic_messages", "/v1/messages", ""),
    "openai.chat": ("openai_chat", "/v1/chat/completions", "/v1"),
    "openai.responses": ("openai_responses", "/v1/responses", "/v1"),
}
# The upstream refused the operator's credential: the caller's key is fine, so it is told otherwise.
HIDDEN = {401, 403}
# References to what a provider stored are refused (tests/e2e/test_bad_input.py), so the answer is
# asked for without them.
STORED = ("previous_response_id", "conversation", "background", "prompt")


@pytest.fixture(scope="module")
def replaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    cases = replayed_cases()
    port = free_port()
    upstream = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.replay", str(port)],
        cwd=ROOT,
    )
    folder = tmp_path_factory.mktemp("replaying")
    (folder / "gatebeyz.yaml").write_text(_catalog(cases, port), encoding="utf-8")
    try:
        running = start_stack(folder, {"REPLAY_KEY": "a-credential-of-the-replaying-upstream"})
        yield running
        running.stop()
    finally:
        upstream.terminate()
        upstream.wait(10)


def _catalog(cases: dict[str, Case], port: int) -> str:
    upstreams = [
        {
            "name": name,
            "dialect": name,
            "base_url": f"http://127.0.0.1:{port}{prefix}",
            "credential": {"env": "REPLAY_KEY"},
            "allow_private": True,
        }
        for name, _path, prefix in SURFACES.values()
    ]
    models = [
        {"id": model, "routes": [{"upstream": SURFACES[case.dialect][0], "model": model}]}
        for model, case in cases.items()
    ]
    return json.dumps({"upstreams": upstreams, "models": models})


def _body(model: str, case: Case) -> bytes:
    recorded = (case.request or {}).get("body")
    body = dict(recorded) if isinstance(recorded, dict) else {}
    if case.dialect == "openai.responses":
        body = {name: value for name, value in body.items() if name not in STORED}
        if isinstance(body.get("input"), list):
            body["input"] = [i for i in body["input"] if i.get("type") != "item_reference"]
    body.setdefault("messages", [{"role": "user", "content": "hi"}])
    if case.dialect == "anthropic.messages":
        body.setdefault("max_tokens", 64)
    if case.dialect == "openai.responses":
        body.setdefault("input", "hi")
    return json.dumps({**body, "model": model, "stream": case.is_stream}).encode()


async def _replay(client: httpx.AsyncClient, model: str, case: Case) -> str:
    """What became of a case: "identical", or what differs."""
    answer = await client.post(SURFACES[case.dialect][1], content=_body(model, case))
    if case.status in HIDDEN:
        return "hidden" if answer.status_code == 500 else f"hidden as {answer.status_code}"
    if answer.status_code != case.status:
        return f"status {answer.status_code} for {case.status}: {answer.text[:200]}"
    if answer.content == case.answer:
        return "identical"
    return f"bytes differ: {answer.content[-200:]!r} for {case.answer[-200:]!r}"


async def test_every_recording_passes_byte_identical(
    replaying: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = asyncio.Semaphore(8)
    headers = {"authorization": f"Bearer {replaying.key}", "content-type": "application/json"}
    cases = replayed_cases()
    async with httpx.AsyncClient(base_url=replaying.url, headers=headers, timeout=60) as client:

        async def replay(model: str, case: Case) -> str:
            async with gate:
                return await _replay(client, model, case)

        results = await asyncio.gather(*(replay(*item) for item in cases.items()))

    wrong = {
        case.file: result
        for case, result in zip(cases.values(), results, strict=True)
        if result not in ("identical", "hidden")
    }
    tally = Counter(case.dialect for case in cases.values())
    with capsys.disabled():
        print(f"\nrecordings: {results.count('identical')} byte-identical, "
              f"{results.count('hidden')} upstream credential errors hidden, "
              f"{len(wrong)} wrong, of {len(cases)} {dict(tally)}")  # fmt: skip
    assert wrong == {}
