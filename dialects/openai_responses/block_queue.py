"""Blocks in single file.

Items of a Responses stream may interleave, neutral blocks may not: the oldest unfinished block is
live and passes its events on at once, the others keep theirs until it has closed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from dialects.events import (
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
)
from dialects.surrogate import Mender, mend_text


@dataclass(slots=True)
class Block:
    """One block to be: numbered and opened when its turn comes."""

    kind: BlockKind
    id: str | None = None
    name: str | None = None
    namespace: str | None = None
    n: int = -1
    waiting: list[tuple[str, Any]] = field(default_factory=list)  # (what, value) until it is live
    seen: list[str] = field(default_factory=list)
    mender: Mender = field(default_factory=Mender)
    is_closed: bool = False


class BlockQueue:
    """Gives the events of its blocks to ``out``, one block after the other."""

    __slots__ = ("_count", "_out", "_queue", "refusal")

    def __init__(self, out: deque[Event]) -> None:
        self._out = out
        self._queue: deque[Block] = deque()
        self._count = 0
        self.refusal: str | None = None
        """The text of the last refusal that closed."""

    def open(self, block: Block) -> Block:
        self._queue.append(block)
        self._advance()
        return block

    def tell(self, block: Block, what: str, value: Any) -> None:
        """Say a "delta", a "signature" or an "annotation" now, or when the block is live."""
        if block.is_closed:
            return
        if block.n >= 0:
            self._say(block, what, value)
        else:
            block.waiting.append((what, value))

    def add(self, block: Block, text: str) -> None:
        """A delta; half a surrogate pair waits for the other half."""
        if text := block.mender.add(text):
            block.seen.append(text)
            if block.n >= 0 and not block.is_closed:
                self._out.append(BlockDelta(block.n, text))
            else:
                self.tell(block, "delta", text)

    def complete(self, block: Block, whole: object) -> None:
        """Add what the deltas did not bring of the whole text."""
        if not isinstance(whole, str) or block.is_closed:
            return
        whole = mend_text(whole)
        seen = "".join(block.seen)
        if len(whole) > len(seen) and whole.startswith(seen):
            block.mender.close()
            self.add(block, whole[len(seen) :])

    def close(self, block: Block) -> None:
        if block.is_closed:
            return
        if rest := block.mender.close():
            self.tell(block, "delta", rest)
        block.is_closed = True
        if block.kind is BlockKind.REFUSAL:
            self.refusal = "".join(block.seen)
        self._advance()

    def close_all(self) -> None:
        for block in list(self._queue):
            self.close(block)

    def _advance(self) -> None:
        """Let the oldest block speak, and the next ones once it has closed."""
        while self._queue:
            block = self._queue[0]
            if block.n < 0:
                block.n = self._count
                self._count += 1
                self._out.append(
                    BlockOpen(block.n, block.kind, block.id, block.name, block.namespace)
                )
                for what, value in block.waiting:
                    self._say(block, what, value)
                block.waiting.clear()
            if not block.is_closed:
                return
            self._out.append(BlockClose(block.n))
            self._queue.popleft()

    def _say(self, block: Block, what: str, value: Any) -> None:
        match what:
            case "delta":
                self._out.append(BlockDelta(block.n, value))
            case "signature":
                self._out.append(BlockSignature(block.n, "openai", value))
            case _:
                self._out.append(Annotation(block.n, "openai_responses", value))
