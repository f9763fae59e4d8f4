"""What the official clients demand of a stream, as checkers: one module per dialect.

A checker takes a stream's bytes as they come and raises :class:`GrammarError` at the first byte
that breaks a rule; ``close`` demands that the stream has ended as its dialect ends. The rules are
stricter than any one client: a stream that passes is accepted by all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.grammar.anthropic_messages import MessagesChecker
from tests.grammar.frame import Checker, GrammarError
from tests.grammar.openai_chat import ChatChecker
from tests.grammar.openai_responses import ResponsesChecker

CHECKERS: Final[dict[str, Callable[[], Checker]]] = {
    "anthropic_messages": MessagesChecker,
    "openai_chat": ChatChecker,
    "openai_responses": ResponsesChecker,
}

__all__ = ["CHECKERS", "Checker", "GrammarError", "check_stream"]


def check_stream(dialect: str, data: bytes) -> None:
    """Check a whole stream, terminal event included."""
    checker = CHECKERS[dialect]()
    checker.receive_data(data)
    checker.close()
