"""What upstreams say in words."""

from __future__ import annotations

import pytest

from dialects.phrases import tells_bad_key, tells_overflow, told_wait_s


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "This model's maximum context length is 8192 tokens.",
        "Your input exceeds the context window of this model.",
        "the request exceeds the available context size",
        "context_length_exceeded",
        "Too many input tokens",
    ],
)
def test_a_prompt_that_does_not_fit_is_known_by_its_words(message: str) -> None:
    assert tells_overflow(message)


def test_other_words_are_no_overflow() -> None:
    assert not tells_overflow("max_tokens: 9 > 8, which is the maximum allowed")


@pytest.mark.parametrize(
    "message", ["Incorrect API key provided: x", "Invalid API key", "API key not valid"]
)
def test_a_key_the_upstream_does_not_know(message: str) -> None:
    assert tells_bad_key(message)
    assert not tells_bad_key("The key of the map is invalid.")


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [
        ("Please try again in 1.5s.", 2),
        ("Please try again in 20ms.", 1),
        ("try again in 59 s", 59),
        ("Try again in 1m", 60),
        ("Please retry after 7 seconds", 7),
        ("Please try again in 6m0s.", None),
        ("Please try again later.", None),
    ],
)
def test_a_wait_of_at_most_a_minute_is_read(message: str, wait_s: int | None) -> None:
    assert told_wait_s(message) == wait_s
