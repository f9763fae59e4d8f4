"""The official Python SDKs on every cell: their surface, any upstream, streaming and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import anthropic
import openai
import pytest

from tests.e2e.sdk_clients import ChatTalk, MessagesTalk, ResponsesTalk, Talk
from tests.e2e.stack import Stack

pytestmark = [
    pytest.mark.filterwarnings("ignore:The model :DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Using Claude with :UserWarning"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
    pytest.mark.parametrize("client", ["messages", "chat", "responses"]),
    pytest.mark.parametrize(
        "model",
        ["claude-sonnet-4-5", "gpt-4.1", "gpt-5"],
        ids=["on-messages", "on-chat", "on-responses"],
    ),
]
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])

Begin = Callable[..., Talk]


@pytest.fixture
def begin(stack: Stack, client: str, model: str) -> Iterator[Begin]:
    """Starts conversations of the client under test with the model under test."""
    with (
        anthropic.Anthropic(base_url=stack.url, api_key=stack.key, max_retries=0) as claude,
        openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, max_retries=0) as gpt,
    ):
        kinds = {
            "messages": (MessagesTalk, claude),
            "chat": (ChatTalk, gpt),
            "responses": (ResponsesTalk, gpt),
        }
        kind, sdk = kinds[client]
        yield lambda **fields: kind(sdk, model, **fields)


@both_ways
def test_text(begin: Begin, stream: bool) -> None:
    talk = begin()
    talk.say("Merhaba, dünya 😀")
    said = talk.ask(stream=stream)
    assert (said.text, said.ended, said.calls) == ("Merhaba, dünya 😀", "stop", [])
    assert said.input_tokens > 0
    assert said.output_tokens > 0


@both_ways
def test_a_loop_of_reasoning_and_calls_over_three_turns(begin: Begin, stream: bool) -> None:
    talk = begin(tools=("get_price",))
    for turn in range(3):
        talk.say(f'demo:think tool:get_price {{"t": "T{turn}"}}')
        said = talk.ask(stream=stream)
        assert said.reasoning.startswith("The user wrote")
        ((call_id, name, arguments),) = said.calls
        assert (name, arguments, said.ended) == ("get_price", {"t": f"T{turn}"}, "calls")
        talk.give({call_id: f"{turn} lira"})
        said = talk.ask(stream=stream)
        assert (said.text, said.ended) == (f"The tool answered: {turn} lira", "stop")


@both_ways
def test_parallel_calls(begin: Begin, stream: bool) -> None:
    talk = begin(tools=("get_price", "get_name"))
    talk.say('Both: tool:get_price {"t": "ABC"} tool:get_name {"t": "XYZ"}')
    said = talk.ask(stream=stream)
    assert [call[1:] for call in said.calls] == [
        ("get_price", {"t": "ABC"}),
        ("get_name", {"t": "XYZ"}),
    ]
    assert len({call_id for call_id, *_ in said.calls}) == 2
    talk.give({said.calls[0][0]: "1", said.calls[1][0]: "Kule"})
    assert talk.ask(stream=stream).text == "The tool answered: 1; Kule"


@both_ways
def test_a_refusal(begin: Begin, stream: bool) -> None:
    talk = begin()
    talk.say("demo:refuse Say it!")
    said = talk.ask(stream=stream)
    assert said.ended == "refusal"
    assert said.calls == []


@both_ways
def test_an_answer_cut_by_its_length(begin: Begin, stream: bool) -> None:
    talk = begin(max_tokens=20)
    talk.say("demo:repeat 50 word ")
    said = talk.ask(stream=stream)
    assert said.ended == "length"
    assert said.output_tokens == 20


@both_ways
def test_an_answer_of_nothing(begin: Begin, stream: bool) -> None:
    talk = begin()
    talk.say("demo:empty Well?")
    said = talk.ask(stream=stream)
    assert (said.text, said.calls, said.ended) == ("", [], "stop")


def test_an_error_in_the_middle_is_raised(begin: Begin) -> None:
    talk = begin()
    talk.say("demo:slow 20 demo:fail 9 one two three four five six seven eight nine ten eleven")
    with pytest.raises((anthropic.APIError, openai.APIError)) as caught:
        talk.ask(stream=True)
    assert "overloaded" in str(caught.value).lower()
