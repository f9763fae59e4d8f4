"""The JavaScript SDKs and the Vercel AI SDK on every cell, where Node is present."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.grammar import check_stream

FOLDER = Path(__file__).resolve().parents[1] / "sdk_js"
CLIENTS = (
    "anthropic",
    "openai chat",
    "openai responses",
    "ai-sdk anthropic",
    "ai-sdk openai",
    "ai-sdk openai chat",
    "ai-sdk compatible",
)
CASES = 3 * (7 + 6)  # models, cases streaming and not: only a stream breaks in its middle
DIALECTS = {
    "/v1/messages": "anthropic_messages",
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
}
TIMEOUT_S = 240

pytestmark = [
    pytest.mark.timeout(TIMEOUT_S + 30),
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules" / "openai").is_dir(),
        reason="the JavaScript SDKs are not installed: make js does it",
    ),
]


@pytest.fixture(scope="module")
def results(stack: Stack) -> dict[str, list[dict[str, object]]]:
    """What every case came to, by client; each client runs in a process of its own."""
    environ = {
        "GATEBEYZ_URL": stack.url,
        "GATEBEYZ_KEY": stack.key,
        "AI_SDK_LOG_WARNINGS": "false",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    node = str(shutil.which("node"))
    found = {}
    for client in CLIENTS:
        done = subprocess.run(
            [node, "acceptance.mjs"],
            cwd=FOLDER,
            env=environ,
            input=client,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        lines = done.stdout.splitlines()
        found[client] = [json.loads(line) for line in lines if line.startswith("{")]
    return found


@pytest.mark.parametrize("client", CLIENTS)
def test_a_javascript_client_is_served_by_every_model(
    results: dict[str, list[dict[str, object]]], client: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [result for result in results[client] if "case" in result]
    tally = Counter(bool(result["ok"]) for result in cases)
    with capsys.disabled():
        print(f"\n{client}: {tally[True]} of {CASES} cases")
    broken = [result for result in cases if not result["ok"]]
    assert not broken, json.dumps(broken[:6], indent=1, ensure_ascii=False)
    assert tally[True] == CASES


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_javascript_client_reads_obeys_its_grammar(
    results: dict[str, list[dict[str, object]]], client: str
) -> None:
    streams = [result for result in results[client] if "text" in result]

    for stream in streams:
        check_stream(DIALECTS[str(stream["path"])], str(stream["text"]).encode())
    assert len(streams) >= CASES // 2
