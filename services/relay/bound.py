"""The most a request can use, told from its bytes without a tokenizer. Pure.

A token is at least one byte of UTF-8, so the body's length bounds the tokens of all text in it;
what a provider adds of its own is a fixed overhead. What is not in the body cannot be bounded so:
a page of a document, a file or an answer that is only named, what a provider's own tool fetches.
Then the model's context window is the bound, which nothing exceeds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import orjson

from runtime.catalog import Model
from services.relay.order import Order

# System prompts of tool use, message framing, the provider's own preamble.
OVERHEAD_TOKENS: Final = 2_048
# A picture is scaled down before it is read; no provider counts more for one.
IMAGE_TOKENS: Final = 5_000

_IMAGES: Final = (b'"image"', b'"image_url"', b'"input_image"')
_REFERENCE: Final = re.compile(
    rb'"(?:document|input_file|file|file_id|file_url|url|previous_response_id|conversation|'
    rb"item_reference|mcp_servers|mcp|prompt|container|"
    rb'(?:web_search|web_fetch|code_execution|code_interpreter|file_search)[a-z0-9_]*)"'
)


@dataclass(frozen=True, slots=True)
class RequestBound:
    """Tokens at most; ``is_textual`` where a tokenizer could tell the input better."""

    input: int
    output: int
    writes_cache_5m: bool
    writes_cache_1h: bool
    is_textual: bool

    def with_input(self, tokens: int) -> RequestBound:
        """The same with the input counted."""
        return replace(self, input=min(self.input, tokens))


def bound_of(order: Order) -> RequestBound:
    """The bound of an order that was checked."""
    body, model = order.body, order.model
    refers = _REFERENCE.search(body) is not None
    is_anthropic = order.dialect.name == "anthropic_messages"
    caches = not is_anthropic or b'"cache_control"' in body
    return RequestBound(
        input=model.context_window if refers else min(_text_tokens(body), model.context_window),
        output=_output_tokens(order, model),
        writes_cache_5m=caches,
        writes_cache_1h=is_anthropic and caches and b'"1h"' in body,
        is_textual=not refers,
    )


def _text_tokens(body: bytes) -> int:
    images = sum(body.count(mark) for mark in _IMAGES)
    return len(body) + OVERHEAD_TOKENS + images * IMAGE_TOKENS


def _output_tokens(order: Order, model: Model) -> int:
    decoded = orjson.loads(order.body)
    asked = order.dialect.peek(decoded).max_tokens
    answers = decoded.get("n")
    times = answers if isinstance(answers, int) and answers > 1 else 1
    return (asked or model.max_output) * times
