"""The redis-ha component as production renders it fails over under load, and the money is right."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from k8s.check.render import kustomize_command
from tests.cluster.test_namespaces import processes_of, start

CLIENT = shutil.which("valkey-cli") or shutil.which("redis-cli")


pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None or CLIENT is None,
        reason="pods need root, iproute2 and a client of the store (Debian: redis-tools)",
    ),
    pytest.mark.skipif(
        kustomize_command() is None, reason="neither kubectl nor kustomize is installed"
    ),
    pytest.mark.timeout(300),
]


def test_the_primary_dies_and_nothing_is_lost_but_time(tmp_path: Path) -> None:
    process = start(tmp_path, "--failover")
    text, _ = process.communicate()

    assert process.returncode == 0, text
    assert "faults: 0" in text
    assert "came back as slave" in text
    assert processes_of(tmp_path) == []


def test_a_snapshot_brings_back_what_it_held_on_all_three(tmp_path: Path) -> None:
    process = start(tmp_path, "--restore")
    text, _ = process.communicate()

    assert process.returncode == 0, text
    assert "faults: 0" in text
    assert processes_of(tmp_path) == []
