"""The most a request can use, told from its bytes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from dialects.registry import DIALECTS
from runtime.catalog import Model
from services.relay.bound import IMAGE_TOKENS, OVERHEAD_TOKENS, RequestBound, bound_of

MODEL = Model("m", "M", (), context_window=100_000, max_output=8_000)


def bound(body: dict[str, Any], dialect: str = "anthropic_messages") -> tuple[RequestBound, int]:
    raw = json.dumps({"model": "m", **body}).encode()
    order = SimpleNamespace(body=raw, model=MODEL, dialect=DIALECTS[dialect])
    return bound_of(order), len(raw)  # type: ignore[arg-type]


def message(content: Any) -> dict[str, Any]:
    return {"max_tokens": 50, "messages": [{"role": "user", "content": content}]}


def test_text_is_bounded_by_its_bytes() -> None:
    found, size = bound(message("merhaba dünya " * 100))
    assert (found.input, found.output, found.is_textual) == (size + OVERHEAD_TOKENS, 50, True)
    assert not found.writes_cache_5m


def test_nothing_is_more_than_the_context_window() -> None:
    found, _ = bound(message("x" * 500_000))
    assert found.input == 100_000


def test_a_small_picture_may_be_many_tokens() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    found, size = bound(message([{"type": "image", "source": source}]))
    assert found.input == size + OVERHEAD_TOKENS + IMAGE_TOKENS


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "document", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ],
)
def test_what_is_only_named_may_fill_the_window(part: dict[str, Any]) -> None:
    found, _ = bound(message([part]))
    assert (found.input, found.is_textual) == (100_000, False)


def test_a_provider_s_own_tool_may_fetch_anything() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    found, _ = bound({**message("hi"), "tools": tools})
    assert found.input == 100_000


def test_cache_writes_are_priced_where_they_are_asked_for() -> None:
    text = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    found, _ = bound(message([text]))
    assert (found.writes_cache_5m, found.writes_cache_1h) == (True, False)
    text["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    found, _ = bound(message([text]))
    assert (found.writes_cache_5m, found.writes_cache_1h) == (True, True)


def test_several_answers_are_several_outputs() -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "n": 3}
    found, _ = bound({**body, "max_completion_tokens": 50}, "openai_chat")
    assert found.output == 150
    found, _ = bound(body, "openai_chat")
    assert found.output == 24_000
