"""The edge cases of whole answers and of what names them (translation matrix §8, 72 to 77)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dialects.bridge import carry_answer, fold
from dialects.events import FinishReason
from dialects.registry import DIALECTS
from tests.contract.journeys import (
    CELLS,
    answer_of,
    carry,
    chat,
    context_of,
    frames_of,
    messages,
    named,
    read,
    text_block,
)

A, C, R = DIALECTS
REFUSED = {"type": "refusal", "category": None, "explanation": "It would not."}


def folded(source: str, target: str, data: bytes) -> dict[str, Any]:
    return fold(DIALECTS[source], DIALECTS[target], [data], context_of())


@pytest.mark.edge(72)
def test_an_empty_refusal_says_in_words_that_it_is_one() -> None:
    data = messages(stop_reason="refusal", stop_details=REFUSED)
    (choice,) = folded(A, C, data)["choices"]
    assert choice["message"]["content"] is None
    assert choice["message"]["refusal"] == "It would not."
    assert choice["finish_reason"] == "stop"
    (item,) = folded(A, R, data)["output"]
    assert item["content"] == [{"type": "refusal", "refusal": "It would not."}]
    streamed = frames_of(carry(A, C, data))
    assert [f["choices"][0]["delta"].get("refusal") for f in streamed if f["choices"]][1] == (
        "It would not."
    )


@pytest.mark.edge(72)
def test_a_refusal_after_some_text_is_a_cut() -> None:
    data = messages(text_block("I would "), stop_reason="refusal", stop_details=REFUSED)
    (choice,) = folded(A, C, data)["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I would ", "content_filter")
    response = folded(A, R, data)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "content_filter"}


@pytest.mark.edge(72)
@pytest.mark.parametrize("source", [C, R])
def test_a_refusal_of_openais_is_one_in_messages(source: str) -> None:
    data = chat({"refusal": "No."}) if source == C else carry(C, R, chat({"refusal": "No."}))
    message = folded(source, A, data)
    assert message["stop_reason"] == "refusal"
    assert [block["text"] for block in message["content"]] == ["No."]
    assert message["stop_details"]["type"] == "refusal"


@pytest.mark.edge(73)
def test_a_pause_is_never_told_as_a_natural_end() -> None:
    data = messages(text_block("So far"), stop_reason="pause_turn")
    (choice,) = folded(A, C, data)["choices"]
    assert choice["finish_reason"] == "length"
    assert folded(A, R, data)["status"] == "incomplete"
    assert folded(A, A, data)["stop_reason"] == "pause_turn"


@pytest.mark.edge(74)
@pytest.mark.parametrize("target", DIALECTS)
def test_of_several_choices_the_first_is_the_answer_and_usage_counts_once(target: str) -> None:
    def other(text: str) -> dict[str, Any]:
        return {"choices": [{"index": 1, "delta": {"content": text}, "finish_reason": None}]}

    usage = {"prompt_tokens": 15, "completion_tokens": 9, "total_tokens": 24}
    data = chat({"content": "a"}, other("x"), {"content": "b"}, other("y"),
                {"choices": [], "usage": usage}, {"choices": [], "usage": usage})  # fmt: skip
    answer = answer_of(read(DIALECTS[target], carry(C, target, data)))
    assert (answer.text, answer.usage.output) == ("ab", 9)


@pytest.mark.edge(75)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_a_whole_answer_is_what_its_stream_adds_up_to(source: str, target: str) -> None:
    data = messages(text_block("Hel", "lo")) if source == A else carry(A, source, messages(
        text_block("Hel", "lo")))  # fmt: skip
    body = folded(source, target, data)
    streamed = answer_of(read(DIALECTS[target], carry(source, target, data)))
    whole = answer_of(DIALECTS[target].read_answer(body))
    assert (whole.text, whole.finish) == (streamed.text, streamed.finish)
    assert (whole.usage.total_input, whole.usage.output) == (15, 9)


@pytest.mark.edge(76)
@pytest.mark.parametrize(("source", "target"), CELLS)
def test_the_model_is_named_as_the_client_named_it(source: str, target: str) -> None:
    data = messages(text_block("x")) if source == A else carry(A, source, messages(text_block("x")))
    dated = data.replace(b"up-1", b"up-1-2026-11-22").replace(b"client-model", b"up-1-2026-11-22")
    out = carry(source, target, dated)
    body = folded(source, target, dated)
    assert b"2026-11-22" not in out
    assert b"client-model" in out
    assert body["model"] == "client-model"


@pytest.mark.edge(77)
@pytest.mark.parametrize("source", DIALECTS)
def test_the_moment_of_creation_has_each_dialects_type(source: str) -> None:
    data = messages(text_block("x")) if source == A else carry(A, source, messages(text_block("x")))
    assert all(type(f["created"]) is int for f in frames_of(carry(source, C, data)))
    assert type(folded(source, C, data)["created"]) is int
    assert isinstance(folded(source, R, data)["created_at"], int)
    assert "created" not in json.dumps(folded(source, A, data))


CITED = {
    A: {"type": "web_search_result_location", "url": "https://a.example/x", "title": "X",
        "cited_text": "c", "encrypted_index": "e"},
    C: {"type": "url_citation", "url_citation": {"url": "https://a.example/x", "title": "X",
                                                 "start_index": 0, "end_index": 5}},
    R: {"type": "url_citation", "url": "https://a.example/x", "title": "X",
        "start_index": 0, "end_index": 5},
}  # fmt: skip


def cited(source: str) -> bytes:
    """Two blocks of text, the second one cited before it is said; OpenAI's: one text, cited."""
    if source == C:
        return chat({"content": "Cited"}, {"annotations": [CITED[C]]})
    if source == A:
        opening, deltas = text_block("Cited")
        return messages(
            text_block("Intro. "),
            (opening, [{"type": "citations_delta", "citation": CITED[A]}, *deltas]),
        )
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    part = {"type": "output_text", "text": "Cited", "annotations": [CITED[R]]}
    response = {"id": "resp_1", "object": "response", "status": "completed", "created_at": 1,
                "model": "m", "output": [{**item, "content": [part]}]}  # fmt: skip
    return named({"type": "response.completed", "response": response})


@pytest.mark.parametrize(("source", "target"), CELLS)
def test_web_citations_are_carried_with_their_place(source: str, target: str) -> None:
    whole = folded(source, target, cited(source))
    if target == A:
        assert whole["content"][-1]["citations"][0]["url"] == "https://a.example/x"
        return
    if target == C:
        message = whole["choices"][0]["message"]
        text, (found,) = message["content"], [a["url_citation"] for a in message["annotations"]]
    else:
        part = whole["output"][0]["content"][-1]
        text, (found,) = part["text"], part["annotations"]
    assert (found["url"], found["title"]) == ("https://a.example/x", "X")
    assert text[found["start_index"] : found["end_index"]] == "Cited"
    assert frames_of(carry(source, target, cited(source)))  # and the streamed one obeys its grammar


@pytest.mark.parametrize(("source", "target"), CELLS)
def test_an_answer_read_whole_is_carried_like_a_stream(source: str, target: str) -> None:
    body = folded(A, source, messages(text_block("Hello")))
    there = carry_answer(DIALECTS[source], DIALECTS[target], body, context_of())
    answer = answer_of(DIALECTS[target].read_answer(there))
    assert (answer.text, answer.finish) == ("Hello", FinishReason.STOP)
