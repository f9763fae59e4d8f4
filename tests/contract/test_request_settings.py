"""What a client sets, on the way to a model that takes it otherwise or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.capabilities import Capabilities, capabilities_of
from dialects.errors import FaultClass
from dialects.registry import DIALECTS
from tests.contract.carrying import carry, chat, function, refused, said

ANTHROPIC = DIALECTS["anthropic_messages"]
LATEST = "2026-10-21"
ROADS = ["A→C", "A→R", "C→A", "C→R", "R→A", "R→C"]
TOOLS = [function("weather")]


def small(road: str, **fields: Any) -> dict[str, Any]:
    return {"input": "Hi", **fields} if road[0] == "R" else chat(**fields)


@pytest.mark.edge(3)
@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_is_refused_where_the_clients_own_version_has_none(name: str) -> None:
    body = chat(**{name: 1})
    fault = refused("A→C", body, headers={"anthropic-version": LATEST})

    assert (fault.kind, fault.param) == (FaultClass.BAD_REQUEST, name)
    assert carry("A→C", body, headers={"anthropic-version": "2023-06-01"})
    assert carry("A→C", body)


@pytest.mark.edge(4)
def test_a_version_that_knows_sampling_goes_with_sampling_and_the_latest_otherwise() -> None:
    plain = carry("C→A", chat()).body
    sampling = carry("C→A", chat(temperature=0.5)).body

    assert ANTHROPIC.request_headers(plain) == {"anthropic-version": LATEST}
    assert ANTHROPIC.request_headers(sampling) == {"anthropic-version": "2023-06-01"}
    assert "temperature" not in carry("C→A", chat(temperature=0.5), "claude-opus-5").body


@pytest.mark.edge(5)
def test_temperature_is_clamped_and_never_beside_top_p() -> None:
    carried = carry("C→A", chat(temperature=1.5, top_p=0.9))

    assert carried.body["temperature"] == 1
    assert "top_p" not in carried.body
    assert carried.warnings == ["temperature=clamped", "top_p=dropped"]


@pytest.mark.edge(6)
def test_an_absent_cap_becomes_one_that_cuts_no_agent_short() -> None:
    assert carry("C→A", chat()).body["max_tokens"] == 32_000
    assert carry("C→A", chat(), "claude-3-5-haiku-latest").body["max_tokens"] == 8_192


@pytest.mark.edge(7)
def test_each_server_gets_the_cap_under_the_name_it_knows() -> None:
    body = {**chat(), "max_tokens": 900}

    assert carry("A→C", body, "gpt-5").body["max_completion_tokens"] == 900
    assert "max_tokens" not in carry("A→C", body, "gpt-5").body
    assert carry("A→C", body, "deepseek-chat").body["max_tokens"] == 900
    assert "max_completion_tokens" not in carry("A→C", body, "deepseek-chat").body


@pytest.mark.edge(8)
@pytest.mark.parametrize(
    ("effort", "cap", "thinking", "most"),
    [
        ("minimal", None, 1_024, 32_000),
        ("low", 4_000, 2_048, 4_000),
        ("high", 8_192, 6_144, 8_192),
        ("max", None, 32_000, 40_192),
        ("high", 2_000, None, 2_000),
        ("low", 1_024, None, 1_024),
    ],
)
def test_a_budget_leaves_room_for_the_answer(
    effort: str, cap: int | None, thinking: int | None, most: int
) -> None:
    carried = carry("C→A", chat(reasoning_effort=effort, max_tokens=cap))

    budget = carried.body.get("thinking", {}).get("budget_tokens")
    assert (budget, carried.body["max_tokens"]) == (thinking, most)
    assert budget is None or 1_024 <= budget < most
    assert (carried.warnings == ["reasoning_effort=dropped"]) == (thinking is None)


@pytest.mark.edge(9)
@pytest.mark.parametrize(
    ("model", "effort", "thinking", "sent"),
    [
        ("claude-opus-4-7", "high", {"type": "adaptive", "display": "summarized"}, "high"),
        ("claude-opus-4-6", "minimal", {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-opus-4-8", "none", None, None),
        ("claude-sonnet-5", "none", {"type": "disabled"}, None),
        ("claude-opus-5", "none", {"type": "disabled"}, None),
        ("claude-opus-5-5", "none", {"type": "adaptive"}, "low"),
        ("claude-fable-5", "none", {"type": "adaptive"}, "low"),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
    ],
)
def test_thinking_is_asked_for_in_the_words_each_model_takes(
    model: str, effort: str, thinking: dict[str, Any] | None, sent: str | None
) -> None:
    body = carry("C→A", chat(reasoning_effort=effort), model).body

    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == sent


@pytest.mark.edge(9)
def test_a_model_that_cannot_rest_at_an_effort_thinks_a_little_instead() -> None:
    body = {**chat(), "thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}
    for model in ("claude-opus-5", "claude-sonnet-5-5"):
        carried = carry("A→A", body, model)
        assert carried.body["thinking"]["type"] == "adaptive"
        assert carried.warnings == ["thinking=changed"]


@pytest.mark.edge(10)
@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("claude-opus-5-5", "claude-opus-5"),
        ("claude-opus-5-5-20261001", "claude-opus-5-20260401"),
        ("claude-sonnet-5-5", "claude-sonnet-5"),
        ("claude-fable-5-1", "claude-fable-5"),
        ("claude-sonnet-4-6", "claude-sonnet-4-20250514"),
        ("claude-opus-4-5-20251101", "claude-opus-4-20250514"),
        ("gpt-5.6", "gpt-5"),
        ("gpt-5.1-codex", "gpt-5-codex"),
        ("gpt-5-chat-latest", "gpt-5-mini"),
        ("gpt-6-luna", "gpt-6"),
        ("gpt-6-luna", "gpt-6-astra"),
        ("o10", "o1"),
        ("gpt-50", "gpt-5"),
        ("gpt-4o-mini", "gpt-4.1-mini"),
        ("acme-gpt-5", "acme/gpt-5"),
    ],
)
def test_a_rule_catches_no_id_that_only_begins_like_it(model: str, near: str) -> None:
    assert capabilities_of(model) != capabilities_of(near)


@pytest.mark.edge(10)
@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-4-6-20260205",
        "anthropic/claude-opus-4-6",
        "us.anthropic.claude-opus-4-6-20260205-v1:0",
        "claude-opus-4-6@20260205",
        "Claude-Opus-4-6",
    ],
)
def test_a_model_is_known_whoever_serves_it_and_however_dated(model: str) -> None:
    assert capabilities_of(model) == capabilities_of("claude-opus-4-6")


def test_an_unknown_model_of_a_known_house_is_like_its_latest() -> None:
    assert capabilities_of("claude-saga-7").thinking == {"adaptive", "disabled"}
    assert not capabilities_of("claude-saga-7").sampling
    assert capabilities_of("some-open-model") == Capabilities()


@pytest.mark.edge(11)
def test_a_forced_choice_turns_manual_thinking_off_and_is_let_go_where_refused() -> None:
    forced = chat(reasoning_effort="high", tools=TOOLS, tool_choice="required")
    manual = carry("C→A", forced)
    adaptive = carry("C→A", forced, "claude-opus-4-8")
    never = carry("C→A", forced, "claude-opus-5-5")

    assert "thinking" not in manual.body
    assert manual.warnings == ["reasoning_effort=dropped"]
    assert adaptive.body["thinking"]["type"] == "adaptive"
    assert adaptive.body["tool_choice"] == {"type": "any"}
    assert never.body["tool_choice"] == {"type": "auto"}
    assert never.warnings == ["tool_choice=changed"]
    assert refused("C→A", forced, "claude-opus-5-5", strict=True).param == "tool_choice"


@pytest.mark.edge(35)
def test_an_effort_may_come_as_an_object_and_none_goes_where_it_is_known() -> None:
    body = carry("C→R", chat(reasoning_effort={"effort": "low", "summary": "auto"}), "gpt-5").body
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}

    none = chat(reasoning_effort="none")
    assert carry("C→R", none, "gpt-5.2").body["reasoning"]["effort"] == "none"
    assert carry("C→R", none, "gpt-5").body["reasoning"]["effort"] == "minimal"
    assert carry("C→R", none, "gpt-5").warnings == ["reasoning_effort=changed"]
    assert carry("R→C", {"input": "Hi", "reasoning": {"effort": "none"}}).warnings == []
    assert refused("C→A", chat(reasoning_effort="enormous")).param == "reasoning_effort"


@pytest.mark.edge(36)
def test_blank_stops_are_dropped_and_more_than_four_are_emulated() -> None:
    assert carry("C→A", chat(stop="")).warnings == ["stop=dropped"]
    blank = carry("C→A", chat(stop=["\n", "END"]))
    assert blank.body["stop_sequences"] == ["END"]
    assert blank.warnings == ["stop=dropped"]

    many = [f"S{place}" for place in range(5)]
    carried = carry("A→C", {**chat(), "stop_sequences": many})
    assert "stop" not in carried.body
    assert carried.answer_context_fields["stops"] == many
    assert carry("A→C", {**chat(), "stop_sequences": many[:4]}).body["stop"] == many[:4]
    assert carry("A→R", {**chat(), "stop_sequences": many}).answer_context_fields["stops"] == many


NULLS = {
    "A": (
        *("system", "tools", "tool_choice", "stop_sequences", "stream", "thinking", "metadata"),
        *("output_config", "service_tier", "cache_control", "temperature", "top_p", "top_k"),
        *("container", "mcp_servers", "context_management"),
    ),
    "C": (
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "stop", "seed"),
        *("logprobs", "top_logprobs", "logit_bias", "presence_penalty", "stream", "user"),
        *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
        *("reasoning_effort", "verbosity", "service_tier", "functions", "function_call"),
        *("modalities", "audio", "metadata", "store", "prompt_cache_key", "web_search_options"),
    ),
    "R": (
        *("instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice"),
        *("parallel_tool_calls", "stream", "reasoning", "text", "include", "store", "metadata"),
        *("previous_response_id", "conversation", "background", "prompt", "truncation", "user"),
        *("service_tier", "prompt_cache_key", "max_tool_calls", "top_logprobs"),
    ),
}


@pytest.mark.edge(37)
@pytest.mark.parametrize("road", ROADS)
def test_a_null_is_as_good_as_an_absent_field(road: str) -> None:
    bare = carry(road, small(road))
    nulls = carry(road, small(road, **dict.fromkeys(NULLS[road[0]])))

    assert nulls.body == bare.body
    assert nulls.warnings == []


@pytest.mark.edge(37)
def test_values_that_say_as_usual_say_nothing() -> None:
    usual = {"n": 1, "logprobs": False, "stream_options": {"include_usage": True}, "user": None}
    carried = carry("C→A", chat(**usual, stream=False))

    assert carried.warnings == []
    assert carried.body == carry("C→A", chat()).body


@pytest.mark.edge(41)
@pytest.mark.parametrize("road", ROADS)
def test_the_end_user_is_the_accounts_pseudonym_whatever_the_client_said(road: str) -> None:
    name = {"A": "metadata", "C": "user", "R": "safety_identifier"}[road[0]]
    told: Any = {"user_id": "jane@example.org"} if road[0] == "A" else "jane@example.org"
    bodies = [carry(road, small(road, **{name: who})).body for who in (told, None)]

    assert bodies[0] == bodies[1]
    assert "jane" not in str(bodies[0])
    assert "gb_someone" in str(bodies[0])


def test_summaries_are_not_asked_of_an_organisation_that_may_not() -> None:
    body = {**chat(), "thinking": {"type": "adaptive"}}

    assert carry("A→R", body, "gpt-5.2").body["reasoning"] == {"summary": "auto"}
    unverified = carry("A→R", body, "gpt-5.2", reasoning_summaries=False).body
    assert "reasoning" not in unverified


@pytest.mark.parametrize(
    ("switch", "on", "off"),
    [
        ("thinking", {"type": "enabled"}, {"type": "disabled"}),
        ("enable_thinking", True, False),
        (
            "chat_template_kwargs",
            {"enable_thinking": True, "thinking": True},
            {"enable_thinking": False, "thinking": False},
        ),
    ],
)
def test_each_server_has_its_own_switch_for_thinking(switch: str, on: Any, off: Any) -> None:
    asked = {**chat(), "thinking": {"type": "adaptive"}}
    resting = {**chat(), "thinking": {"type": "disabled"}}

    assert carry("A→C", asked, "glm-5", thinking_switch=switch).body[switch] == on
    assert carry("A→C", resting, "glm-5", thinking_switch=switch).body[switch] == off


def test_conversations_of_agents_are_cached_where_the_operator_wants_it() -> None:
    agent, person = chat(tools=TOOLS), chat()

    assert "cache_control" not in carry("C→A", agent).body
    assert carry("C→A", agent, auto_cache=True).body["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in carry("C→A", person, auto_cache=True).body
    marked = chat(said([{"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "x"}}]))
    own = carry("C→A", {**marked, "tools": TOOLS}, auto_cache=True).body
    assert "cache_control" not in own
    assert own["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
