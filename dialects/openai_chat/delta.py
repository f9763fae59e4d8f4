"""Chunks and whole answers → neutral events: what compatible servers send, put in order.

Rules (openai-chat §7.2, §8, §12):

1. A whole answer is one chunk whose delta is its ``message``.
2. Within a delta: reasoning, content, refusal, calls. Empty strings open nothing.
3. ``reasoning_content`` is read before ``reasoning``, that before ``reasoning_details``: servers
   that send several send the same text.
4. A call is known by its index, else by its id, else it is the latest one. A new id at a known
   index is a new call when it brings a name: some servers give every call index 0, others give
   every delta a fresh id.
5. Nothing ends at ``finish_reason``: content and usage may follow it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any, Final

from dialects import json_text
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import (
    BlockKind,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Start,
    Tick,
    UsageReport,
)
from dialects.openai_chat.fault import fault_of, find_error
from dialects.openai_chat.finish import read_finish
from dialects.openai_chat.lane import Lane, LaneQueue
from dialects.openai_chat.usage import usage_of
from dialects.openai_chat.wire import as_dict, as_dicts, as_text
from dialects.surrogate import mend_text
from dialects.usage import Usage

# A choice that holds nothing but its text; what else it may hold must not be passed over.
_PLAIN_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_LONE_KINDS: Final = {
    "content": BlockKind.TEXT,
    "reasoning_content": BlockKind.REASONING,
    "reasoning": BlockKind.REASONING,
}
_LEGACY_INDEX: Final = -1  # the one call of the deprecated ``function_call``


class DeltaReader:
    """Takes parsed chunks, appends events to ``events``. Never raises on what a chunk holds."""

    __slots__ = (
        "_by_id",
        "_by_index",
        "_calls",
        "_finish",
        "_ids",
        "_lanes",
        "_last_call",
        "_seed",
        "_seen_refusal",
        "_started",
        "_stop_text",
        "_usage",
        "events",
        "is_over",
    )

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self.is_over = False
        self._lanes = LaneQueue(self.events)
        self._started = False
        self._seed = ""
        self._finish: str | None = None
        self._stop_text: str | None = None
        self._seen_refusal = False
        self._usage = Usage()
        self._calls = 0
        self._ids: set[str] = set()
        self._by_index: dict[int, Lane] = {}
        self._by_id: dict[str, Lane] = {}
        self._last_call: Lane | None = None

    @property
    def has_finish(self) -> bool:
        """Whether the upstream said why it stopped."""
        return self._finish is not None

    def take_chunk(self, chunk: dict[str, Any]) -> None:
        """One chunk, or one whole answer."""
        if self.is_over:
            return
        if self._started and (said := _lone_text(chunk)) is not None:
            self._lanes.write(*said)
            return
        choice = _first_choice(chunk.get("choices"))
        error = find_error(chunk) or as_dict(choice.get("error"))
        usage = usage_of(chunk)
        if error:
            self._start(chunk)
            self._report(usage)
            self.fail(fault_of(error))
            return
        if not self._started and not choice and not usage.is_reported and not chunk.get("id"):
            self.events.append(Tick())  # Azure opens with a verdict on the prompt
            return
        self._start(chunk)
        try:
            self._take_choice(choice)
        except RemoteDialectError as error_:
            self.fail(error_.fault)
            return
        self._report(usage)

    def _report(self, usage: Usage) -> None:
        if usage.is_reported and usage != self._usage:
            self._usage = usage
            self.events.append(UsageReport(usage))

    def tick(self) -> None:
        """The upstream is alive and has nothing to say."""
        if not self.is_over:
            self.events.append(Tick())

    def fail(self, fault: Fault) -> None:
        """The answer breaks here."""
        if not self.is_over:
            self.is_over = True
            self.events.append(Failure(fault))

    def finish(self) -> None:
        """The answer is whole."""
        if self.is_over:
            return
        if not self._started:
            self.fail(Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent an empty answer."))
            return
        if self._finish == "error":
            self.fail(Fault(FaultClass.UPSTREAM_ERROR, "The upstream failed while it answered."))
            return
        try:
            self._lanes.finish()
        except RemoteDialectError as error:
            self.fail(error.fault)
            return
        reason = read_finish(
            self._finish,
            has_calls=self._calls > 0,
            has_refusal=self._seen_refusal,
            stop_text=self._stop_text,
        )
        self.is_over = True
        stop_text = self._stop_text if reason is FinishReason.STOP_SEQUENCE else None
        self.events += (Finish(reason, stop_text=stop_text), End())

    def _start(self, chunk: dict[str, Any]) -> None:
        if self._started:
            return
        self._started = True
        created = chunk.get("created")
        self._seed = mend_text(as_text(chunk.get("id")))
        self.events.append(
            Start(
                id=self._seed,
                model=mend_text(as_text(chunk.get("model"))),
                created=int(created) if isinstance(created, int | float) else None,
            )
        )

    def _take_choice(self, choice: dict[str, Any]) -> None:
        delta = as_dict(choice["delta"] if "delta" in choice else choice.get("message"))
        if delta:
            self._take_reasoning(delta)
            self._take_content(delta.get("content"))
            if refusal := as_text(delta.get("refusal")):
                self._seen_refusal = True
                self._lanes.write(BlockKind.REFUSAL, refusal)
            self._take_annotations(delta.get("annotations"))
            for call in as_dicts(delta.get("tool_calls")):
                self._take_call(call)
            if legacy := as_dict(delta.get("function_call")):
                self._take_call({"index": _LEGACY_INDEX, "function": legacy})
        if reason := as_text(choice.get("finish_reason")):
            self._finish = reason
        if stop_text := as_text(choice.get("stop_reason")):  # vLLM: the string that matched
            self._stop_text = mend_text(stop_text)

    def _take_reasoning(self, delta: dict[str, Any]) -> None:
        details = as_dicts(delta.get("reasoning_details"))
        text = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        if not text:
            pieces = (as_text(one.get("text")) or as_text(one.get("summary")) for one in details)
            text = "".join(pieces)
        self._lanes.write(BlockKind.REASONING, text)
        if details:
            self._lanes.write_details(details)

    def _take_content(self, content: object) -> None:
        if isinstance(content, str):
            self._lanes.write(BlockKind.TEXT, content)
            return
        for part in as_dicts(content):  # Mistral, Databricks: a list of parts
            if part.get("type") == "thinking":
                thinking = part.get("thinking")
                pieces = [as_text(one.get("text")) for one in as_dicts(thinking)]
                self._lanes.write(BlockKind.REASONING, "".join(pieces) or as_text(thinking))
            elif part.get("type") == "reasoning":
                pieces = [as_text(one.get("text")) for one in as_dicts(part.get("summary"))]
                self._lanes.write(BlockKind.REASONING, "".join(pieces))
            elif part.get("type") == "refusal":
                self._seen_refusal = True
                self._lanes.write(BlockKind.REFUSAL, as_text(part.get("refusal")))
            else:
                self._lanes.write(BlockKind.TEXT, as_text(part.get("text")))

    def _take_annotations(self, annotations: object) -> None:
        for annotation in as_dicts(annotations):
            self._lanes.annotate(annotation)

    def _take_call(self, call: dict[str, Any]) -> None:
        custom = as_dict(call.get("custom"))
        is_custom = call.get("type") == "custom" or (bool(custom) and "function" not in call)
        inner = custom if is_custom else as_dict(call.get("function"))
        name, given = as_text(inner.get("name")), as_text(call.get("id"))
        arguments = inner.get("input") if is_custom else inner.get("arguments")
        lane = self._find_call(call.get("index"), given, name)
        if lane is None and not (given or name or arguments):
            return  # some servers fill every field with emptiness
        if lane is None:
            lane = self._open_call(call.get("index"), given, name, is_custom=is_custom)
        elif name and not lane.name:
            lane.name = mend_text(name)
        self._last_call = lane
        if isinstance(arguments, dict | list):
            arguments = json_text.render(arguments).decode()
        self._lanes.write_tool(lane, as_text(arguments))

    def _find_call(self, index: object, given: str, name: str) -> Lane | None:
        if isinstance(index, int):
            lane = self._by_index.get(index)
        elif given:
            lane = self._by_id.get(given)
        else:
            lane = None if name else self._last_call
        if lane is None:
            return None
        is_new_id = bool(given and lane.given_id and given != lane.given_id)
        if is_new_id and (name or not lane.name or lane.has_whole_arguments()):
            return None
        is_unnamed_repeat = bool(name and lane.name and not given and not lane.given_id)
        return None if is_unnamed_repeat and lane.has_whole_arguments() else lane

    def _open_call(self, index: object, given: str, name: str, *, is_custom: bool) -> Lane:
        kind = BlockKind.CUSTOM_TOOL if is_custom else BlockKind.TOOL
        lane = Lane(kind, self._unique_id(mend_text(given)), mend_text(name) or None, given)
        self._calls += 1
        if isinstance(index, int):
            self._by_index[index] = lane
        if given:
            self._by_id[given] = lane
        self._lanes.open_tool(lane)
        return lane

    def _unique_id(self, given: str) -> str:
        """The upstream's id, or one made of the answer's id and the call's place in it."""
        digest = hashlib.sha256(f"{self._seed}:{self._calls}".encode()).hexdigest()
        unique = given or f"call_{digest[:24]}"
        if unique in self._ids:
            unique = f"{unique}_{self._calls + 1}"
        self._ids.add(unique)
        return unique


def _lone_text(chunk: dict[str, Any]) -> tuple[BlockKind, str] | None:
    """The text of a chunk that brings nothing else, as almost every chunk does.

    Written out flat, because it is asked of every token.
    """
    choices = chunk.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if (
        type(delta) is not dict
        or choice.get("finish_reason")
        or choice.get("index")
        or chunk.get("usage")
        or "error" in chunk
        or "x_groq" in chunk
        or not choice.keys() <= _PLAIN_CHOICE
    ):
        return None
    if len(delta) == 1:
        ((name, text),) = delta.items()
    else:
        told = [item for item in delta.items() if item[1] and item[0] != "role"]
        if len(told) != 1:
            return None
        name, text = told[0]
    kind = _LONE_KINDS.get(name)
    return (kind, text) if kind is not None and type(text) is str else None


def _first_choice(choices: object) -> dict[str, Any]:
    """Choice 0; the others belong to ``n`` > 1, which is not translated."""
    return next((one for one in as_dicts(choices) if one.get("index") in (0, None)), {})
