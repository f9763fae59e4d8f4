"""Every dialect there is; an incomplete one is an import error."""

from __future__ import annotations

from typing import Final

from dialects import anthropic_messages, openai_chat, openai_responses
from dialects.dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {
    package.DIALECT.name: package.DIALECT
    for package in (anthropic_messages, openai_chat, openai_responses)
}


def dialect_of(name: str) -> Dialect:
    """The dialect of that name; KeyError for a name no dialect has."""
    return DIALECTS[name]
