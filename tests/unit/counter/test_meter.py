"""The whole count of a request, and what it says of its own worth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.counter.family import load_calibration
from services.counter.meter import Meter, Tally, bucket_of
from services.counter.prompt import (
    Document,
    Image,
    Opaque,
    Prompt,
    Role,
    Schema,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from services.counter.vocabulary import load_vocabulary

METER = Meter(load_calibration(), may_reconstruct=False)
SAY = "What is the capital of France?"
ASK = Turn(Role.USER, (Text(SAY),))
THOUGHT = Thinking("The user asks for a capital. It is Paris, and I am sure of it.")
CLAUDE_KEEPS, CLAUDE_FORGETS = "claude-opus-4-8", "claude-sonnet-4-5"


def chat(model: str, *messages: dict[str, Any], **body: Any) -> Tally:
    data = json.dumps({"model": model, "messages": messages, **body}).encode()
    return METER.count_body(model, "openai_chat", data)


def tokens(model: str, *turns: Turn, **prompt: Any) -> int:
    return METER.count_prompt(model, Prompt(turns, **prompt)).tokens


@pytest.mark.parametrize(
    ("model", "expected"),
    [("gpt-4o", 3 + 4 + 7), ("gpt-3.5-turbo", 3 + 4 + 7), ("gpt-5", 2 + 4 + 7)],
)
def test_an_openai_message_is_its_text_and_a_known_frame(model: str, expected: int) -> None:
    tally = chat(model, {"role": "user", "content": SAY})
    assert tally.tokens == expected
    assert not tally.is_calibrated
    assert tally.error.p90 == 0


def test_a_reply_among_gpt_5_messages_costs_two_more() -> None:
    turns = (ASK, Turn(Role.ASSISTANT, (Text("Paris."),)), ASK)
    assert tokens("gpt-5", *turns) == 2 + 3 * 4 + 2 * 7 + 2 + 2


def test_the_instructions_of_responses_are_a_message() -> None:
    body = {"instructions": "Be brief.", "input": SAY}
    data = json.dumps(body).encode()
    tally = METER.count_body("gpt-4o", "openai_responses", data)
    assert tally.tokens == 3 + 2 * 4 + 3 + 7


def test_text_that_names_special_tokens_is_plain_text() -> None:
    assert METER.count_text("gpt-4o", "<|endoftext|>").tokens == 7
    assert (
        METER.count_text("gpt-4o", "\ud83d").tokens == METER.count_text("gpt-4o", "\ufffd").tokens
    )


def test_an_estimate_says_so() -> None:
    tally = METER.count_text(CLAUDE_FORGETS, SAY)
    assert tally.is_calibrated
    assert 0 < tally.error.median <= tally.error.p90
    assert METER.count_text("nobody-knows-it", SAY).is_calibrated


def test_thoughts_of_finished_turns_count_where_the_model_keeps_them() -> None:
    answered = (ASK, Turn(Role.ASSISTANT, (THOUGHT, Text("Paris."))), ASK)
    plain = (ASK, Turn(Role.ASSISTANT, (Text("Paris."),)), ASK)
    assert tokens(CLAUDE_KEEPS, *answered) > tokens(CLAUDE_KEEPS, *plain)
    assert tokens(CLAUDE_FORGETS, *answered) == tokens(CLAUDE_FORGETS, *plain)


def test_thoughts_of_a_running_tool_loop_count_always() -> None:
    call, result = ToolCall("look", "{}"), ToolResult((Text("Paris"),))
    loop = Turn(Role.ASSISTANT, (THOUGHT, call)), Turn(Role.USER, (result,))
    plain = Turn(Role.ASSISTANT, (call,)), Turn(Role.USER, (result,))
    assert tokens(CLAUDE_FORGETS, ASK, *loop) > tokens(CLAUDE_FORGETS, ASK, *plain)
    # Once the user asks anew, the loop is over.
    assert tokens(CLAUDE_FORGETS, ASK, *loop, ASK) == tokens(CLAUDE_FORGETS, ASK, *plain, ASK)


@pytest.mark.parametrize("model", [CLAUDE_FORGETS, CLAUDE_KEEPS, "gpt-4o", "gpt-5", "qwen3", "x"])
@pytest.mark.parametrize(
    "more",
    [
        {"tools": (Tool("look", "Looks.", {"properties": {"a": {"type": "string"}}}),)},
        {"schema": Schema({"type": "object", "properties": {"city": {"type": "string"}}})},
    ],
    ids=["tools", "schema"],
)
def test_tools_and_schema_count_for_every_model(model: str, more: dict[str, Any]) -> None:
    assert tokens(model, ASK, **more) > tokens(model, ASK) + 5


@pytest.mark.parametrize("model", [CLAUDE_FORGETS, "gpt-4o", "gpt-5-mini", "x"])
@pytest.mark.parametrize(
    "block", [Image(500, 500), Document(2, "All about it"), Document(0, "A b")]
)
def test_images_and_documents_count_for_every_model(model: str, block: Any) -> None:
    turn = Turn(Role.USER, (Text(SAY), block))
    assert tokens(model, turn) > tokens(model, ASK)


@pytest.mark.parametrize(
    ("bucket", "turns", "more"),
    [
        ("plain", (ASK,), {}),
        ("tools", (ASK,), {"tools": (Tool("a"),)}),
        ("loop", (ASK, Turn(Role.ASSISTANT, (ToolCall("a", "{}"),))), {"tools": (Tool("a"),)}),
        ("image", (Turn(Role.USER, (Image(1, 1),)),), {}),
        ("schema", (Turn(Role.USER, (Image(1, 1),)),), {"schema": Schema({})}),
        ("document", (Turn(Role.USER, (Document(),)),), {"schema": Schema({})}),
        ("thinking", (Turn(Role.ASSISTANT, (Thinking("", 99),)),), {}),
        ("opaque", (Turn(Role.USER, (Opaque(),)),), {}),
        ("opaque", (ASK,), {"is_complete": False}),
        ("opaque", (ASK,), {"tools": (Tool("w", server_type="web_search"),)}),
    ],
)
def test_a_request_is_of_the_kind_of_its_least_certain_part(
    bucket: str, turns: tuple[Turn, ...], more: dict[str, Any]
) -> None:
    frame = load_calibration().family_of("gpt-4o").frame
    assert bucket_of(Prompt(turns, **more), frame) == bucket


@pytest.mark.parametrize("block", [Opaque(), Image(), Document(1, "x"), Thinking("", 9_000)])
def test_what_is_guessed_makes_a_count_an_estimate(block: Any) -> None:
    turn = Turn(Role.ASSISTANT, (block,))
    assert METER.count_prompt("gpt-4o", Prompt((turn,))).is_calibrated


@pytest.mark.parametrize(
    "body",
    [
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"mcp_servers": [{"name": "a"}]},
        {"output_config": {"task_budget": {"total": 20_000, "type": "tokens"}}},
    ],
)
def test_a_prompt_that_the_provider_alters_is_an_estimate(body: dict[str, Any]) -> None:
    meter = Meter(load_calibration())
    data = json.dumps({"messages": [{"role": "user", "content": SAY}], **body}).encode()
    assert meter.count_body(CLAUDE_FORGETS, "anthropic_messages", data).is_calibrated


def test_progress_is_told_every_so_often_and_only_forward() -> None:
    told: list[tuple[int, int, int]] = []
    text = "one two three " * 400_000
    tally = METER.count_text("gpt-4o", text, lambda *report: told.append(report))
    assert len(told) == 5
    assert told == sorted(told)
    assert all(done <= total == len(text) for done, total, _ in told)
    assert told[-1][2] <= tally.tokens


def test_a_long_text_counts_as_the_sum_of_its_pieces() -> None:
    text = "It was a bright cold day in April, and the clocks were striking thirteen. " * 3_000
    whole = len(load_vocabulary("o200k_base")._encode(text))
    assert METER.count_text("gpt-4o", text).tokens == whole


def test_models_remembered_are_bounded() -> None:
    meter = Meter(load_calibration(), may_reconstruct=False)
    for at in range(2_500):
        meter.count_text(f"model-{at}", "x")
    assert len(meter._families) <= 1_000
