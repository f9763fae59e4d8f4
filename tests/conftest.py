"""What holds for every test: no stream is written that its dialect's grammar would refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from dialects.anthropic_messages.writer import MessagesWriter
from dialects.events import End, Event, Failure
from dialects.openai_chat.stream import ChatWriter
from dialects.openai_responses.writer import StreamWriter
from tests.grammar import CHECKERS, Checker

# The same examples on every run, and as long as a busy machine needs for them.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

_WRITERS: dict[type[Any], str] = {
    MessagesWriter: "anthropic_messages",
    ChatWriter: "openai_chat",
    StreamWriter: "openai_responses",
}


@pytest.fixture(autouse=True)
def _written_streams_obey_their_grammar(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each Writer's bytes pass its dialect's checker as they are written, to the last event."""
    if request.node.get_closest_marker("bench"):
        return
    checkers: dict[int, tuple[Any, Checker]] = {}  # the writer is kept, so that its id stays its

    def checked(send: Callable[[Any, Event], bytes], dialect: str) -> Callable[[Any, Event], bytes]:
        def send_checked(writer: Any, event: Event) -> bytes:
            data = send(writer, event)
            known = checkers.get(id(writer)) or (writer, CHECKERS[dialect]())
            checkers[id(writer)] = known
            known[1].receive_data(data)
            if isinstance(event, (End, Failure)):
                known[1].close()
                del checkers[id(writer)]
            return data

        return send_checked

    for writer, dialect in _WRITERS.items():
        monkeypatch.setattr(writer, "send", checked(writer.send, dialect))
