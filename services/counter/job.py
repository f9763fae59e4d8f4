"""What crosses the pipe between the service and its counting processes.

::

    report  length, msgpack
    job     length, msgpack of its headings, then each item's content as it is: never copied
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO, Final, TypeAlias

import msgspec
from msgspec import Struct

LENGTH: Final = struct.Struct(">I")
"""Stands before every msgpack value: how long it is."""


class Item(Struct, frozen=True, array_like=True):
    """One thing to count: a body of ``dialect``, or plain UTF-8 text where that is empty."""

    index: int
    model: str
    dialect: str
    content: bytes


class Job(Struct, frozen=True, array_like=True):
    items: list[Item]


class Heading(Struct, frozen=True, array_like=True):
    """An item without its content, which follows after all headings."""

    index: int
    model: str
    dialect: str
    size: int


class Counted(Struct, frozen=True, array_like=True, tag="counted"):
    """``error_median`` and ``error_p90`` are shares of the count."""

    index: int
    tokens: int
    is_calibrated: bool
    error_median: float
    error_p90: float


class Failed(Struct, frozen=True, array_like=True, tag="failed"):
    """``reason`` is UPPER_SNAKE; ``message`` one sentence without any of the content."""

    index: int
    reason: str
    message: str


class Advanced(Struct, frozen=True, array_like=True, tag="advanced"):
    """Progress on a long item, in bytes of its content (estimated) and tokens."""

    index: int
    done_bytes: int
    total_bytes: int
    tokens: int


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """The worker is ready for a job: sent once at its start and after each job.

    ``is_spent``: it has grown too large, and asks to be replaced instead.
    """

    is_spent: bool = False


Report: TypeAlias = Counted | Failed | Advanced | Finished

_REPORT: Final[msgspec.msgpack.Decoder[Report]] = msgspec.msgpack.Decoder(Report)
_HEADINGS: Final = msgspec.msgpack.Decoder(list[Heading])


def encode_report(value: Report) -> bytes:
    """A report with its length in front."""
    return _encode(value)


def _encode(value: Report | list[Heading]) -> bytes:
    data = msgspec.msgpack.encode(value)
    return LENGTH.pack(len(data)) + data


def encode_job(job: Job) -> Sequence[bytes]:
    """The pieces of a job, to be written one after the other."""
    headings = [
        Heading(item.index, item.model, item.dialect, len(item.content)) for item in job.items
    ]
    return [_encode(headings), *(item.content for item in job.items if item.content)]


def read_job(stream: BinaryIO) -> Job | None:
    """The next job; None where ``stream`` has ended, be it in the middle of one."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        return None
    items = []
    for heading in _HEADINGS.decode(data):
        content = stream.read(heading.size)
        if len(content) < heading.size:
            return None
        items.append(Item(heading.index, heading.model, heading.dialect, content))
    return Job(items)


def split_reports(data: bytes) -> tuple[list[Report], bytes]:
    """The reports that are whole in ``data``, and what is left of it."""
    reports: list[Report] = []
    at = 0
    while len(data) - at >= LENGTH.size:
        (size,) = LENGTH.unpack_from(data, at)
        end = at + LENGTH.size + size
        if end > len(data):
            break
        reports.append(_REPORT.decode(data[at + LENGTH.size : end]))
        at = end
    return reports, data[at:]
