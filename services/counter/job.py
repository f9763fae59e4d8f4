"""What crosses the pipe between the service and its counting processes."""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

LENGTH: Final = struct.Struct(">I")
"""Every frame is its length, then a msgpack value."""


class Item(Struct, frozen=True, array_like=True):
    """One thing to count: a body of ``dialect``, or plain UTF-8 text where that is empty."""

    index: int
    model: str
    dialect: str
    content: bytes


class Job(Struct, frozen=True, array_like=True):
    items: list[Item]


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
_JOB: Final[msgspec.msgpack.Decoder[Job]] = msgspec.msgpack.Decoder(Job)


def encode_frame(value: Job | Report) -> bytes:
    """A frame with its length in front."""
    data = msgspec.msgpack.encode(value)
    return LENGTH.pack(len(data)) + data


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


def decode_job(data: bytes) -> Job:
    return _JOB.decode(data)
