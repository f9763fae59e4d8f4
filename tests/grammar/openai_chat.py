"""The stream grammar of Chat Completions (protocols/openai-chat §7 and §7.1)."""

from __future__ import annotations

from typing import Any, Final

from tests.grammar.frame import Checker

_CUTS: Final = frozenset({"length", "content_filter"})
_REASONS: Final = _CUTS | {"stop", "tool_calls", "function_call"}
_DELTAS: Final = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "annotations",
     "reasoning_content", "reasoning_details"}
)  # fmt: skip


class ChatChecker(Checker):
    """One stream, from the role chunk to ``[DONE]`` or an error."""

    def __init__(self) -> None:
        super().__init__()
        self._envelope: tuple[Any, ...] | None = None
        self._has_usage_field = False
        self._finish: str | None = None
        self._has_usage = False
        self._calls: list[str] = []  # the arguments of each call so far
        self._customs: set[int] = set()
        self._has_function_call = False

    def take(self, event: str | None, data: bytes) -> None:
        """Python's SDK reads data of a frame with an ``event`` line as something else."""
        self.demand(event is None, f"an event line: {event!r}")
        if data == b"[DONE]":
            self.demand(self._finish is not None, "[DONE] without a finish_reason")
            self.demand(self._has_usage == self._has_usage_field, "no usage chunk before [DONE]")
            self.is_over = True
            return
        chunk = self.parse(data)
        if "error" in chunk:
            self._check_error(chunk["error"])
            return
        self._check_envelope(chunk)
        choices = chunk["choices"]
        if not choices:
            self._check_usage(chunk.get("usage"))
            return
        self.demand(len(choices) == 1 and choices[0]["index"] == 0, "one choice, index 0")
        self.demand(self._finish is None, "a choice after its finish_reason")
        self.demand(chunk.get("usage") is None, "usage beside a choice")
        self._check_delta(choices[0]["delta"])
        reason = choices[0]["finish_reason"]
        if reason is not None:
            self._check_finish(reason)

    def _check_error(self, error: dict[str, Any]) -> None:
        self.demand(set(error) == {"message", "type", "param", "code"}, f"error of {set(error)}")
        self.demand(bool(error["message"] and error["type"]), "an error without message or type")
        self.is_over = True

    def _check_envelope(self, chunk: dict[str, Any]) -> None:
        envelope = (chunk["id"], chunk["object"], chunk["created"], chunk["model"])
        if self._envelope is None:
            self._envelope = envelope
            self._has_usage_field = "usage" in chunk
            self.demand(envelope[1] == "chat.completion.chunk", f"object {envelope[1]!r}")
            self.demand(type(envelope[2]) is int, "created is no whole number")
            self.demand(bool(envelope[0] and envelope[3]), "no id or no model")
            role = chunk["choices"][0]["delta"].get("role") if chunk["choices"] else None
            self.demand(role == "assistant", "the first chunk has no role")
            return
        self.demand(envelope == self._envelope, f"{envelope} after {self._envelope}")
        self.demand(("usage" in chunk) == self._has_usage_field, "usage in some chunks only")
        role = chunk["choices"][0]["delta"].get("role") if chunk["choices"] else None
        self.demand(role is None, "the role again")

    def _check_delta(self, delta: dict[str, Any]) -> None:
        self.demand(set(delta) <= _DELTAS, f"unknown fields in {set(delta)}")
        for piece in delta.get("tool_calls") or ():
            self._check_call(piece)
        if "function_call" in delta:
            is_first = not self._has_function_call
            self.demand(("name" in delta["function_call"]) == is_first, "the name once, and first")
            self._has_function_call = True

    def _check_call(self, piece: dict[str, Any]) -> None:
        index = piece["index"]
        self.demand(0 <= index <= len(self._calls), f"call index {index} of {len(self._calls)}")
        if index == len(self._calls):
            kind = piece["type"]
            self.demand(kind in ("function", "custom"), f"call type {kind!r}")
            self.demand(bool(piece["id"] and piece[kind]["name"]), "a call without id or name")
            self._calls.append("")
            if kind == "custom":
                self._customs.add(index)
        else:
            inner = piece.get("function") or piece.get("custom") or {}
            repeated = [name for name in ("id", "type") if name in piece]
            self.demand(not repeated and "name" not in inner, "id, type and name come once")
        kind, field = ("custom", "input") if index in self._customs else ("function", "arguments")
        self._calls[index] += piece[kind].get(field) or ""

    def _check_finish(self, reason: str) -> None:
        self.demand(reason in _REASONS, f"finish_reason {reason!r}")
        self._finish = reason
        for index, arguments in enumerate(self._calls):
            self.demand(bool(arguments) or index in self._customs, "a call without arguments")
        if reason == "tool_calls":
            self.demand(bool(self._calls), "tool_calls without a call")
        elif reason == "function_call":
            self.demand(self._has_function_call, "function_call without one")
        elif self._calls or self._has_function_call:
            self.demand(reason in _CUTS, f"{reason} after a call")

    def _check_usage(self, usage: dict[str, Any] | None) -> None:
        self.demand(self._finish is not None, "a chunk without choices before the finish")
        self.demand(usage is not None and not self._has_usage, "one usage chunk, with usage")
        assert usage is not None
        self._has_usage = True
        prompt, completion = usage["prompt_tokens"], usage["completion_tokens"]
        self.demand(usage["total_tokens"] == prompt + completion, "total is not the sum")
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        self.demand(0 <= cached <= prompt, f"{cached} cached of {prompt}")
        reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        self.demand(0 <= reasoning <= completion, f"{reasoning} reasoning of {completion}")
