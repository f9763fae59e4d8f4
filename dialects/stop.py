"""Stop sequences for upstreams that have none: found in the stream, cut, never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dialects.events import (
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
)


class StopCutter:
    """Passes events on until a stop sequence appears in the model's text, then ends the answer.

    Only text counts: a stop word inside reasoning or a call's arguments is none. The last
    characters of a text that could begin one are held back until more is known.
    """

    __slots__ = ("_held", "_longest", "_n", "_stops", "is_cut")

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self._n: int | None = None  # the open text block
        self.is_cut = False

    def pass_event(self, event: Event) -> Iterator[Event]:
        """The events to show for one that came; after the cut there are none."""
        if self.is_cut:
            return
        if isinstance(event, BlockOpen) and event.kind is BlockKind.TEXT:
            self._n = event.n
        elif isinstance(event, BlockDelta) and event.n == self._n:
            yield from self._pass_text(event)
            return
        elif isinstance(event, (BlockClose, Failure)):
            yield from self._release(len(self._held))
            self._n = None
        yield event

    def _pass_text(self, event: BlockDelta) -> Iterator[Event]:
        self._held += event.text
        found = [(place, stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.is_cut = True
            place, stop = min(found, key=lambda match: match[0])
            yield from self._release(place)
            yield BlockClose(event.n)
            yield Finish(FinishReason.STOP_SEQUENCE, stop_text=stop)
            yield End()
            return
        yield from self._release(len(self._held) - self._possible_start())

    def _possible_start(self) -> int:
        """How many of the last held characters begin some stop sequence."""
        for length in range(min(self._longest - 1, len(self._held)), 0, -1):
            tail = self._held[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0

    def _release(self, length: int) -> Iterator[Event]:
        if length > 0 and self._n is not None:
            yield BlockDelta(self._n, self._held[:length])
        self._held = self._held[length:]
