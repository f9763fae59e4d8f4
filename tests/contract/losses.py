"""What an answer loses by nature on its way through a dialect: the loss table, each line provable.

A loss has the events that go in and what is left of them once the dialect has written and read
them. Nothing else may get lost: ``test_dialect_matrix.py`` holds every recording to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dialects.events import (
    Annotation,
    BlockClose,
    BlockDelta,
    BlockKind,
    BlockOpen,
    BlockSignature,
    Event,
    FinishReason,
)

# How each dialect tells an end it has no word of its own for.
FINISHES: Final[dict[str, dict[FinishReason, FinishReason]]] = {
    "anthropic_messages": {FinishReason.CONTENT_FILTER: FinishReason.REFUSAL},
    "openai_chat": {
        FinishReason.STOP_SEQUENCE: FinishReason.STOP,
        FinishReason.CONTEXT_WINDOW: FinishReason.LENGTH,
        FinishReason.PAUSE: FinishReason.LENGTH,
        FinishReason.REFUSAL: FinishReason.CONTENT_FILTER,  # where text came before it
    },
    "openai_responses": {
        FinishReason.STOP_SEQUENCE: FinishReason.STOP,
        FinishReason.CONTEXT_WINDOW: FinishReason.LENGTH,
        FinishReason.PAUSE: FinishReason.LENGTH,
        FinishReason.REFUSAL: FinishReason.CONTENT_FILTER,  # where text came before it
    },
}


@dataclass(frozen=True, slots=True)
class Loss:
    """``sent`` goes in, ``left`` comes out: kind, text and what is attached, block by block."""

    via: str
    what: str
    becomes: str
    sent: tuple[Event, ...]
    left: tuple[tuple[str, str, tuple[str, ...]], ...]


def _block(kind: BlockKind, *inside: Event, n: int = 0, name: str | None = None) -> list[Event]:
    is_tool = kind in (BlockKind.TOOL, BlockKind.CUSTOM_TOOL)
    opening = BlockOpen(n, kind, id="call_1" if is_tool else None, name=name)
    return [opening, *inside, BlockClose(n)]


_PLACE: Final = Annotation(0, "anthropic_messages", {"type": "char_location", "cited_text": "c"})
_FILE: Final = Annotation(0, "openai_responses", {"type": "file_citation", "file_id": "f"})
_SIGNED: Final = _block(
    BlockKind.REASONING, BlockDelta(0, "r"), BlockSignature(0, "anthropic_redacted", "d")
)
_CUSTOM: Final = _block(BlockKind.CUSTOM_TOOL, BlockDelta(0, "a\nb"), name="patch")

LOSSES: Final = (
    Loss(
        "anthropic_messages",
        "a refusal's own block",
        "text; the stop reason still says refusal",
        tuple(_block(BlockKind.REFUSAL, BlockDelta(0, "no"))),
        (("text", "no", ()),),
    ),
    Loss(
        "anthropic_messages",
        "a free-form tool's call",
        'arguments {"input": …}; given back as free text where the client declared the tool so',
        tuple(_CUSTOM),
        (("tool", '{"input":"a\\nb"}', ()),),
    ),
    Loss(
        "anthropic_messages",
        "a citation that is no web address",
        "nothing; the text it stands on stays",
        tuple(_block(BlockKind.TEXT, BlockDelta(0, "t"), _FILE)),
        (("text", "t", ()),),
    ),
    Loss(
        "anthropic_messages",
        "an empty block",
        "nothing: sent back it would be refused",
        tuple(_block(BlockKind.TEXT) + _block(BlockKind.REASONING, n=1)),
        (),
    ),
    Loss(
        "openai_chat",
        "a citation that is no web address",
        "nothing; the text it stands on stays",
        tuple(_block(BlockKind.TEXT, BlockDelta(0, "t"), _PLACE)),
        (("text", "t", ()),),
    ),
    Loss(
        "openai_chat",
        "the border between two blocks of text",
        "one text",
        tuple(
            _block(BlockKind.TEXT, BlockDelta(0, "a"))
            + _block(BlockKind.TEXT, BlockDelta(1, "b"), n=1)
        ),
        (("text", "ab", ()),),
    ),
    Loss(
        "openai_chat",
        "a signature that may not be sealed",
        "nothing; the reasoning's text stays",
        tuple(_SIGNED),
        (("reasoning", "r", ()),),
    ),
    Loss(
        "openai_responses",
        "a citation that is no web address",
        "nothing; the text it stands on stays",
        tuple(_block(BlockKind.TEXT, BlockDelta(0, "t"), _PLACE)),
        (("text", "t", ()),),
    ),
    Loss(
        "openai_responses",
        "a signature that may not be sealed, or was not asked for",
        "nothing; the reasoning's text stays",
        tuple(_SIGNED),
        (("reasoning", "r", ()),),
    ),
)


@dataclass(frozen=True, slots=True)
class Unread:
    """What only its provider's own clients know: left out on every other road, and still paid."""

    source: str
    what: str
    becomes: str
    block: dict[str, Any]  # as it opens, or stands whole, in the provider's answer


UNREAD: Final = (
    Unread(
        "anthropic_messages",
        "a server tool's call and its result",
        "nothing; the text around it stays",
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
    ),
    Unread(
        "anthropic_messages",
        "a compaction or a fallback notice",
        "nothing; its tokens are counted",
        {"type": "compaction", "content": "s", "encrypted_content": "e"},
    ),
    Unread(
        "openai_responses",
        "a hosted tool's call",
        "nothing; the text around it stays",
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    ),
)
