"""What vendors show of rare answers, and what users reported: read right, carried everywhere."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import BlockOpen, Event, Failure, Finish
from dialects.registry import DIALECTS
from tests.contract.journeys import carry, context_of, read
from tests.recordings import require_recordings

DIALECT_OF = {
    "anthropic.messages": "anthropic_messages",
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
}
# The blocks of each example and how it ends; "broken" where no answer can be made of it.
EXAMPLES = {
    "anthropics-fable-fallback-stream-a-refusal-sse": ("reasoning text", "refusal"),
    "anthropics-fable-fallback-stream-a-toolrefusal-sse": ("text", "refusal"),
    "anthropics-fable-fallback-stream-b-fallback-sse": ("text", "stop"),
    "anthropics-fixtures-basic-response-txt": ("text", "stop"),
    "anthropics-fixtures-compaction-response-txt": ("text", "stop"),
    "anthropics-fixtures-fallback-credit-response-txt": ("text", "stop"),
    "anthropics-fixtures-fallback-response-txt": ("text", "stop"),
    "anthropics-fixtures-incomplete-partial-json-response-txt": ("text tool", "length"),
    "anthropics-fixtures-refusal-response-txt": ("text", "refusal"),
    "anthropics-fixtures-tool-use-response-txt": ("text tool", "tool_calls"),
    "vercel-fixtures-anthropic-advisor-stop-reasons-chunks-txt": ("", "stop"),
    "vercel-fixtures-anthropic-advisor-stop-reasons-json": ("", "stop"),
    "vercel-fixtures-anthropic-fallback-chunks-txt": ("text", "stop"),
    "vercel-fixtures-anthropic-fallback-json": ("text", "stop"),
    "vercel-fixtures-anthropic-message-delta-input-tokens-chunks-txt": ("text", "stop"),
    "vercel-fixtures-anthropic-refusal-chunks-txt": ("", "refusal"),
    "vercel-fixtures-anthropic-refusal-json": ("", "refusal"),
    "vercel-fixtures-anthropic-refusal-no-details-json": ("", "refusal"),
    "vercel-fixtures-duplicate-message-start-chunks-txt": ("text", "stop"),
    "vercel-fixtures-spliced-message-start-chunks-txt": ("reasoning tool", "broken"),
    "prism-php-openai-stream-rate-limited-1-json": ("", "broken"),
    "prism-php-openai-stream-unknown-error-responses-1-json": ("", "broken"),
    "vercel-fixtures-github-copilot-id-rotation-1-chunks-txt": ("reasoning text", "stop"),
    "vercel-fixtures-openai-apply-patch-tool-delete-1-chunks-txt": ("", "stop"),
    "vercel-fixtures-openai-custom-tool-1-chunks-txt": ("custom_tool", "tool_calls"),
    "vercel-fixtures-openai-custom-tool-1-json": ("custom_tool", "tool_calls"),
    "vercel-fixtures-parallel-tool-call-wrapper-1-json": ("tool", "tool_calls"),
}


@cache
def examples() -> dict[str, dict[str, Any]]:
    folder = require_recordings() / "vendor_examples"
    return {
        path.stem.partition("__")[2]: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def read_example(name: str) -> tuple[str, list[Event]]:
    example = examples()[name]
    dialect, body = DIALECT_OF[example["dialect"]], example["response"]["body"]
    if isinstance(body, str):
        return dialect, read(DIALECTS[dialect], body.encode())
    return dialect, DIALECTS[dialect].read_answer(body)


def test_every_example_is_listed_here() -> None:
    assert set(examples()) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_vendors_example_is_read_as_its_author_meant(name: str) -> None:
    _, events = read_example(name)
    kinds = " ".join(event.kind.value for event in events if isinstance(event, BlockOpen))
    ends = [event for event in events if isinstance(event, (Finish, Failure))]
    ending = "broken" if isinstance(ends[-1], Failure) else ends[-1].reason.value
    assert (kinds, ending) == EXAMPLES[name]


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_vendors_example_is_carried_to_every_dialect(name: str, target: str) -> None:
    """As a stream (whose grammar is checked as it is written) and as a whole answer."""
    dialect, events = read_example(name)
    body = examples()[name]["response"]["body"]
    if isinstance(body, str):
        last = read(DIALECTS[target], carry(dialect, target, body.encode()))[-1]
        assert isinstance(last, Failure) == (EXAMPLES[name][1] == "broken")
    if EXAMPLES[name][1] == "broken":
        with pytest.raises(RemoteDialectError):
            DIALECTS[target].write_answer(events, context_of())
    else:
        assert DIALECTS[target].write_answer(events, context_of())


def fragments() -> list[dict[str, Any]]:
    path = require_recordings() / "reported_fragments.json"
    listed: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["fragments"]
    return listed


@pytest.mark.parametrize("target", DIALECTS)
def test_reported_errors_keep_their_class_in_every_dialect(target: str) -> None:
    for fragment in fragments():
        source = DIALECTS[DIALECT_OF[fragment["dialect"]]]
        if fragment.get("in_stream"):
            raw = fragment.get("raw") or "event: {}\ndata: {}".format(
                fragment["event"]["type"], json.dumps(fragment["event"])
            )
            last = read(source, raw.encode())[-1]
            assert isinstance(last, Failure)
            fault = last.fault
        else:
            fault = source.parse_fault(fragment["status"], json.dumps(fragment["body"]).encode())
        is_busy = fragment["status"] == 429
        expected = FaultClass.UPSTREAM_RATE_LIMITED if is_busy else FaultClass.OVERLOADED
        assert fault.kind is expected
        status, body = DIALECTS[target].render_fault(fault, "req_1")
        overloaded = 529 if target == "anthropic_messages" else 503
        assert status == (429 if is_busy else overloaded)
        again = DIALECTS[target].parse_fault(status, json.dumps(body).encode())
        assert again.kind is expected
        assert again.message == fault.message


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_every_class_of_fault_is_understood_by_every_dialect(source: str, target: str) -> None:
    """Rendered by one and read by another it stays what it was, or becomes our own account's."""
    ours = {
        FaultClass.UNAUTHENTICATED,
        FaultClass.FORBIDDEN,
        FaultClass.OUT_OF_CREDIT,
        FaultClass.QUOTA_EXHAUSTED,
    }
    kept = {
        FaultClass.CONTEXT_OVERFLOW: "prompt is too long: 9 tokens > 8 maximum",
        FaultClass.UNKNOWN_MODEL: "The model does not exist.",
        FaultClass.UPSTREAM_RATE_LIMITED: "Slow down.",
        FaultClass.OVERLOADED: "Overloaded",
        FaultClass.TIMEOUT: "It took too long.",
        FaultClass.TOO_LARGE: "Too large.",
    }
    for kind, message in kept.items():
        said = DIALECTS[source].parse_fault(*rendered(source, kind, message))
        told = DIALECTS[target].parse_fault(*rendered(target, said.kind, said.message))
        assert said.kind is kind, (source, kind)
        assert told.kind is kind, (target, kind)
        assert message in told.message
    for kind in ours:
        status, body = rendered(source, kind, "org-secret of key sk-abcdef123456")
        if status in (401, 402, 403):
            said = DIALECTS[source].parse_fault(status, body)
            assert said.kind is FaultClass.UPSTREAM_ERROR
            assert said.retryable is False
            assert "org-secret" not in said.message


def rendered(dialect: str, kind: FaultClass, message: str) -> tuple[int, bytes]:
    status, body = DIALECTS[dialect].render_fault(Fault(kind, message), "req_1")
    return status, json.dumps(body).encode()
