"""The official SDKs work on every surface by changing base URL and key only."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.e2e.stack import Stack

# The models of the reference documentation; the SDK warns that some of them will retire.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The model :DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using Claude with :UserWarning"),
]

CLAUDE = "claude-sonnet-4-5"
CHAT = "gpt-4.1"
RESPONSES = "gpt-5"
MODELS = (CLAUDE, CHAT, RESPONSES)
TOOL = {
    "name": "get_price",
    "description": "The price of a ticker.",
    "input_schema": {
        "type": "object",
        "properties": {"t": {"type": "string"}},
        "required": ["t"],
    },
}


@pytest.fixture
def claude(stack: Stack) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=stack.url, api_key=stack.key, max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(stack: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
def test_messages(claude: anthropic.Anthropic, model: str) -> None:
    answer = claude.messages.create(
        model=model, max_tokens=200, messages=[{"role": "user", "content": "Hello there!"}]
    )

    assert "Hello there!" in answer.content[0].text
    assert answer.model == model
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_messages_stream(claude: anthropic.Anthropic, model: str) -> None:
    with claude.messages.stream(
        model=model, max_tokens=200, messages=[{"role": "user", "content": "Hello there!"}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert "Hello there!" in text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_messages_tool(claude: anthropic.Anthropic, model: str) -> None:
    with claude.messages.stream(
        model=model,
        max_tokens=500,
        tools=[TOOL],
        messages=[{"role": "user", "content": 'tool:get_price {"t": "ABC"}'}],
    ) as stream:
        final = stream.get_final_message()

    call = final.content[-1]
    assert final.stop_reason == "tool_use"
    assert call.type == "tool_use"
    assert call.name == "get_price"
    assert call.input == {"t": "ABC"}


@pytest.mark.parametrize("model", MODELS)
def test_count_tokens(claude: anthropic.Anthropic, model: str) -> None:
    count = claude.messages.count_tokens(
        model=model, messages=[{"role": "user", "content": "Hello!"}]
    )

    assert 0 < count.input_tokens < 50


@pytest.mark.parametrize("model", MODELS)
def test_chat(gpt: openai.OpenAI, model: str) -> None:
    answer = gpt.chat.completions.create(
        model=model,
        max_completion_tokens=200,
        messages=[
            {"role": "system", "content": "You are helpful."},
            {"role": "user", "content": "Hello there!"},
        ],
    )

    assert "Hello there!" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("model", MODELS)
def test_chat_stream(gpt: openai.OpenAI, model: str) -> None:
    chunks = list(
        gpt.chat.completions.create(
            model=model,
            stream=True,
            stream_options={"include_usage": True},
            messages=[{"role": "user", "content": "Hello there!"}],
        )
    )

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "Hello there!" in text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("model", MODELS)
def test_chat_tool(gpt: openai.OpenAI, model: str) -> None:
    answer = gpt.chat.completions.create(
        model=model,
        tools=[
            {
                "type": "function",
                "function": {"name": "get_price", "parameters": TOOL["input_schema"]},
            }
        ],
        messages=[{"role": "user", "content": 'tool:get_price {"t": "ABC"}'}],
    )

    calls = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert calls[0].function.name == "get_price"
    assert calls[0].function.arguments.replace(" ", "") == '{"t":"ABC"}'


@pytest.mark.parametrize("model", MODELS)
def test_responses(gpt: openai.OpenAI, model: str) -> None:
    answer = gpt.responses.create(model=model, input="Hello there!", store=False)

    assert "Hello there!" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_responses_stream(gpt: openai.OpenAI, model: str) -> None:
    with gpt.responses.stream(model=model, input="Hello there!", store=False) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "Hello there!" in final.output_text


@pytest.mark.edge(78)
def test_models_in_both_shapes(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    anthropic_ids = [model.id for model in claude.models.list(limit=100)]
    openai_ids = [model.id for model in gpt.models.list()]

    assert anthropic_ids == openai_ids
    assert {"claude-sonnet-4-5", "claude-opus-4-6"} <= set(openai_ids)


def test_thinking_stream(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model="claude-opus-4-6",
        max_tokens=16_000,
        thinking={"type": "enabled", "budget_tokens": 10_000},
        messages=[{"role": "user", "content": "Solve this step by step"}],
    ) as stream:
        final = stream.get_final_message()

    assert final.content[0].type == "thinking"
    assert final.content[0].signature
    assert final.content[-1].type == "text"


def test_wrong_key_is_a_401_in_each_envelope(stack: Stack) -> None:
    wrong = "sk-gb-replace-with-your-key"
    with (
        anthropic.Anthropic(base_url=stack.url, api_key=wrong) as claude,
        pytest.raises(anthropic.AuthenticationError),
    ):
        claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "x"}]
        )
    with (
        openai.OpenAI(base_url=f"{stack.url}/v1", api_key=wrong) as gpt,
        pytest.raises(openai.AuthenticationError),
    ):
        gpt.responses.create(model=CLAUDE, input="x")
