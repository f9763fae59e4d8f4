"""The count itself: a prompt or a text, by its model's family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from services.counter import reconstruction
from services.counter.body import read_body
from services.counter.family import ErrorBand, Family, load_calibration
from services.counter.framing import Frame
from services.counter.prompt import (
    Document,
    Image,
    Opaque,
    Prompt,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from services.counter.reconstruction import Reconstruction
from services.counter.rendering import (
    render_claude_call,
    render_claude_tool,
    render_json,
    render_openai_tools,
)
from services.counter.script import ScriptVocabulary
from services.counter.vocabulary import Vocabulary, load_vocabulary, split_chunks

PROGRESS_CHARS = 1_048_576
"""A progress report is due each time this much more text was counted."""

_UNKNOWN_ERROR = ErrorBand(0.05, 0.25)

OnProgress = Callable[[int, int, int], None]
"""Called with (done chars, total chars, tokens so far)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A count and what it is worth."""

    tokens: int
    is_calibrated: bool
    error: ErrorBand


def count_text(model: str, text: str, on_progress: OnProgress | None = None) -> Tally:
    """Tokens of plain text, without framing."""
    family = load_calibration().family_of(model)
    engine = open_engine(family)
    tokens = _count_parts(engine, [text], on_progress)
    is_calibrated = engine.is_estimate or family.is_approximate
    return Tally(tokens, is_calibrated, _error_of(family, engine, "text"))


def count_body(
    model: str, dialect: str, body: bytes, on_progress: OnProgress | None = None
) -> Tally:
    """Input tokens of a request body. Raises BodyFault, VocabularyFault."""
    prompt = read_body(body, dialect)
    family = load_calibration().family_of(model)
    engine = open_engine(family)
    tokens = _count_parts(engine, list(prompt_texts(prompt, family.frame)), on_progress)
    tokens += round(count_terms(prompt, family, engine))
    is_guessed = family.is_approximate or not is_countable(prompt, family.frame)
    error = _error_of(family, engine, bucket_of(prompt, family.frame))
    return Tally(tokens, engine.is_estimate or is_guessed, error)


def open_engine(family: Family) -> Vocabulary:
    """What counts one item's text for the family: the best that is installed."""
    known = _load_known(family.vocabulary, family.ratios)
    if family.reconstruction and reconstruction.is_installed():
        return Reconstruction(reconstruction.load_pieces(family.reconstruction), known)
    return known


@cache
def _load_known(vocabulary: str, ratios: str) -> Vocabulary:
    native = load_vocabulary(vocabulary)
    return ScriptVocabulary(native, load_calibration().ratios[ratios]) if ratios else native


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
    last_user = max(
        (at for at, turn in enumerate(prompt.turns) if _is_question(turn.role, turn.blocks)),
        default=-1,
    )
    for at, turn in enumerate(prompt.turns):
        yield turn.name
        for block in turn.blocks:
            yield from _block_texts(block, frame, is_live=at > last_user)
    if frame.style == "claude":
        yield from (render_claude_tool(tool) for tool in prompt.tools if not tool.server_type)


def _is_question(role: Role, blocks: tuple[object, ...]) -> bool:
    """A user's own turn: it ends the tool loop whose thoughts are still read."""
    return role is Role.USER and not any(isinstance(block, ToolResult) for block in blocks)


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
        case ToolResult():
            for inner in block.blocks:
                yield from _block_texts(inner, frame, is_live=is_live)


def count_terms(prompt: Prompt, family: Family, engine: Vocabulary) -> float:
    """Everything but the plain text: the frame, and parts known only up to a factor."""
    frame = (prompt.is_responses and family.responses) or family.frame
    terms = frame.tokens(prompt)
    functions = tuple(tool for tool in prompt.tools if not tool.server_type)
    if functions and frame.style == "openai":
        terms += frame.tool_scale * engine.count(render_openai_tools(functions))
    if prompt.schema is not None:
        terms += frame.schema_scale * engine.count(render_json(prompt.schema))
    if frame.keeps_thinking:
        terms += sum(
            frame.hidden_tokens(block.hidden_chars)
            for block in prompt.blocks()
            if isinstance(block, Thinking) and not block.text
        )
    return terms


def is_countable(prompt: Prompt, frame: Frame) -> bool:
    """Whether every part of the prompt is here to be counted, none of it guessed."""
    return bucket_of(prompt, frame) != "opaque" and not any(
        (isinstance(block, Image) and not block.width)
        or (isinstance(block, Document) and block.pages)
        or (isinstance(block, Thinking) and block.hidden_chars and not block.text)
        for block in prompt.blocks()
    )


def bucket_of(prompt: Prompt, frame: Frame) -> str:
    """The kind of request an error is stated for: by its least certain part."""
    blocks = list(prompt.blocks())
    is_foreign = any(
        tool.server_type and tool.server_type not in frame.server_tools for tool in prompt.tools
    )
    if is_foreign or not prompt.is_complete or any(isinstance(block, Opaque) for block in blocks):
        return "opaque"
    if any(isinstance(block, Document) for block in blocks):
        return "document"
    if prompt.schema is not None:
        return "schema"
    if any(isinstance(block, Image) for block in blocks):
        return "image"
    if any(isinstance(block, ToolCall | ToolResult) for block in blocks):
        return "loop"
    return "tools" if prompt.tools else "plain"


def _error_of(family: Family, engine: Vocabulary, bucket: str) -> ErrorBand:
    is_reconstructed = bool(family.ratios) and not engine.is_estimate
    errors = family.reconstructed_errors if is_reconstructed else family.errors
    return errors.get(bucket) or errors.get("all") or _UNKNOWN_ERROR
