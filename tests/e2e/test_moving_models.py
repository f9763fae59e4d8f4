"""One conversation led from model to model, whatever its client speaks.

The demo providers refuse a signature that is not their own, as the real ones do: a thought of one
provider reaches no other, and comes back to its own as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack

PATHS = {
    "anthropic_messages": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
}
WAY = ["gpt-5", "claude-opus-4-6", "gpt-5", "gpt-4.1", "claude-opus-4-6"]
ASK = 'demo:think tool:look {"n": 1}'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {stack.key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=30) as opened:
        yield opened


def beginning(dialect: str) -> dict[str, Any]:
    """A request that asks for a thought and a call."""
    if dialect == "openai_responses":
        return {
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"},
            "tools": [{"type": "function", "name": "look", "parameters": SCHEMA}],
            "input": [asking()],
        }
    messages = [asking()]
    if dialect == "openai_chat":
        tool = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
        return {"reasoning_effort": "low", "tools": [tool], "messages": messages}
    return {
        "max_tokens": 4_000,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "look", "input_schema": SCHEMA}],
        "messages": messages,
    }


def extended(dialect: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """All that came, given back, then the calls' results or, where there are none, a question."""
    if dialect == "openai_responses":
        told = answer["output"]
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "found"}
            for item in told
            if item["type"] == "function_call"
        ]
        return {**body, "input": [*body["input"], *told, *(results or [asking()])]}
    if dialect == "openai_chat":
        message = answer["choices"][0]["message"]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "found"}
            for call in message.get("tool_calls") or ()
        ]
        return {**body, "messages": [*body["messages"], message, *(results or [asking()])]}
    found = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "found"}
        for block in answer["content"]
        if block["type"] == "tool_use"
    ]
    said = {"role": "assistant", "content": answer["content"]}
    asked = {"role": "user", "content": found} if found else asking()
    return {**body, "messages": [*body["messages"], said, asked]}


def asking() -> dict[str, Any]:
    return {"role": "user", "content": ASK}


@pytest.mark.edge(34)
@pytest.mark.reported(6)
@pytest.mark.parametrize("dialect", PATHS)
def test_a_conversation_moves_between_models_with_its_thoughts_and_calls(
    client: httpx.Client, dialect: str
) -> None:
    body = beginning(dialect)
    sealed = 0
    for model in WAY:
        for expected in ('"look"', "The tool answered: found"):
            answer = client.post(PATHS[dialect], json={**body, "model": model})
            assert answer.status_code == 200, f"{model}: {answer.text[:500]}"
            assert expected in json.dumps(answer.json()), model
            sealed += '"gb1.' in answer.text
            body = extended(dialect, body, answer.json())
    assert sealed
