"""Whole answers: the same grammar without the stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dialects.dialect import AnswerContext
from dialects.errors import LocalDialectError, RemoteDialectError
from dialects.events import End, Event, Failure, NeedData
from dialects.openai_responses.reader import StreamReader
from dialects.openai_responses.writer import StreamWriter


def read_answer(body: dict[str, Any]) -> list[Event]:
    """A response object as the events of its stream; ends in End or Failure."""
    reader = StreamReader()
    reader.take_answer(body)
    events: list[Event] = []
    while not isinstance(event := reader.next_event(), NeedData):
        events.append(event)
    return events


def write_answer(events: Iterable[Event], context: AnswerContext) -> dict[str, Any]:
    """The response object the events add up to; a Failure raises RemoteDialectError."""
    writer = StreamWriter(context)
    for event in events:
        if isinstance(event, Failure):
            raise RemoteDialectError(event.fault)
        writer.send(event)
        if isinstance(event, End):
            return writer.response(writer.final_status)
    raise LocalDialectError("the events of an answer ended without their End")
