"""The count itself: a prompt or a text, by its model's family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from services.counter import reconstruction
from services.counter.body import read_body
from services.counter.family import Calibration, ErrorBand, Family
from services.counter.framing import Frame
from services.counter.memory import BlockMemory, RememberingVocabulary
from services.counter.namespace import render_namespace
from services.counter.prompt import (
    Document,
    Image,
    Opaque,
    Prompt,
    Role,
    Schema,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from services.counter.reconstruction import Reconstruction
from services.counter.rendering import (
    render_claude_call,
    render_claude_tool,
    render_json,
    render_json_tools,
    render_openai_schema,
)
from services.counter.script import ScriptVocabulary
from services.counter.vocabulary import Vocabulary, load_vocabulary, split_chunks

PROGRESS_CHARS = 1_048_576
"""A progress report is due each time this much more text was counted."""

_REMEMBERED_MODELS: Final = 1_000

OnProgress = Callable[[int, int, int], None]
"""Called with (done chars, total chars, tokens so far)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A count and what it is worth."""

    tokens: int
    is_calibrated: bool
    error: ErrorBand


@dataclass(frozen=True, slots=True)
class Approach:
    """How one prompt is counted."""

    family: Family
    frame: Frame
    engine: Vocabulary

    @property
    def way(self) -> str:
        """Of ``error_key``; a reconstruction that had to estimate a part is an estimate."""
        if self.family.ratios:
            return "" if self.engine.is_estimate else "reconstructed"
        return "responses" if self.frame is self.family.responses else ""


class Meter:
    """Counts by one calibration. ``may_reconstruct``: use ``ctok`` where it is installed."""

    def __init__(self, calibration: Calibration, *, may_reconstruct: bool = True) -> None:
        self._calibration = calibration
        self._families: dict[str, Family] = {}
        self._may_reconstruct = may_reconstruct and reconstruction.is_installed()
        self._memory = BlockMemory()

    def count_text(self, model: str, text: str, on_progress: OnProgress | None = None) -> Tally:
        """Tokens of plain text, without framing. Raises VocabularyFault."""
        chosen = self.approach(model)
        tokens = _count_parts(self._remembering(chosen), [text], on_progress)
        is_calibrated = chosen.engine.is_estimate or chosen.family.is_approximate
        return Tally(tokens, is_calibrated, chosen.family.error_of("text", chosen.way))

    def count_body(
        self, model: str, dialect: str, body: bytes, on_progress: OnProgress | None = None
    ) -> Tally:
        """Input tokens of a request body. Raises BodyFault, VocabularyFault."""
        return self.count_prompt(model, read_body(body, dialect), on_progress)

    def count_prompt(
        self, model: str, prompt: Prompt, on_progress: OnProgress | None = None
    ) -> Tally:
        """Input tokens of a prompt. Raises VocabularyFault."""
        chosen = self.approach(model, prompt)
        family, frame, engine = chosen.family, chosen.frame, chosen.engine
        texts = list(prompt_texts(prompt, frame))
        tokens = _count_parts(self._remembering(chosen), texts, on_progress)
        terms = fixed_terms(prompt, frame)
        for scale, text in scaled_texts(prompt, frame):
            terms += getattr(frame, scale) * engine.count(text)
        is_guessed = family.is_approximate or not is_countable(prompt, frame)
        error = family.error_of(bucket_of(prompt, frame), chosen.way)
        return Tally(tokens + round(terms), engine.is_estimate or is_guessed, error)

    def approach(self, model: str, prompt: Prompt | None = None) -> Approach:
        """The family, frame and engine that count ``prompt``, or plain text, for ``model``."""
        family = self._family_of(model)
        is_responses = prompt is not None and prompt.is_responses
        frame = (is_responses and family.responses) or family.frame
        return Approach(family, frame, self._open_engine(family))

    def _remembering(self, chosen: Approach) -> Vocabulary:
        """The engine, with a memory where that is worth a digest."""
        if not isinstance(chosen.engine, Reconstruction):
            return chosen.engine
        return RememberingVocabulary(chosen.engine, chosen.family.reconstruction, self._memory)

    def _family_of(self, model: str) -> Family:
        family = self._families.get(model)
        if family is None:
            if len(self._families) >= _REMEMBERED_MODELS:
                self._families.clear()
            family = self._families[model] = self._calibration.family_of(model)
        return family

    def _open_engine(self, family: Family) -> Vocabulary:
        """What counts one item's text for the family: the best there is."""
        known: Vocabulary = load_vocabulary(family.vocabulary)
        if family.ratios:
            known = ScriptVocabulary(known, self._calibration.ratios[family.ratios])
        if family.reconstruction and self._may_reconstruct:
            return Reconstruction(reconstruction.load_pieces(family.reconstruction), known)
        return known


def _count_parts(engine: Vocabulary, texts: list[str], on_progress: OnProgress | None) -> int:
    total = sum(map(len, texts))
    tokens = done = reported = 0
    for text in texts:
        for chunk in split_chunks(text):
            tokens += engine.count(chunk)
            done += len(chunk)
            if on_progress is not None and done - reported >= PROGRESS_CHARS:
                on_progress(done, total, tokens)
                reported = done
    return tokens


def prompt_texts(prompt: Prompt, frame: Frame) -> Iterator[str]:
    """Every text that is counted as it stands."""
    for turn, is_live in _live_turns(prompt):
        yield turn.name
        for block in turn.blocks:
            yield from _block_texts(block, frame, is_live=is_live)
    if frame.style == "claude":
        yield from (render_claude_tool(tool) for tool in prompt.tools if not tool.server_type)


def _live_turns(prompt: Prompt) -> Iterator[tuple[Turn, bool]]:
    """Turns, and whether they follow the user's last own one: the tool loop still running."""
    last_question = max(
        (at for at, turn in enumerate(prompt.turns) if _is_question(turn)), default=-1
    )
    for at, turn in enumerate(prompt.turns):
        yield turn, at > last_question


def _is_question(turn: Turn) -> bool:
    return turn.role is Role.USER and not any(
        isinstance(block, ToolResult) for block in turn.blocks
    )


def _block_texts(block: object, frame: Frame, *, is_live: bool) -> Iterator[str]:
    match block:
        case Text() | Document() | Opaque():
            yield block.text
        case Thinking() if is_live or frame.keeps_thinking:
            yield block.text
        case ToolCall() if frame.style == "claude":
            yield render_claude_call(block)
        case ToolCall():
            yield block.name
            yield block.arguments
            if frame.style == "openai":
                yield block.name  # the result says whose it is
        case ToolResult():
            for inner in block.blocks:
                yield from _block_texts(inner, frame, is_live=is_live)


def scaled_texts(prompt: Prompt, frame: Frame) -> Iterator[tuple[str, str]]:
    """(name of the frame's scale, text): what counts only up to a factor."""
    functions = tuple(tool for tool in prompt.tools if not tool.server_type)
    if functions and frame.style != "claude":
        render = render_namespace if frame.style == "openai" else render_json_tools
        yield "tool_scale", render(functions)
    if prompt.schema is not None:
        yield "schema_scale", _render_schema(prompt.schema, frame)


def _render_schema(schema: Schema, frame: Frame) -> str:
    return render_openai_schema(schema) if frame.style == "openai" else render_json(schema.body)


def fixed_terms(prompt: Prompt, frame: Frame) -> float:
    """Everything that is no text: the frame, and thoughts only the provider can read."""
    terms = frame.tokens(prompt)
    for turn, is_live in _live_turns(prompt):
        if is_live or frame.keeps_thinking:
            terms += sum(frame.hidden_tokens(chars) for chars in _hidden_chars(turn))
    return terms


def _hidden_chars(turn: Turn) -> Iterator[int]:
    for block in turn.blocks:
        if isinstance(block, Thinking) and not block.text:
            yield block.hidden_chars


def is_countable(prompt: Prompt, frame: Frame) -> bool:
    """Whether every part of the prompt is here to be counted, none of it guessed."""
    return bucket_of(prompt, frame) not in UNCERTAIN_BUCKETS and not any(
        (isinstance(block, Image) and not block.width)
        or (isinstance(block, Document) and block.pages)
        for block in prompt.blocks()
    )


UNCERTAIN_BUCKETS: Final = frozenset({"opaque", "thinking"})
"""Kinds of requests that hold what only the provider can read."""


def bucket_of(prompt: Prompt, frame: Frame) -> str:
    """The kind of request an error is stated for: by its least certain part."""
    blocks = list(prompt.blocks())
    is_foreign = any(
        tool.server_type and tool.server_type not in frame.server_tools for tool in prompt.tools
    )
    if is_foreign or not prompt.is_complete or any(isinstance(block, Opaque) for block in blocks):
        return "opaque"
    if any(
        isinstance(block, Thinking) and block.hidden_chars and not block.text for block in blocks
    ):
        return "thinking"
    if any(isinstance(block, Document) for block in blocks):
        return "document"
    if prompt.schema is not None:
        return "schema"
    if any(isinstance(block, Image) for block in blocks):
        return "image"
    if any(isinstance(block, ToolCall | ToolResult) for block in blocks):
        return "loop"
    return "tools" if prompt.tools else "plain"
