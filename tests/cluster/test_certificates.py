"""Every process behind certificates, and new ones for all of them under load."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme

from tests.certificates import write_identity
from tests.cluster.cluster import running_cluster
from tests.cluster.load import SHAPES, steady_load
from tests.cluster.names import DOMAIN
from tests.cluster.plan import KINDS

# Longer than a process takes to look at its files and to renew its connections.
RENEWED_S = 12


def issue(folder: Path, authority: trustme.CA) -> Path:
    """An identity for every process and for the operator."""
    for name in (*KINDS, "operator"):
        write_identity(folder / name, authority, name, f"{name}.{DOMAIN}")
    return folder


@pytest.mark.timeout(180)
async def test_certificates_are_renewed_under_load_without_a_loss(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificates = issue(tmp_path / "certificates", authority)
    settings = {"GATEBEYZ_DRAIN_PAUSE_S": "0"}

    async with running_cluster(
        tmp_path, dict.fromkeys(KINDS, 1), settings, certificates
    ) as cluster:
        async with steady_load(lambda: cluster.edges, cluster.key, 6) as tally:
            await asyncio.sleep(4)
            before = tally.answered.total()
            issue(certificates, authority)
            await asyncio.sleep(RENEWED_S)
        logs = {name: cluster.replicas[name][0].child.log.read_text() for name in KINDS}

    print(tally.render())
    assert tally.lost == []
    assert tally.cut == []
    assert before > 0
    assert all(tally.answered[shape.name] for shape in SHAPES)
    assert [name for name in KINDS if "certificate changed" not in logs[name]] == []
