"""Times between protos, forms and templates. All of them are UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def read_moment(message: Message, field: str) -> datetime | None:
    """A Timestamp field as a datetime; None where it is absent."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)


def parse_day(text: str) -> date | None:
    """A day as a form's date field sends it; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def end_of(day: date) -> Timestamp:
    """The last second of a day."""
    stamp = Timestamp()
    stamp.FromDatetime(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC))
    return stamp


def stamp_of(moment: datetime) -> Timestamp:
    """A datetime as a Timestamp."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
