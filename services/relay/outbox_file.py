"""Settlements on disk until the ledger has had them for a while: what a killed relay knew.

Two kinds of record in one append-only file::

    length (4 bytes) · CRC-32 (4 bytes) · kind (1 byte) · settlement (protobuf)
      b"B"  a request goes to an upstream now: what to record should nothing more be known
      b"S"  its settlement

Nothing is ever marked as sent: recording is idempotent, so a restart sends everything again. The
file is left for a new one every ``SEGMENT_S``; what is still open or unsent is written over, and
the one before the last is removed. A record cut off by a crash ends the reading of its file.

A write goes to the kernel and is safe from the death of the process, not from that of the machine.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from gatebeyz.ledger.v1 import ledger_pb2
from runtime.logs import get_logger

SEGMENT_S: Final = 600.0
SEGMENT_BYTES: Final = 64 * 1024 * 1024
_HEAD: Final = struct.Struct(">II")
_BEGUN: Final = b"B"
_SETTLED: Final = b"S"
_SUFFIX: Final = ".settlements"

Name = tuple[str, str]


class OutboxInUse(Exception):
    """Another relay keeps its settlements in this folder; the text says which."""


class OutboxFile:
    """``replay`` first, then ``begin`` and ``settle``; both never fail and never wait long.

    A disk that is full or broken makes ``is_healthy`` false; settlements go on in memory.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._clock = clock
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise OutboxInUse(f"another relay keeps its settlements in {folder}") from None
        self._descriptor = -1
        self._size = 0
        self._rotate_at = 0.0
        self._begun: dict[Name, ledger_pb2.Settlement] = {}
        self.is_healthy = True

    def close(self) -> None:
        """Close the file; its records stay for the next start."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        os.close(self._lock)

    def replay(self) -> list[ledger_pb2.Settlement]:
        """What an earlier process knew: its settlements, and an estimate of what it left open."""
        begun: dict[Name, ledger_pb2.Settlement] = {}
        settled: dict[Name, ledger_pb2.Settlement] = {}
        for path in self._segments():
            for kind, settlement in _read(path):
                (settled if kind == _SETTLED else begun)[_name(settlement)] = settlement
        left_open = [one for name, one in begun.items() if name not in settled]
        if left_open:
            get_logger().warning("requests cut off by a crash", count=len(left_open))
        return [*settled.values(), *left_open]

    def begin(self, estimate: ledger_pb2.Settlement) -> None:
        """A request goes to an upstream; ``estimate`` is recorded should we die with it."""
        self._begun[_name(estimate)] = estimate
        self._write(_BEGUN, estimate)

    def settle(self, settlement: ledger_pb2.Settlement) -> None:
        """A request ended."""
        self._begun.pop(_name(settlement), None)
        self._write(_SETTLED, settlement)

    def is_full(self) -> bool:
        """Whether the file is to be left for a new one."""
        return self._clock() >= self._rotate_at or self._size > SEGMENT_BYTES

    def rotate(self, unsent: Iterable[ledger_pb2.Settlement]) -> None:
        """Begin a new file with what is open or unsent; all but the last one go."""
        try:
            earlier = self._segments()
            path = self._folder / f"{int(self._clock() * 1000):015d}{_SUFFIX}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            self._break(error)
            return
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0
        self._rotate_at = self._clock() + SEGMENT_S
        self.is_healthy = True
        for estimate in self._begun.values():
            self._write(_BEGUN, estimate)
        for settlement in unsent:
            self._write(_SETTLED, settlement)
        if self.is_healthy:
            for old in earlier[:-1]:
                old.unlink(missing_ok=True)

    def _write(self, kind: bytes, settlement: ledger_pb2.Settlement) -> None:
        if self._descriptor < 0:
            return
        payload = kind + settlement.SerializeToString()
        record = _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            written = os.write(self._descriptor, record)
        except OSError as error:
            self._break(error)
            return
        self._size += written
        if written < len(record):
            # The torn record would hide what follows: go on in a new file.
            self._rotate_at = 0.0

    def _break(self, error: OSError) -> None:
        if self.is_healthy:
            get_logger().error("settlements kept in memory alone", error=error.strerror)
        self.is_healthy = False

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))


def _read(path: Path) -> Iterator[tuple[bytes, ledger_pb2.Settlement]]:
    data = path.read_bytes()
    place = 0
    while place + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, place)
        payload = data[place + _HEAD.size : place + _HEAD.size + length]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            get_logger().warning("settlements end in a torn record", file=path.name, at=place)
            return
        yield payload[:1], ledger_pb2.Settlement.FromString(payload[1:])
        place += _HEAD.size + length


def _name(settlement: ledger_pb2.Settlement) -> Name:
    return settlement.account_id, settlement.request_id


def open_file(folder: str) -> OutboxFile | None:
    """The file of a process at its start, None without a folder; exits where it is taken."""
    if not folder:
        get_logger().warning("settlements are kept in memory alone: GATEBEYZ_RELAY_OUTBOX is empty")
        return None
    try:
        return OutboxFile(Path(folder))
    except (OSError, OutboxInUse) as error:
        sys.exit(f"configuration: GATEBEYZ_RELAY_OUTBOX: {error}")
