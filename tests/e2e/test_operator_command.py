"""The operator's command against a running installation, and what callers notice of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx

from tests.e2e.stack import ROOT, Stack

HELLO = {"role": "user", "content": "Hello there!"}


def gatebeyz(stack: Stack, *words: str, is_json: bool = True) -> Any:
    """What the command prints, run in the installation's folder as an operator would."""
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words, *(["--json"] if is_json else [])],
        cwd=stack.folder,
        env=path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()] if is_json else done.stdout


def status(stack: Stack, secret: str) -> int:
    answer = httpx.get(f"{stack.url}/v1/models", headers={"x-api-key": secret}, timeout=10)
    return answer.status_code


def wait_status(stack: Stack, secret: str, expected: int, within_s: float = 3.0) -> None:
    end = time.monotonic() + within_s
    while status(stack, secret) != expected:
        assert time.monotonic() < end, f"not {expected} within {within_s:g} s"
        time.sleep(0.05)


def test_the_life_of_a_key(stack: Stack) -> None:
    (account,) = gatebeyz(stack, "accounts", "create", "Ada Lovelace")
    (key,) = gatebeyz(stack, "keys", "create", account["account_id"], "--label", "laptop")
    secret = key["secret"]
    assert status(stack, secret) == 200

    (listed,) = gatebeyz(stack, "keys", "list", account["account_id"])
    shown = gatebeyz(stack, "keys", "list", account["account_id"], is_json=False)
    assert listed["label"] == "laptop"
    assert secret not in json.dumps(listed) + shown

    (kept,) = gatebeyz(stack, "keys", "reset", listed["key_id"], "--grace-s", "3600")
    assert (status(stack, secret), status(stack, kept["secret"])) == (200, 200)

    (fresh,) = gatebeyz(stack, "keys", "reset", kept["key"]["key_id"])
    wait_status(stack, kept["secret"], 401)
    assert status(stack, fresh["secret"]) == 200

    gatebeyz(stack, "keys", "revoke", fresh["key"]["key_id"])
    wait_status(stack, fresh["secret"], 401)


def test_a_fault_is_told_in_a_sentence(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "keys", "revoke", "key_of_nobody"],
        cwd=stack.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr == "Error: There is no such key. (NOT_FOUND)\n"


def test_relays_say_how_their_upstreams_answer(stack: Stack) -> None:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [HELLO]}
    headers = {"x-api-key": stack.key}
    answer = httpx.post(f"{stack.url}/v1/messages", json=body, headers=headers, timeout=10)
    assert answer.status_code == 200

    def upstreams() -> dict[str, str]:
        (relay,) = gatebeyz(stack, "relays")
        return {one["name"]: one["condition"] for one in relay.get("upstreams", ())}

    end = time.monotonic() + 10
    while "demo-anthropic" not in (seen := upstreams()):
        assert time.monotonic() < end, "the relay does not report"
        time.sleep(0.2)
    assert seen["demo-anthropic"] == "CONDITION_WELL"
    shown = gatebeyz(stack, "relays", is_json=False)
    assert "demo-anthropic" in shown
    assert "answers" in shown
