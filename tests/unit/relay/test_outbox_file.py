"""Settlements over a restart: what a killed relay knew, and what a torn file still tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from services.relay.outbox_file import SEGMENT_S, OutboxFile, OutboxInUse


def settlement(request_id: str, output: int = 0) -> ledger_pb2.Settlement:
    usage = inference_pb2.Usage(output_tokens=output, estimated=not output)
    return ledger_pb2.Settlement(request_id=request_id, account_id="acc", usage=usage)


def reopen(file: OutboxFile, folder: Path) -> tuple[OutboxFile, dict[str, int]]:
    """As after a death: the next process, and the output it finds by request."""
    file.close()
    opened = OutboxFile(folder)
    return opened, {one.request_id: one.usage.output_tokens for one in opened.replay()}


def test_a_restart_finds_what_was_settled_and_what_was_left_open(tmp_path: Path) -> None:
    file = OutboxFile(tmp_path)
    file.rotate([])
    for name in ("ended", "cut off"):
        file.begin(settlement(name))
    file.settle(settlement("ended", 7))
    file, found = reopen(file, tmp_path)
    assert found == {"ended": 7, "cut off": 0}
    file.close()


def test_a_torn_record_ends_its_file_and_nothing_else(tmp_path: Path) -> None:
    file = OutboxFile(tmp_path)
    file.rotate([])
    file.settle(settlement("whole", 1))
    file.settle(settlement("torn", 2))
    [path] = tmp_path.glob("*.settlements")
    for size in range(path.stat().st_size - 1, 0, -1):
        os.truncate(path, size)
        file, found = reopen(file, tmp_path)
        assert found in ({"whole": 1}, {})
    file.close()


def test_a_record_whose_bytes_changed_is_not_taken(tmp_path: Path) -> None:
    file = OutboxFile(tmp_path)
    file.rotate([])
    file.settle(settlement("whole", 1))
    [path] = tmp_path.glob("*.settlements")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    file, found = reopen(file, tmp_path)
    assert found == {}
    file.close()


def test_a_new_file_begins_with_what_is_open_or_unsent(tmp_path: Path) -> None:
    now = [1_000.0]
    file = OutboxFile(tmp_path, clock=lambda: now[0])
    file.rotate([])
    file.begin(settlement("open"))
    file.settle(settlement("unsent", 3))
    file.settle(settlement("sent", 4))
    for _ in range(3):
        assert not file.is_full()
        now[0] += SEGMENT_S
        assert file.is_full()
        file.rotate([settlement("unsent", 3)])
    # What was sent long ago is gone; what was not is still there.
    assert len(list(tmp_path.glob("*.settlements"))) == 2
    file, found = reopen(file, tmp_path)
    assert found == {"open": 0, "unsent": 3}
    file.close()


def test_two_relays_do_not_share_a_folder(tmp_path: Path) -> None:
    file = OutboxFile(tmp_path)
    with pytest.raises(OutboxInUse):
        OutboxFile(tmp_path)
    file.close()
    OutboxFile(tmp_path).close()


def test_a_full_disk_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = OutboxFile(tmp_path)
    file.rotate([])

    def fail(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        file.settle(settlement("lost", 1))
        assert not file.is_healthy
    file.rotate([settlement("lost", 1)])
    assert file.is_healthy
    file, found = reopen(file, tmp_path)
    assert found == {"lost": 1}
    file.close()
