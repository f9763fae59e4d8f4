"""The stream grammar of Anthropic Messages (protocols/anthropic-messages §10 and §10.1)."""

from __future__ import annotations

from typing import Any, Final

from tests.grammar.frame import Checker

_STOP_REASONS: Final = frozenset(
    {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
     "model_context_window_exceeded"}
)  # fmt: skip
# What a model did not end by itself may leave a call behind that is not whole.
_CUTS: Final = frozenset({"max_tokens", "refusal", "model_context_window_exceeded", "pause_turn"})
_COUNTS: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)
_DELTA_OF: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("tool_use", "partial_json"),
    "signature_delta": ("thinking", "signature"),
    "citations_delta": ("text", "citation"),
}


class MessagesChecker(Checker):
    """One stream, from ``message_start`` to ``message_stop`` or ``error``."""

    def __init__(self) -> None:
        super().__init__()
        self._is_started = False
        self._index = -1
        self._block: dict[str, Any] | None = None
        self._given = ""  # the open block's text
        self._has_citation = False
        self._is_signed = False
        self._calls = 0
        self._stop_reason: str | None = None

    def take(self, event: str | None, data: bytes) -> None:
        """Both SDKs lose a frame without its event line."""
        value = self.parse(data)
        kind = value.get("type")
        self.demand(event == kind, f"event line {event!r} for type {kind!r}")
        if kind == "ping":
            return
        if kind == "error":
            self._check_error(value)
            return
        if kind != "message_start":
            self.demand(self._is_started, f"{kind} before message_start")
        match kind:
            case "message_start":
                self._check_start(value["message"])
            case "content_block_start":
                self._check_open(value)
            case "content_block_delta":
                self._check_delta(value)
            case "content_block_stop":
                self._check_close(value)
            case "message_delta":
                self._check_ending(value)
            case "message_stop":
                self.demand(self._stop_reason is not None, "message_stop without a stop_reason")
                self.is_over = True
            case _:
                self.demand(False, f"unknown event {kind!r}")

    def _check_error(self, value: dict[str, Any]) -> None:
        error = value.get("error")
        self.demand(isinstance(error, dict), "an error event without an error")
        self.demand(bool(error["type"] and error["message"]), "an error without type or message")
        self.is_over = True

    def _check_start(self, message: dict[str, Any]) -> None:
        self.demand(not self._is_started, "a second message_start")
        self._is_started = True
        self.demand(str(message["id"]).startswith("msg_"), "the id of a message is msg_…")
        fixed = {"type": "message", "role": "assistant", "content": [], "stop_reason": None}
        for name, expected in fixed.items():
            self.demand(message[name] == expected, f"message.{name} is {message[name]!r}")
        self.demand(message["stop_sequence"] is None, "a stop_sequence at the start")
        self.demand(bool(message["model"]), "no model")
        self._check_usage(message["usage"])

    def _check_usage(self, usage: dict[str, Any]) -> None:
        for name in _COUNTS:
            count = usage.get(name)
            self.demand(type(count) is int and count >= 0, f"usage.{name} is {count!r}")

    def _check_open(self, value: dict[str, Any]) -> None:
        self.demand(self._block is None, "a block opens inside another")
        self.demand(self._stop_reason is None, "a block after the stop_reason")
        self._index += 1
        self.demand(value["index"] == self._index, f"index {value['index']}, not {self._index}")
        block = value["content_block"]
        self._block, self._given = block, ""
        self._has_citation = self._is_signed = False
        match block["type"]:
            case "text":
                self.demand(block["text"] == "", "text in the opening")
            case "thinking":
                self.demand(block["thinking"] == "", "thinking in the opening")
                self.demand(block["signature"] == "", "a signature in the opening")
            case "redacted_thinking":
                self.demand(bool(block["data"]), "redacted_thinking without data")
            case "tool_use":
                self._calls += 1
                self.demand(bool(block["id"] and block["name"]), "a call without id or name")
                self.demand(block["input"] == {}, "input in the opening")
            case other:
                self.demand(False, f"unknown block {other!r}")

    def _check_delta(self, value: dict[str, Any]) -> None:
        self.demand(self._block is not None, "a delta outside a block")
        self.demand(value["index"] == self._index, f"delta of {value['index']} in {self._index}")
        delta = value["delta"]
        self.demand(delta["type"] in _DELTA_OF, f"unknown delta {delta['type']!r}")
        kind, name = _DELTA_OF[delta["type"]]
        assert self._block is not None
        self.demand(
            self._block["type"] == kind, f"{delta['type']} in a {self._block['type']} block"
        )
        self.demand(not self._is_signed, "a delta after the signature")
        if name == "signature":
            self.demand(bool(delta[name]), "an empty signature")
            self._is_signed = True
        elif name == "citation":
            self._has_citation = True
        else:
            self.demand(isinstance(delta[name], str), f"{delta['type']} without text")
            self._given += delta[name]

    def _check_close(self, value: dict[str, Any]) -> None:
        block, self._block = self._block, None
        self.demand(block is not None, "content_block_stop outside a block")
        self.demand(value["index"] == self._index, f"stop of {value['index']} in {self._index}")
        assert block is not None
        match block["type"]:
            case "text":
                self.demand(bool(self._given) or self._has_citation, "an empty text block")
            case "thinking":
                self.demand(bool(self._given) or self._is_signed, "an empty thinking block")
            case "tool_use":
                self.demand(bool(self._given), "a call without arguments: not even {}")

    def _check_ending(self, value: dict[str, Any]) -> None:
        self.demand(self._block is None, "message_delta inside a block")
        self._check_usage(value["usage"])
        delta = value["delta"]
        reason = delta["stop_reason"]
        self.demand(reason in _STOP_REASONS, f"stop_reason {reason!r}")
        self._stop_reason = reason
        is_matched = delta["stop_sequence"] is not None
        self.demand(is_matched <= (reason == "stop_sequence"), f"a stop_sequence with {reason}")
        if reason == "tool_use":
            self.demand(self._calls > 0, "tool_use without a call")
        elif self._calls:
            self.demand(reason in _CUTS, f"{reason} after a call")
