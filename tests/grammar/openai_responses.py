"""The stream grammar of OpenAI Responses (protocols/openai-responses §7.2 and §7.3)."""

from __future__ import annotations

from typing import Any, Final

from tests.grammar.frame import Checker

_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_ITEMS: Final = {
    "message": {"id", "status", "role", "content"},
    "reasoning": {"id", "summary"},
    "function_call": {"id", "status", "call_id", "name", "arguments"},
    "custom_tool_call": {"id", "status", "call_id", "name", "input"},
}
_RESPONSE: Final = {"id", "object", "created_at", "model", "status", "output", "error", "usage"}
# stem → (the item it stands in, its whole text in the ``done`` event, whether parts surround it)
_TEXTS: Final = {
    "response.output_text": ("message", "text", True),
    "response.refusal": ("message", "refusal", True),
    "response.function_call_arguments": ("function_call", "arguments", False),
    "response.custom_tool_call_input": ("custom_tool_call", "input", False),
    "response.reasoning_summary_text": ("reasoning", "text", True),
}


class ResponsesChecker(Checker):
    """One stream, from ``response.created`` to its terminal event."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0
        self._was_keepalive = False
        self._id: str | None = None
        self._begun = 0  # of created and in_progress
        self._is_failing = False
        self._done: list[dict[str, Any]] = []
        self._item: dict[str, Any] | None = None
        self._part: int | None = None
        self._text = ""

    def take(self, event: str | None, data: bytes) -> None:
        """Both SDKs insist on ``response.created`` first and on one id."""
        value = self.parse(data)
        kind = str(value.get("type"))
        self.demand(event == kind, f"event line {event!r} for type {kind!r}")
        self._check_sequence(kind, value["sequence_number"])
        if kind == "keepalive":
            return
        if "response" in value:
            self._check_response(value["response"])
        if kind == "error":
            self._check_error(value)
        elif kind in _TERMINAL:
            self._check_end(kind, value["response"])
        elif self._begun < 2:
            expected = ("response.created", "response.in_progress")[self._begun]
            self.demand(kind == expected, f"{kind} where {expected} belongs")
            self.demand(value["response"]["output"] == [], "output at the start")
            self._begun += 1
        elif kind.startswith("response.output_item."):
            self._check_item(kind, value)
        else:
            self._check_inside(kind, value)

    def _check_sequence(self, kind: str, number: int) -> None:
        # A keep-alive may have been put in by someone who does not number the stream.
        allowed = {self._next, self._next - 1} if self._was_keepalive else {self._next}
        self.demand(number in allowed, f"sequence_number {number}, not {self._next}")
        self._next = number + 1
        self._was_keepalive = kind == "keepalive"

    def _check_response(self, response: dict[str, Any]) -> None:
        self._id = self._id or response["id"]
        self.demand(response["id"] == self._id, f"response id {response['id']} after {self._id}")
        missing = _RESPONSE - {"created_at", "model"} - set(response)
        self.demand(response.get("status") == "failed" or not missing, f"no {missing}")
        self.demand(response["object"] == "response", "object is not response")

    def _check_error(self, value: dict[str, Any]) -> None:
        self.demand(not self._is_failing, "a second error")
        self._is_failing = True
        told = all(value["error"][name] for name in ("code", "message"))
        self.demand(told, "an error without code or message where Python's SDK looks for them")

    def _check_end(self, kind: str, response: dict[str, Any]) -> None:
        status = kind.rpartition(".")[2]
        self.demand(response["status"] == status, f"{kind} with status {response['status']}")
        self.is_over = True
        if status == "failed":
            told = all(response["error"][name] for name in ("code", "message"))
            self.demand(told, "a failure without code or message")
            return
        self.demand(not self._is_failing, f"{kind} after an error")
        self.demand(self._begun == 2, f"{kind} before the start")
        self.demand(self._item is None, "an item is still open")
        self.demand(response["output"] == self._done, "output is not the items that were done")
        is_cut = status == "incomplete"
        self.demand(bool(response.get("incomplete_details")) == is_cut, "incomplete_details")
        if response["usage"] is not None:
            self._check_usage(response["usage"])

    def _check_usage(self, usage: dict[str, Any]) -> None:
        given, made = usage["input_tokens"], usage["output_tokens"]
        self.demand(usage["total_tokens"] == given + made, "total is not the sum")
        cached = usage["input_tokens_details"]["cached_tokens"]
        self.demand(0 <= cached <= given, f"{cached} cached of {given}")
        reasoning = usage["output_tokens_details"]["reasoning_tokens"]
        self.demand(0 <= reasoning <= made, f"{reasoning} reasoning of {made}")

    def _check_item(self, kind: str, value: dict[str, Any]) -> None:
        item = value["item"]
        index = value["output_index"]
        self.demand(index == len(self._done), f"item {index}, not {len(self._done)}")
        fields = _ITEMS.get(item["type"])
        self.demand(fields is not None, f"unknown item {item['type']!r}")
        assert fields is not None
        self.demand(fields <= set(item), f"{item['type']} without {fields - set(item)}")
        if kind.endswith("added"):
            self.demand(self._item is None, "an item opens inside another")
            ids = {entry["id"] for entry in self._done}
            self.demand(bool(item["id"]) and item["id"] not in ids, f"id {item['id']!r}")
            self.demand(item.get("status", "in_progress") == "in_progress", "status at the start")
            self._item, self._text = item, ""
            return
        self.demand(self._item is not None and self._part is None, "output_item.done too early")
        assert self._item is not None
        same = all(item[name] == self._item[name] for name in ("id", "type"))
        self.demand(same, "done is another item than added")
        status = item.get("status", "completed")
        self.demand(status in ("completed", "incomplete"), f"status {status!r} at the end")
        self._done.append(item)
        self._item = None

    def _check_inside(self, kind: str, value: dict[str, Any]) -> None:
        self.demand(self._item is not None, f"{kind} outside an item")
        assert self._item is not None
        self.demand(value["item_id"] == self._item["id"], f"{kind} of item {value['item_id']}")
        self.demand(value["output_index"] == len(self._done), f"{kind} at another output_index")
        index = value.get("content_index", value.get("summary_index", 0))
        if kind.endswith("part.added"):
            self.demand(self._part is None, "a part opens inside another")
            self._part, self._text = index, ""
        elif kind.endswith("part.done"):
            self.demand(self._part == index, f"{kind} of part {index} in {self._part}")
            self._part = None
        elif kind == "response.output_text.annotation.added":
            self.demand(self._part == index, "an annotation outside its part")
        else:
            self._check_text(kind, value, index)

    def _check_text(self, kind: str, value: dict[str, Any], index: int) -> None:
        stem, _, what = kind.rpartition(".")
        self.demand(stem in _TEXTS and what in ("delta", "done"), f"unknown event {kind!r}")
        item, field, has_parts = _TEXTS[stem]
        assert self._item is not None
        self.demand(self._item["type"] == item, f"{kind} in a {self._item['type']}")
        if has_parts:
            self.demand(self._part == index, f"{kind} outside its part")
        if stem == "response.output_text":
            self.demand(value["logprobs"] == [], "no logprobs")
        if what == "delta":
            self.demand(bool(value["delta"]), "an empty delta")
            self._text += value["delta"]
            return
        self.demand(value[field] == self._text, f"{kind} is not the sum of its deltas")
        if item == "function_call":
            self.demand(bool(self._text), "a call without arguments: not even {}")
