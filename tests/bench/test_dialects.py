"""CPU of the dialects: a tap's event, a translated event, a translated request, cell by cell.

An event is one token of text that arrives alone, which is the dearest way it can come. The ratio
compares with decoding and encoding the JSON of the same event once.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dialects.bridge import StreamBridge, carry_request
from dialects.capabilities import capabilities_of
from dialects.dialect import AnswerContext, EncodeContext
from dialects.events import (
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    End,
    Event,
    Finish,
    FinishReason,
    Start,
    UsageReport,
)
from dialects.json_text import parse, render
from dialects.registry import DIALECTS
from dialects.usage import Usage
from tests.bench.meter import cpu_us, json_us

pytestmark = pytest.mark.bench

EVENTS = 2_000
REQUESTS = 100
MODELS = {
    "anthropic_messages": "claude-opus-4-6",
    "openai_chat": "gpt-4.1",
    "openai_responses": "gpt-5",
}


def context() -> AnswerContext:
    numbers = itertools.count()
    return AnswerContext(
        model="client-model",
        request_id="req_bench",
        now=1_700_000_000,
        new_id=lambda: f"{next(numbers):024}",
        include_usage=True,
    )


def answer(tokens: int) -> list[Event]:
    deltas = [BlockDelta(0, " tökens, and") for _ in range(tokens)]
    opening = [Start("msg_1", "m", usage=Usage(input=10, output=1)), BlockOpen(0, BlockKind.TEXT)]
    closing = [BlockClose(0), UsageReport(Usage(output=tokens)), Finish(FinishReason.STOP), End()]
    return [*opening, *deltas, *closing]


def pieces_of(dialect: str, tokens: int = EVENTS) -> list[bytes]:
    """A stream of one token an event, each event a read of its own."""
    writer = DIALECTS[dialect].writer(context())
    return [data for data in map(writer.send, answer(tokens)) if data]


def baseline_us(dialect: str) -> float:
    frame = pieces_of(dialect, 60)[30].partition(b"data: ")[2]
    return json_us(frame, EVENTS)


def translate_us(source: str, target: str, pieces: list[bytes], count: int) -> float:
    def work() -> None:
        bridge = StreamBridge(DIALECTS[source].reader(), DIALECTS[target].writer(context()))
        for piece in pieces:
            bridge.receive_data(piece)
        bridge.close()

    return cpu_us(work, count)


def test_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{'CPU per event, µs (ratio to JSON once)':40}{'alone':>16}{'64 in a read':>18}"]
    for source in DIALECTS:
        pieces, base = pieces_of(source), baseline_us(source)
        joined = [b"".join(pieces[at : at + 64]) for at in range(0, len(pieces), 64)]

        def tap(pieces: list[bytes], source: str = source) -> float:
            def work() -> None:
                watch = DIALECTS[source].tap()
                for piece in pieces:
                    watch.receive_data(piece)
                watch.close()

            return cpu_us(work, EVENTS)

        lines.append(row(f"{source}: tap", tap(pieces), tap(joined), base))
        for target in DIALECTS:
            alone = translate_us(source, target, pieces, EVENTS)
            together = translate_us(source, target, joined, EVENTS)
            lines.append(row(f"{source} -> {target}", alone, together, base))
    show(capsys, lines)


def test_the_cost_of_an_event_does_not_grow_with_the_stream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f"{'CPU per event, µs':40}{'1,000 events':>16}{'50,000 events':>18}"]
    for source in DIALECTS:
        for target in DIALECTS:
            short, long = (
                translate_us(source, target, pieces_of(source, tokens), tokens)
                for tokens in (1_000, 50_000)
            )
            lines.append(f"{f'{source} -> {target}':40}{short:>16.2f}{long:>18.2f}")
    show(capsys, lines)


def test_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{'CPU per request, µs (ratio to JSON once)':40}{'2 turns':>16}{'60 turns':>18}"]
    for source in DIALECTS:
        for target in DIALECTS:
            if source != target:
                short, long = (carried(source, target, turns) for turns in (2, 60))
                name = f"{source} -> {target}"
                lines.append(f"{name:40}{short[0]:>9.0f} ({short[1]:>3.0f}x){long[0]:>11.0f} "
                             f"({long[1]:>3.0f}x)")  # fmt: skip
    show(capsys, lines)


def carried(source: str, target: str, turns: int) -> tuple[float, float]:
    body = conversation(source, turns)
    data = render(body)
    model = MODELS[target]

    def work() -> None:
        for _ in range(REQUESTS):
            where = EncodeContext(model=model, capabilities=capabilities_of(model))
            done = carry_request(DIALECTS[source], DIALECTS[target], parse(data), where)
            render(done.body)

    took = cpu_us(work, REQUESTS, rounds=5)
    return took, took / json_us(data, REQUESTS)


def conversation(dialect: str, turns: int) -> dict[str, Any]:
    """A tool loop with ``turns`` turns of some 400 characters, and 12 tools."""
    text = "The quick brown fox jumps over the lazy dog; ölüm yok, hayat var. " * 6
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tools = [{"name": f"tool_{n}", "description": text[:200]} for n in range(12)]
    arguments = '{"path":"/src/main.py"}'
    if dialect == "openai_responses":
        items: list[dict[str, Any]] = [{"role": "user", "content": text}]
        for n in range(turns // 2):
            call = {"call_id": f"call_{n}", "name": "tool_1", "arguments": arguments}
            output = {"call_id": f"call_{n}", "output": text}
            items += [{"type": "function_call", **call}, {"type": "function_call_output", **output}]
        declared = [{"type": "function", "parameters": schema, "strict": False} | t for t in tools]
        return {"model": "m", "instructions": text, "input": items, "tools": declared}
    messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
    for n in range(turns // 2):
        if dialect == "openai_chat":
            function = {"name": "tool_1", "arguments": arguments}
            calls = [{"id": f"call_{n}", "type": "function", "function": function}]
            messages.append({"role": "assistant", "content": text, "tool_calls": calls})
            messages.append({"role": "tool", "tool_call_id": f"call_{n}", "content": text})
        else:
            use = {"type": "tool_use", "id": f"call_{n}", "name": "tool_1"}
            said = {"type": "text", "text": text}
            result = {"type": "tool_result", "tool_use_id": f"call_{n}", "content": text}
            messages.append(
                {"role": "assistant", "content": [said, {**use, "input": parse(arguments)}]}
            )
            messages.append({"role": "user", "content": [result]})
    if dialect == "openai_chat":
        functions = [
            {"type": "function", "function": {**tool, "parameters": schema}} for tool in tools
        ]
        system = {"role": "system", "content": text}
        return {"model": "m", "messages": [system, *messages], "tools": functions}
    declared = [{**tool, "input_schema": schema} for tool in tools]
    return {"model": "m", "max_tokens": 9, "system": text, "messages": messages, "tools": declared}


def row(name: str, alone: float, together: float, base: float) -> str:
    first = f"{alone:>8.2f} ({alone / base:>4.1f}x)"
    return f"{name:40}{first}{together:>10.2f} ({together / base:>4.1f}x)"


def show(capsys: pytest.CaptureFixture[str], lines: list[str]) -> None:
    with capsys.disabled():
        print("\n" + "\n".join(lines))
