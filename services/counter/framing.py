"""What stands around the text: the tokens a provider adds for turns, tools, images and thinking.

The numbers are data (``calibration.json``); here is only their arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from services.counter.prompt import (
    Document,
    Image,
    Prompt,
    Role,
    ThinkingMode,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_UNKNOWN_IMAGE_SIDE_PX = 1024


class ImageFrame(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a family prices an image: by ``grid`` cells, ``patches`` or ``tiles``.

    ``base`` is added once; a cell (patch, tile) of ``cell_px`` costs ``each`` tokens; the image is
    first shrunk to ``max_side_px`` and ``max_cells``, tiles also to ``short_side_px``.
    """

    kind: str = "grid"
    base: float = 0
    each: float = 1
    cell_px: int = 28
    max_side_px: int = 1568
    max_cells: int = 1568
    short_side_px: int = 768

    def tokens(self, image: Image) -> float:
        width = image.width or _UNKNOWN_IMAGE_SIDE_PX
        height = image.height or _UNKNOWN_IMAGE_SIDE_PX
        if self.kind == "tiles":
            if image.is_low_detail:
                return self.base
            return self.base + self.each * self._tiles(width, height)
        return self.base + self.each * self._cells(width, height)

    def _tiles(self, width: float, height: float) -> int:
        scale = min(1.0, self.max_side_px / max(width, height))
        scale = min(scale, self.short_side_px / min(width, height))
        return self._grid(width * scale, height * scale)

    def _cells(self, width: float, height: float) -> int:
        scale = min(1.0, self.max_side_px / max(width, height))
        cells = self._grid(width * scale, height * scale)
        if cells <= self.max_cells:
            return cells
        # The largest aspect-preserving size whose grid fits; the grid grows with the scale.
        low, high = 0.0, scale
        for _ in range(24):
            middle = (low + high) / 2
            if self._grid(width * middle, height * middle) <= self.max_cells:
                low = middle
            else:
                high = middle
        return self._grid(width * low, height * low)

    def _grid(self, width: float, height: float) -> int:
        return max(1, math.ceil(round(width, 3) / self.cell_px)) * max(
            1, math.ceil(round(height, 3) / self.cell_px)
        )


class Frame(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A family's constants, in tokens. Zero where the family has no such term."""

    style: str = "openai"
    """How tools and calls are written: "openai", "claude", or "json" by open models."""
    request: float = 0
    message: float = 0
    name: float = 0
    unsaid: float = 0
    """A system text of the model's own, where the prompt has none."""
    opening: float = 0
    """The first user turn."""
    exchange: float = 0
    """Each later turn from assistant to user."""
    repeat: float = 0
    """Each turn that follows one of the same role."""
    tools: float = 0
    tools_any: float = 0
    """In place of ``tools`` where a call is required."""
    tools_named: float = 0
    """Beside ``tools_any``, where one tool is named."""
    tools_serial: float = 0
    """Beside tools, where calls are to come one at a time; below zero where less is said then."""
    tools_system: float = 0
    """A system text beside tools."""
    carrier: float = 0
    """The system message that tools and schema stand in, where the prompt has none."""
    tool: float = 0
    """Each tool, beside its text; below zero where that is written with less between."""
    tool_scale: float = 1
    call: float = 0
    calls: float = 0
    """Each call of a turn beside its first."""
    result: float = 0
    schema: float = 0
    schema_scale: float = 1
    thinking_enabled: float = 0
    thinking_adaptive: float = 0
    keeps_thinking: bool = False
    """Whether thoughts of finished turns are read again, as those of a running tool loop are."""
    hidden_base: float = 0
    """Hidden thinking: tokens = (chars - hidden_base) / hidden_chars."""
    hidden_chars: float = 4
    document: float = 0
    page: float = 0
    citations: float = 0
    image: ImageFrame = ImageFrame()
    server_tools: dict[str, float] = {}

    def tokens(self, prompt: Prompt) -> float:
        """All of a prompt's tokens that are not its text."""
        return sum(self._terms(prompt))

    def _terms(self, prompt: Prompt) -> Iterator[float]:
        yield self.request
        if not _has_system(prompt):
            yield self.unsaid
        yield from self._turn_terms(prompt)
        yield from self._tool_terms(prompt)
        yield from map(self._block_term, prompt.blocks())
        if prompt.schema is not None:
            yield self.schema
        if not _has_system(prompt) and (prompt.schema is not None or self._has_callable(prompt)):
            yield self.carrier
        if prompt.thinking is ThinkingMode.ENABLED:
            yield self.thinking_enabled
        elif prompt.thinking is ThinkingMode.ADAPTIVE:
            yield self.thinking_adaptive

    def _turn_terms(self, prompt: Prompt) -> Iterator[float]:
        previous: Role | None = None
        for turn in prompt.turns:
            yield self.message
            if turn.name:
                yield self.name
            calls = sum(isinstance(block, ToolCall) for block in turn.blocks)
            yield self.calls * max(0, calls - 1)
            if turn.role is previous:
                yield self.repeat
            elif turn.role is Role.USER:
                yield self.exchange if previous is Role.ASSISTANT else self.opening
            previous = turn.role

    def _tool_terms(self, prompt: Prompt) -> Iterator[float]:
        for tool in prompt.tools:
            yield self.server_tools.get(tool.server_type, 0) if tool.server_type else self.tool
        if not self._has_callable(prompt):
            return
        is_forced = prompt.tool_choice in (ToolChoice.ANY, ToolChoice.NAMED)
        yield self.tools_any if is_forced else self.tools
        if prompt.tool_choice is ToolChoice.NAMED:
            yield self.tools_named
        if prompt.is_serial:
            yield self.tools_serial
        if _has_system(prompt):
            yield self.tools_system

    def _has_callable(self, prompt: Prompt) -> bool:
        """Whether there is a tool that the caller has to run."""
        known = self.server_tools.keys() | {""}
        return any(tool.server_type in known for tool in prompt.tools)

    def _block_term(self, block: object) -> float:
        match block:
            case ToolCall():
                return self.call
            case ToolResult():
                return self.result
            case Image():
                return self.image.tokens(block)
            case Document():
                return (
                    self.document
                    + self.page * block.pages
                    + (self.citations if block.has_citations else 0)
                )
        return 0

    def hidden_tokens(self, chars: int) -> float:
        """Tokens of a thought that only its provider can read, by the length of its envelope."""
        return max(0.0, (chars - self.hidden_base) / self.hidden_chars)


def _has_system(prompt: Prompt) -> bool:
    return bool(prompt.turns) and prompt.turns[0].role is Role.SYSTEM
