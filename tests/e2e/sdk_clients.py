"""The official Python SDKs behind one face, each with a history of its own kind.

``say`` adds the user's words, ``give`` the results of the last calls, ``ask`` gets an answer and
keeps it in the history exactly as the SDK gave it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

SCHEMA = {"type": "object", "properties": {"t": {"type": "string"}}, "required": ["t"]}


@dataclass(slots=True)
class Said:
    """An answer, whatever SDK gave it. ``ended``: "stop", "calls", "length" or "refusal"."""

    text: str
    reasoning: str
    calls: list[tuple[str, str, Any]]
    ended: str
    input_tokens: int
    output_tokens: int


@dataclass
class Talk:
    """A conversation with one model through one SDK."""

    client: Any
    model: str
    tools: tuple[str, ...] = ()
    max_tokens: int = 4_000
    history: list[Any] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})


class MessagesTalk(Talk):
    """anthropic: ``messages.create`` and ``messages.stream``."""

    client: anthropic.Anthropic

    def _fields(self) -> dict[str, Any]:
        tools = [{"name": name, "input_schema": SCHEMA} for name in self.tools]
        fields = {"model": self.model, "max_tokens": self.max_tokens, "messages": self.history}
        return fields | ({"tools": tools} if tools else {})

    def ask(self, *, stream: bool) -> Said:
        if stream:
            with self.client.messages.stream(**self._fields()) as events:
                kinds = [event.type for event in events]
                message = events.get_final_message()
            assert kinds[0] == "message_start"
            assert kinds[-1] == "message_stop"
        else:
            message = self.client.messages.create(**self._fields())
        if message.content:
            self.history.append({"role": "assistant", "content": message.content})
        of = {kind: [b for b in message.content if b.type == kind]
              for kind in ("text", "thinking", "tool_use")}  # fmt: skip
        ended = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length"}
        reason = str(message.stop_reason)
        return Said(
            "".join(block.text for block in of["text"]),
            "".join(block.thinking for block in of["thinking"]),
            [(block.id, block.name, block.input) for block in of["tool_use"]],
            ended.get(reason, reason),
            message.usage.input_tokens,
            message.usage.output_tokens,
        )

    def give(self, results: dict[str, str]) -> None:
        content = [{"type": "tool_result", "tool_use_id": call_id, "content": text}
                   for call_id, text in results.items()]  # fmt: skip
        self.history.append({"role": "user", "content": content})


class ChatTalk(Talk):
    """openai: ``chat.completions.create`` and ``chat.completions.stream``."""

    client: openai.OpenAI

    def _fields(self) -> dict[str, Any]:
        tools = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}}
                 for name in self.tools]  # fmt: skip
        fields = {
            "model": self.model,
            "max_completion_tokens": self.max_tokens,
            "messages": self.history,
        }
        return fields | ({"tools": tools} if tools else {})

    def ask(self, *, stream: bool) -> Said:
        reasoning = ""
        if stream:
            pieces: list[str] = []
            try:
                answer = self._stream(pieces)
            except openai.LengthFinishReasonError as cut:  # the helper's way to tell
                answer = cut.completion
            reasoning = "".join(pieces)
        else:
            answer = self.client.chat.completions.create(**self._fields())
            reasoning = getattr(answer.choices[0].message, "reasoning_content", None) or ""
        choice = answer.choices[0]
        message = choice.message
        if message.content or message.tool_calls:
            kept = message.model_dump(exclude_none=True)
            kept.pop("parsed", None)
            for call in kept.get("tool_calls", ()):
                call["function"].pop("parsed_arguments", None)
                call.pop("index", None)
            self.history.append(kept)
        assert answer.usage is not None
        calls = [(c.id, c.function.name, json.loads(c.function.arguments))
                 for c in message.tool_calls or ()]  # fmt: skip
        ended = "refusal" if message.refusal else str(choice.finish_reason)
        return Said(
            message.content or message.refusal or "",
            reasoning,
            calls,
            {"tool_calls": "calls"}.get(ended, ended),
            answer.usage.prompt_tokens,
            answer.usage.completion_tokens,
        )

    def _stream(self, reasoning: list[str]) -> Any:
        options = {"include_usage": True}
        with self.client.chat.completions.stream(
            **self._fields(), stream_options=options
        ) as events:
            for event in events:
                if event.type == "chunk" and event.chunk.choices:
                    delta = event.chunk.choices[0].delta
                    reasoning.append(getattr(delta, "reasoning_content", None) or "")
            return events.get_final_completion()

    def give(self, results: dict[str, str]) -> None:
        self.history += [
            {"role": "tool", "tool_call_id": call_id, "content": text}
            for call_id, text in results.items()
        ]


class ResponsesTalk(Talk):
    """openai: ``responses.create`` and ``responses.stream``; nothing is stored."""

    client: openai.OpenAI

    def _fields(self) -> dict[str, Any]:
        tools = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False}
                 for name in self.tools]  # fmt: skip
        return {
            "model": self.model,
            "max_output_tokens": self.max_tokens,
            "input": self.history,
            "tools": tools,
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }

    def ask(self, *, stream: bool) -> Said:
        response = self._stream() if stream else self.client.responses.create(**self._fields())
        self.history += [item.model_dump(exclude_none=True) for item in response.output]
        of = {kind: [item for item in response.output if item.type == kind]
              for kind in ("message", "reasoning", "function_call")}  # fmt: skip
        parts = [part for item in of["message"] for part in item.content]
        refused = [part.refusal for part in parts if part.type == "refusal"]
        ended = "calls" if of["function_call"] else "refusal" if refused else "stop"
        if response.status == "incomplete":
            ended = {"max_output_tokens": "length"}[response.incomplete_details.reason]
        return Said(
            response.output_text or "".join(refused),
            "".join(part.text for item in of["reasoning"] for part in item.summary),
            [(i.call_id, i.name, json.loads(i.arguments)) for i in of["function_call"]],
            ended,
            response.usage.input_tokens,
            response.usage.output_tokens,
        )

    def _stream(self) -> Any:
        if self.max_tokens < 100:  # the helper raises at an answer that was cut
            events = list(self.client.responses.create(**self._fields(), stream=True))
            assert events[-1].type == "response.incomplete"
            return events[-1].response
        with self.client.responses.stream(**self._fields()) as events:
            kinds = [event.type for event in events]
            response = events.get_final_response()
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        return response

    def give(self, results: dict[str, str]) -> None:
        self.history += [
            {"type": "function_call_output", "call_id": call_id, "output": text}
            for call_id, text in results.items()
        ]
