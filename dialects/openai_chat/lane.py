"""Blocks in a row: Chat lets calls and text interleave, the neutral stream does not.

Each block is a lane; only the first lane is live, the others hold what they are given until the
lanes before them are done. Text and reasoning are done as soon as something else begins. A tool
call is done when its arguments are a whole JSON value, and at the latest when the answer ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from dialects import json_text
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.events import (
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
)
from dialects.surrogate import Mender

NAME: Final = "openai_chat"

# More than this waiting behind a live lane is an attack or a fault.
MAX_WAITING: Final = 16 * 1024 * 1024

_TOOLS: Final = (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)


@dataclass(slots=True, eq=False)
class Lane:
    """One block on its way. ``given_id`` is the upstream's own id, "" where it gave none."""

    kind: BlockKind
    id: str | None = None
    name: str | None = None
    given_id: str = ""
    n: int | None = None  # its number once it is open
    is_closed: bool = False
    waiting: list[str | dict[str, Any]] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)
    mender: Mender = field(default_factory=Mender)

    @property
    def is_tool(self) -> bool:
        return self.kind in _TOOLS

    def has_whole_arguments(self) -> bool:
        """Whether nothing but blanks may follow. Free-form text is never known to be whole."""
        if self.kind is not BlockKind.TOOL or not self.arguments:
            return False
        if not self.arguments[-1].rstrip().endswith("}"):
            return False
        self.arguments[:] = ["".join(self.arguments)]
        try:
            return isinstance(json_text.parse(self.arguments[0]), dict)
        except ValueError:
            return False


class LaneQueue:
    """Takes pieces in any order, appends a legal order of events to ``events``."""

    __slots__ = ("_count", "_events", "_lanes", "_waiting")

    def __init__(self, events: deque[Event]) -> None:
        self._events = events
        self._lanes: deque[Lane] = deque()
        self._count = 0
        self._waiting = 0

    def write(self, kind: BlockKind, text: str) -> None:
        """A piece of text, reasoning or refusal; nothing for an empty one."""
        lanes = self._lanes
        if len(lanes) == 1 and lanes[0].kind is kind and (n := lanes[0].n) is not None:
            if text := lanes[0].mender.add(text):
                self._events.append(BlockDelta(n, text))
        elif text:
            self._put(self._lane_of(kind), text)
            self._advance()

    def write_details(self, details: list[dict[str, Any]]) -> None:
        """Pieces of ``reasoning_details``: kept whole, for what must come back signed."""
        lane = self._lane_of(BlockKind.REASONING)
        for piece in details:
            _merge_detail(lane.details, piece)
        self._advance()

    def annotate(self, data: dict[str, Any]) -> None:
        """A citation for the latest text block; without one it has nothing to stand on."""
        lane = next((one for one in reversed(self._lanes) if one.kind is BlockKind.TEXT), None)
        if lane is not None:
            self._put(lane, data)

    def open_tool(self, lane: Lane) -> None:
        """A call begins; it may still be nameless, then its bytes wait for the name."""
        self._lanes.append(lane)
        self._advance()

    def write_tool(self, lane: Lane, text: str) -> None:
        """A piece of a call's arguments."""
        if text and not lane.is_closed:
            if lane.is_tool:
                lane.arguments.append(text)
            self._put(lane, text)
        self._advance()

    def finish(self) -> None:
        """Nothing more comes: open, fill and close whatever still waits.

        RemoteDialectError for a call that never got a name.
        """
        while self._lanes:
            lane = self._lanes[0]
            if lane.is_tool and not lane.name:
                message = "The upstream sent a tool call without a name."
                raise RemoteDialectError(Fault(FaultClass.UPSTREAM_ERROR, message))
            self._open(lane)
            self._close(lane)

    def _lane_of(self, kind: BlockKind) -> Lane:
        last = self._lanes[-1] if self._lanes else None
        if last is None or last.kind is not kind:
            last = Lane(kind)
            self._lanes.append(last)
        return last

    def _advance(self) -> None:
        while self._lanes:
            lane = self._lanes[0]
            if lane.is_tool and not lane.name:
                return
            self._open(lane)
            if len(self._lanes) == 1 or (lane.is_tool and not lane.has_whole_arguments()):
                return
            self._close(lane)

    def _open(self, lane: Lane) -> None:
        if lane.n is not None:
            return
        lane.n, self._count = self._count, self._count + 1
        self._events.append(BlockOpen(lane.n, lane.kind, lane.id, lane.name))
        for piece in lane.waiting:
            self._waiting -= len(piece)
            self._emit(lane.n, piece)
        lane.waiting.clear()

    def _close(self, lane: Lane) -> None:
        assert lane.n is not None
        if rest := lane.mender.close():
            self._events.append(BlockDelta(lane.n, rest))
        if any(detail.get("signature") or detail.get("data") for detail in lane.details):
            data = json_text.render(lane.details).decode()
            self._events.append(BlockSignature(lane.n, NAME, data))
        self._events.append(BlockClose(lane.n))
        lane.is_closed = True
        self._lanes.popleft()

    def _put(self, lane: Lane, piece: str | dict[str, Any]) -> None:
        if isinstance(piece, str):
            piece = lane.mender.add(piece)
            if not piece:
                return
        if lane.n is not None:
            self._emit(lane.n, piece)
            return
        self._waiting += len(piece)
        if self._waiting > MAX_WAITING:
            raise RemoteDialectError(
                Fault(FaultClass.UPSTREAM_ERROR, "The upstream sent too much out of order.")
            )
        lane.waiting.append(piece)

    def _emit(self, n: int, piece: str | dict[str, Any]) -> None:
        if isinstance(piece, str):
            self._events.append(BlockDelta(n, piece))
        else:
            self._events.append(Annotation(n, NAME, piece))


def _merge_detail(details: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """Join a streamed piece to the entry it continues (same type and index)."""
    last = details[-1] if details else None
    if last is None or any(last.get(key) != piece.get(key) for key in ("type", "index")):
        details.append(dict(piece))
        return
    for key, value in piece.items():
        if key in ("text", "summary", "data") and isinstance(value, str):
            last[key] = (last.get(key) or "") + value
        elif value is not None:
            last[key] = value
