"""The translation of a conversation begins with the translation of its beginning, byte for byte.

Caches and thinking are bound to what stands before them, so a turn once sent must be sent the same
for ever. Requests are cut where clients cut them: before an answer of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects import json_text
from dialects.envelope import TEXT_CARRIER, Sealer
from tests.contract.carrying import carry, function

ROADS = [f"{source}→{target}" for source in "ACR" for target in "ACR"]
MODELS = {
    "A": ("claude-opus-4-8", "claude-sonnet-4-5"),
    "C": ("gpt-4.1", "deepseek-chat"),
    "R": ("gpt-5.2", "deepseek-chat"),
}
FAMILIES = {"A": "anthropic", "C": "generic", "R": "openai"}
CARRIERS = {"A": "anthropic", "C": TEXT_CARRIER, "R": "openai"}
NAMES = ["look", "files.read", "x" * 70, "undeclared"]
IDS = ["call_0", "toolu_1", "functions.look:0", "y" * 80]

texts = st.sampled_from(["", " ", "Hi", "Grüße 😀", 'a "quoted" line\n'])
numbers = st.sampled_from([0, -1, 2**70, 1.0, 0.1])
arguments = st.dictionaries(st.sampled_from("abc"), numbers, max_size=2)


@dataclass(slots=True)
class Call:
    id: str
    name: str
    given: dict[str, Any]
    is_answered: bool
    result: str
    is_pictured: bool


@dataclass(slots=True)
class Round:
    """What the user says, in some messages, and what the model answers: never nothing at all."""

    said: list[tuple[str, str]]  # role, text
    thought: str | None
    text: str
    calls: list[Call] = field(default_factory=list)
    are_results_reversed: bool = False

    def __post_init__(self) -> None:
        if not self.calls and not self.text.strip():
            self.text = "Done."


calls = st.builds(
    Call,
    id=st.sampled_from(IDS),
    name=st.sampled_from(NAMES),
    given=arguments,
    is_answered=st.sampled_from([True, True, True, False]),
    result=texts,
    is_pictured=st.booleans(),
)
rounds = st.builds(
    Round,
    said=st.lists(st.tuples(st.sampled_from(["user", "user", "system"]), texts), max_size=3),
    thought=st.none() | st.sampled_from(["", "hm"]),
    text=texts,
    calls=st.lists(calls, max_size=3, unique_by=lambda call: call.id),
    are_results_reversed=st.booleans(),
)
histories = st.lists(rounds, min_size=2, max_size=5)

PNG = "iVBORw0KGgo="


def render(source: str, history: list[Round], seal: Any) -> list[list[dict[str, Any]]]:
    """The client's messages, one list per request: each begins like the one before."""
    rendering = {"A": _render_messages, "C": _render_chat, "R": _render_items}[source]
    told: list[dict[str, Any]] = [{"role": "user", "content": "Begin."}]
    requests = []
    for turn in history:
        is_answer = told[-1].get("role", told[-1].get("type")) in ("assistant", "function_call")
        if is_answer and not any(role == "user" for role, _ in turn.said):
            told = [*told, {"role": "user", "content": "Go on."}]
        told = [*told, *({"role": role, "content": text} for role, text in turn.said)]
        requests.append(told)
        told = [*told, *rendering(turn, seal)]
    return requests


def _answered(turn: Round) -> list[Call]:
    answered = [call for call in turn.calls if call.is_answered]
    return answered[::-1] if turn.are_results_reversed else answered


def _render_messages(turn: Round, seal: Any) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if turn.thought is not None:
        signature = seal(turn.thought)
        blocks.append({"type": "thinking", "thinking": turn.thought, "signature": signature})
    blocks.append({"type": "text", "text": turn.text})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.given}
        for call in turn.calls
    ]
    image = {"type": "base64", "media_type": "image/png", "data": PNG}
    results = [
        {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": [{"type": "text", "text": call.result}]
            + [{"type": "image", "source": image}] * call.is_pictured,
        }
        for call in _answered(turn)
    ]
    told = [{"role": "assistant", "content": blocks}]
    return [*told, {"role": "user", "content": results}] if results else told


def _render_chat(turn: Round, seal: Any) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.thought is not None:
        detail = {"type": "reasoning.encrypted", "format": "gatebeyz-v1"}
        message["reasoning_details"] = [{**detail, "data": seal(turn.thought)}]
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json_text.render_text(call.given)},
            }
            for call in turn.calls
        ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": call.result}
        for call in _answered(turn)
    ]
    return [message, *results]


def _render_items(turn: Round, seal: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if turn.thought is not None:
        items.append({"type": "reasoning", "summary": [], "encrypted_content": seal(turn.thought)})
    if turn.text:
        items.append({"role": "assistant", "content": turn.text})
    items += [
        {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": json_text.render_text(call.given),
        }
        for call in turn.calls
    ]
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    items += [
        {
            "type": "function_call_output",
            "call_id": call.id,
            "output": [{"type": "input_text", "text": call.result}] + [picture] * call.is_pictured,
        }
        for call in _answered(turn)
    ]
    return items


def tools_of(source: str) -> list[dict[str, Any]]:
    declared = [function(name) for name in NAMES[:3]]
    if source == "C":
        return declared
    flat = [tool["function"] for tool in declared]
    if source == "R":
        return [{"type": "function", **tool} for tool in flat]
    return [{"name": tool["name"], "input_schema": tool["parameters"]} for tool in flat]


@pytest.mark.reported(6)
@pytest.mark.parametrize("road", ROADS)
@given(history=histories, is_first=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter(
    road: str, history: list[Round], is_first: bool
) -> None:
    source, target = road.split("→")
    model = MODELS[target][not is_first]
    sealer = Sealer({"k": b"k" * 32}, "k", family=FAMILIES[target])
    name = "input" if source == "R" else "messages"
    sent = "input" if target == "R" else "messages"
    before, head = b"", b""
    for messages in render(
        source, history, lambda text: sealer.seal(CARRIERS[target], "sig==", text, None)
    ):
        body = {name: messages, "tools": tools_of(source), "stream": True}
        carried = carry(road, body, model, sealer=sealer).body
        carried.pop("thinking", None)  # off for a request whose history lost its reasoning
        rendered = json_text.render(carried.pop(sent))[:-1]
        assert rendered.startswith(before)
        head = head or json_text.render(carried)
        assert json_text.render(carried) == head
        before = rendered
        assert carry(road, body, model, sealer=sealer).body.pop(sent)
