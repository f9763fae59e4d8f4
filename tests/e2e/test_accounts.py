"""What an account may do, seen from outside: limits, models, catalogs, and who guesses keys."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import yaml

from admission.credential import mint
from gatebeyz.auth.v1 import auth_pb2
from tests.e2e.operating import new_key, update_account
from tests.e2e.stack import Stack

MODEL = "claude-sonnet-4-5"
LIMITS = auth_pb2.Limits(
    requests_per_minute=8, input_tokens_per_minute=80_000, output_tokens_per_minute=8_000
)
HELLO = [{"role": "user", "content": "Hi"}]
SURFACES = {
    "/v1/messages": {"model": MODEL, "max_tokens": 16, "messages": HELLO},
    "/v1/chat/completions": {"model": MODEL, "max_tokens": 16, "messages": HELLO},
    "/v1/responses": {"model": MODEL, "input": "Hi", "store": False},
}


def ask(stack: Stack, key: str, path: str = "/v1/messages", **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(stack.url + path, json=SURFACES[path] | body, headers=headers, timeout=20)


def model_ids(stack: Stack, key: str) -> list[str]:
    answer = httpx.get(f"{stack.url}/v1/models", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    return [model["id"] for model in answer.json()["data"]]


def wait_until(holds: Callable[[], bool]) -> None:
    """Soon; tests/cluster/test_changes.py measures how soon."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 5
        time.sleep(0.01)


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("stream", [False, True])
def test_every_answer_tells_the_plans_limits_in_its_dialect(
    stack: Stack, path: str, stream: bool
) -> None:
    key = new_key(stack, limits=LIMITS).secret
    remaining = []
    for _ in range(2):
        answer = ask(stack, key, path, stream=stream)
        assert answer.status_code == 200
        if path == "/v1/messages":
            assert answer.headers["anthropic-ratelimit-requests-limit"] == "8"
            moment = answer.headers["anthropic-ratelimit-input-tokens-reset"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
            assert "x-ratelimit-limit-requests" not in answer.headers
            remaining.append(int(answer.headers["anthropic-ratelimit-requests-remaining"]))
        else:
            assert answer.headers["x-ratelimit-limit-requests"] == "8"
            assert answer.headers["x-ratelimit-limit-tokens"] == "88000"
            assert re.fullmatch(r"(\d+m)?\d+s", answer.headers["x-ratelimit-reset-requests"])
            assert not any(name.startswith("anthropic-") for name in answer.headers)
            remaining.append(int(answer.headers["x-ratelimit-remaining-requests"]))
    assert remaining[1] == remaining[0] - 1


def test_a_refused_request_tells_when_to_come_again(stack: Stack) -> None:
    key = new_key(stack, limits=auth_pb2.Limits(requests_per_minute=2)).secret
    statuses = [ask(stack, key).status_code for _ in range(2)]
    refused = ask(stack, key)
    assert statuses == [200, 200]
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-should-retry"] == "true"
    assert refused.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_access_and_state_change_for_the_next_request(stack: Stack) -> None:
    created = new_key(stack)
    account_id, key = created.key.account_id, created.secret
    assert MODEL in model_ids(stack, key)
    update_account(stack, account_id, models=["gpt-*"])
    wait_until(lambda: MODEL not in model_ids(stack, key))
    assert ask(stack, key).status_code == 403
    update_account(stack, account_id, models=[])
    wait_until(lambda: ask(stack, key).status_code == 200)
    update_account(stack, account_id, state=auth_pb2.ACCOUNT_STATE_UNDER_REVIEW)
    assert ask(stack, key).status_code == 200
    update_account(stack, account_id, state=auth_pb2.ACCOUNT_STATE_SUSPENDED)
    wait_until(lambda: ask(stack, key).status_code == 403)
    assert ask(stack, key).json()["error"]["message"] == "The account is suspended."
    update_account(stack, account_id, state=auth_pb2.ACCOUNT_STATE_ACTIVE)
    # A refusal is remembered a few seconds; only then is auth asked anew.
    wait_until(lambda: ask(stack, key).status_code == 200)


def test_thinking_is_allowed_where_the_account_permits_it(stack: Stack) -> None:
    created = new_key(stack, thinking=False)
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    wanted = {"thinking": thinking, "max_tokens": 2_048}
    refused = ask(stack, created.secret, **wanted)
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "permission_error"
    update_account(stack, created.key.account_id, thinking=True)
    wait_until(lambda: ask(stack, created.secret, **wanted).status_code == 200)


def test_a_changed_catalog_holds_without_a_restart(stack: Stack) -> None:
    path = stack.folder / ".gatebeyz" / "catalog.yaml"
    before = path.read_text(encoding="utf-8")
    content = yaml.safe_load(before)
    model = next(one for one in content["models"] if one["id"] == MODEL)
    content["models"].append(copy.deepcopy(model) | {"id": "claude-of-tomorrow"})
    assert "claude-of-tomorrow" not in model_ids(stack, stack.key)
    try:
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        wait_until(lambda: "claude-of-tomorrow" in model_ids(stack, stack.key))
        for surface in SURFACES:
            wait_until(
                lambda surface=surface: (  # type: ignore[misc]
                    ask(stack, stack.key, surface, model="claude-of-tomorrow").status_code == 200
                )
            )
    finally:
        path.write_text(before, encoding="utf-8")
    wait_until(lambda: "claude-of-tomorrow" not in model_ids(stack, stack.key))


def test_a_key_that_is_wrong_again_and_again_is_slowed_down_and_others_are_not(
    stack: Stack,
) -> None:
    wrong = mint("api")
    answers = [ask(stack, wrong) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert ask(stack, mint("api")).status_code == 401
    assert ask(stack, stack.key).status_code == 200
