"""The neutral stream: what any dialect's answer becomes on its way to another dialect.

Rules a Reader guarantees and a Writer may rely on:

1. Exactly one :class:`Start`, first.
2. Blocks are numbered densely from 0 in the order they open, and only one is open at a time;
   a dialect whose items interleave queues the others until the open one closes.
3. A tool block's id and name are known when it opens.
4. Deltas, signatures and annotations come only between a block's open and close.
5. Every open block is closed before :class:`Finish`; Finish comes at most once.
6. :class:`UsageReport` may come at any time after Start; per field the last one wins.
7. After :class:`End` or :class:`Failure` nothing comes. A stream always ends in one of them.
8. :class:`Tick` (the upstream's own keep-alive) may come at any time.

The table below is those rules; :class:`Grammar` walks it. What is absent from it is a fault.

Events are structs and no dataclasses because one is made for every token: it costs a fourth.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Any, Final

from msgspec import Struct

from dialects.errors import Fault, LocalDialectError
from dialects.usage import Usage


class BlockKind(StrEnum):
    """What a block holds."""

    TEXT = "text"
    REASONING = "reasoning"
    REFUSAL = "refusal"
    TOOL = "tool"  # deltas are the JSON text of the arguments
    CUSTOM_TOOL = "custom_tool"  # deltas are free-form text


class FinishReason(StrEnum):
    """Why the model stopped; each dialect has its own words (translation-matrix §3.1)."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT_WINDOW = "context_window"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"
    CONTENT_FILTER = "content_filter"
    PAUSE = "pause"


class Start(Struct, frozen=True):
    """The answer begins. ``usage`` holds what is known of the input already."""

    id: str
    model: str
    created: int | None = None  # seconds since the epoch, as the upstream said
    usage: Usage = Usage()


class BlockOpen(Struct, frozen=True):
    n: int
    kind: BlockKind
    id: str | None = None  # tools: the call's id. reasoning: the item's id, where it has one
    name: str | None = None  # tools only
    namespace: str | None = None  # Responses namespaces only


class BlockDelta(Struct, frozen=True):
    n: int
    text: str


class BlockSignature(Struct, frozen=True):
    """What must come back with a reasoning block for the model to accept it again.

    ``carrier`` names whose it is: "anthropic" (a signature), "anthropic_redacted" (the data of a
    redacted block), "openai" (encrypted_content). At most one per block, after its deltas.
    """

    n: int
    carrier: str
    data: str


class Annotation(Struct, frozen=True):
    """A citation on the open text block, in the source dialect's own shape."""

    n: int
    dialect: str
    data: dict[str, Any]


class BlockClose(Struct, frozen=True):
    n: int


class UsageReport(Struct, frozen=True):
    usage: Usage


class Finish(Struct, frozen=True):
    reason: FinishReason
    stop_text: str | None = None  # the stop sequence that matched
    details: str | None = None  # a refusal's explanation


class End(Struct, frozen=True):
    """The stream is complete."""


class Failure(Struct, frozen=True):
    """The stream broke; nothing comes after it."""

    fault: Fault


class Tick(Struct, frozen=True):
    """A sign of life without content."""


Event = (
    Start
    | BlockOpen
    | BlockDelta
    | BlockSignature
    | Annotation
    | BlockClose
    | UsageReport
    | Finish
    | End
    | Failure
    | Tick
)


class NeedData(Enum):
    """What ``next_event`` answers when more bytes are needed."""

    NEED_DATA = "need_data"


NEED_DATA: Final = NeedData.NEED_DATA


class State(StrEnum):
    IDLE = "idle"
    OPEN = "open"  # started, between blocks
    IN_BLOCK = "in_block"
    FINISHED = "finished"  # Finish seen, usage may follow
    DONE = "done"


TRANSITIONS: Final[dict[tuple[State, type], State]] = {
    (State.IDLE, Start): State.OPEN,
    (State.OPEN, BlockOpen): State.IN_BLOCK,
    (State.IN_BLOCK, BlockDelta): State.IN_BLOCK,
    (State.IN_BLOCK, BlockSignature): State.IN_BLOCK,
    (State.IN_BLOCK, Annotation): State.IN_BLOCK,
    (State.IN_BLOCK, BlockClose): State.OPEN,
    (State.OPEN, UsageReport): State.OPEN,
    (State.IN_BLOCK, UsageReport): State.IN_BLOCK,
    (State.FINISHED, UsageReport): State.FINISHED,
    (State.OPEN, Finish): State.FINISHED,
    (State.FINISHED, End): State.DONE,
    (State.IDLE, Failure): State.DONE,
    (State.OPEN, Failure): State.DONE,
    (State.IN_BLOCK, Failure): State.DONE,
    (State.FINISHED, Failure): State.DONE,
    (State.IDLE, Tick): State.IDLE,
    (State.OPEN, Tick): State.OPEN,
    (State.IN_BLOCK, Tick): State.IN_BLOCK,
    (State.FINISHED, Tick): State.FINISHED,
}


class Grammar:
    """Walks the table; the numbering of blocks is the one rule that does not fit it."""

    __slots__ = ("_block", "state")

    def __init__(self) -> None:
        self.state = State.IDLE
        self._block = -1

    def check_next(self, event: Event) -> None:
        """Take one event; raises LocalDialectError where the table has no entry for it."""
        if type(event) is BlockDelta and self.state is State.IN_BLOCK and event.n == self._block:
            return  # almost every event is one of these, and changes nothing
        state = TRANSITIONS.get((self.state, type(event)))
        if state is None:
            raise LocalDialectError(f"{type(event).__name__} is not allowed while {self.state}")
        if isinstance(event, BlockOpen):
            self._block += 1
        if isinstance(event, (BlockOpen, BlockDelta, BlockSignature, Annotation, BlockClose)) and (
            event.n != self._block
        ):
            raise LocalDialectError(
                f"{type(event).__name__} names block {event.n}, open is {self._block}"
            )
        self.state = state
