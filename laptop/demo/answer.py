"""The demo model: from a prompt to an answer, by rule and without chance."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from laptop.demo.directive import Directives
from laptop.demo.prompt import Json, Prompt, Tool, count, pieces

_CALL = re.compile(r"\btool:([A-Za-z0-9_-]{1,128})[ ]?")
_NOTHING = "(nothing was said)"
_REFUSAL = "The demo model will not answer this."
_MAX_SAMPLE_DEPTH = 8


class Stop(Enum):
    """Why the answer ended; each dialect has words of its own for it."""

    END = "end"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call; ``arguments`` is JSON text."""

    number: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. ``reasoning`` is empty where none was asked for."""

    reasoning: str
    text: str
    calls: tuple[Call, ...]
    stop: Stop
    stop_sequence: str | None
    cached_tokens: int
    input_tokens: int

    @property
    def reasoning_tokens(self) -> int:
        return count(self.reasoning)

    @property
    def output_tokens(self) -> int:
        """Everything generated, reasoning included; never zero."""
        calls = sum(1 + count(call.arguments) for call in self.calls)
        return max(1, self.reasoning_tokens + count(self.text) + calls)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request and its answer, everything a dialect needs to write it down."""

    body: Mapping[str, Json]
    prompt: Prompt
    directives: Directives
    answer: Answer


def compose(prompt: Prompt, directives: Directives) -> Answer:
    """The answer to ``prompt``, whose text no longer carries its directives."""
    text, calls = _speak(prompt, directives)
    words = len(prompt.text.split())
    thought = f"The user wrote {words} words. I will answer in kind."
    answer = Answer(
        reasoning=thought if prompt.thinking else "",
        text=text,
        calls=calls,
        stop=Stop.TOOL_USE if calls else Stop.END,
        stop_sequence=None,
        cached_tokens=min(directives.cached_tokens, prompt.input_tokens),
        input_tokens=prompt.input_tokens,
    )
    if directives.empty:
        return replace(answer, text="", calls=(), stop=Stop.END)
    if directives.refuse:
        return replace(answer, text=_REFUSAL, calls=(), stop=Stop.REFUSAL)
    return _limit(_stop_early(answer, prompt.stops), prompt.max_tokens)


def _speak(prompt: Prompt, directives: Directives) -> tuple[str, tuple[Call, ...]]:
    """The text and the calls, before any limit."""
    if prompt.results:
        return "The tool answered: " + "; ".join(prompt.results), ()
    text, calls = _find_calls(prompt)
    if calls:
        return text.strip(), calls if prompt.parallel else calls[:1]
    if prompt.forced is not None:
        arguments = json.dumps(sample(prompt.forced.schema), ensure_ascii=False)
        return "", (Call(0, prompt.forced.name, arguments),)
    if prompt.schema is not None:
        return json.dumps(sample(prompt.schema), ensure_ascii=False), ()
    return (prompt.text.strip() or _NOTHING) * directives.repeat, ()


def _find_calls(prompt: Prompt) -> tuple[str, tuple[Call, ...]]:
    """``tool:NAME {json}`` of declared tools, and the text around them."""
    tools: dict[str, Tool] = {tool.name: tool for tool in prompt.tools}
    kept: list[str] = []
    calls: list[Call] = []
    position = 0
    while match := _CALL.search(prompt.text, position):
        tool = tools.get(match[1])
        if tool is None:
            kept.append(prompt.text[position : match.end()])
            position = match.end()
            continue
        kept.append(prompt.text[position : match.start()])
        arguments, position = _read_arguments(prompt.text, match.end())
        calls.append(Call(len(calls), tool.name, arguments))
    kept.append(prompt.text[position:])
    return "".join(kept), tuple(calls)


def _read_arguments(text: str, start: int) -> tuple[str, int]:
    """The JSON object at ``start`` as written, and where it ends; ``{}`` if there is none."""
    if text[start : start + 1] != "{":
        return "{}", start
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return "{}", start
    return text[start:end], end


def sample(schema: Mapping[str, Json], depth: int = 0) -> Json:
    """The plainest value a JSON Schema describes."""
    if "const" in schema:
        return schema["const"]
    choices = schema.get("enum") or schema.get("anyOf") or schema.get("oneOf")
    if isinstance(choices, list) and choices:
        first = choices[0]
        return first if "enum" in schema else sample(first, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object" and depth < _MAX_SAMPLE_DEPTH:
        fields = schema.get("properties")
        return {
            name: sample(field if isinstance(field, Mapping) else {}, depth + 1)
            for name, field in (fields.items() if isinstance(fields, Mapping) else ())
        }
    plain = {"object": {}, "array": [], "integer": 1, "number": 1.5, "boolean": True, "null": None}
    return plain.get(kind, "demo")


def _stop_early(answer: Answer, stops: tuple[str, ...]) -> Answer:
    found = [(answer.text.find(stop), stop) for stop in stops if stop in answer.text]
    if not found:
        return answer
    position, stop = min(found)
    return replace(
        answer,
        text=answer.text[:position],
        calls=(),
        stop=Stop.STOP_SEQUENCE,
        stop_sequence=stop,
    )


def _limit(answer: Answer, max_tokens: int | None) -> Answer:
    """Cuts the text where the limit falls; calls that no longer fit are not made."""
    if max_tokens is None or answer.output_tokens <= max_tokens:
        return answer
    reasoning = "".join(pieces(answer.reasoning)[:max_tokens])
    left = max_tokens - count(reasoning)
    text = "".join(pieces(answer.text)[:left])
    return replace(
        answer,
        reasoning=reasoning,
        text=text,
        calls=(),
        stop=Stop.MAX_TOKENS,
        stop_sequence=None,
    )
