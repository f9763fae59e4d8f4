"""What is shipped: both wheels built for real, and an image that is made of what stands here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("admission", "cli", "dialects", "edge", "laptop", "runtime", "services")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
CALL = """
import gatebeyz.inference.v1.inference_pb2_grpc as stubs
from gatebeyz.inference.v1 import inference_pb2
request = inference_pb2.GenerateRequest(model="m", body=b"{}")
assert inference_pb2.GenerateRequest.FromString(request.SerializeToString()) == request
print(stubs.__file__)
"""


def build_wheel(source: Path, folder: Path) -> zipfile.ZipFile:
    """The wheel of a source folder; nothing is fetched for it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


def test_the_wheel_holds_every_file_of_every_room(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with build_wheel(ROOT, tmp_path) as wheel:
        shipped = set(wheel.namelist())

    assert set(listed.stdout.split()) - shipped == set()
    assert "gatebeyz/auth/v1/auth_pb2.py" in shipped
    assert not any(name.startswith("tests/") or name.endswith(".pth") for name in shipped)


def test_the_client_wheel_is_enough_to_call_with(tmp_path: Path) -> None:
    installed = tmp_path / "site"
    with build_wheel(ROOT / "protos", tmp_path) as wheel:
        shipped = set(wheel.namelist())
        wheel.extractall(installed)

    environ = {**os.environ, "PYTHONPATH": str(installed)}
    called = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=tmp_path, env=environ, check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert called.stdout.startswith(str(installed))
    assert {"gatebeyz/py.typed", "gatebeyz/inference/v1/inference.proto"} <= shipped
    assert all(name.startswith(("gatebeyz/", "gatebeyz_client-")) for name in shipped)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_requirement_is_pinned_with_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]

    assert entries
    assert [
        e for e in entries if not re.search(r"==\S+.*--hash=sha256:[0-9a-f]{64}", e, re.S)
    ] == []
    assert "://" not in text


def test_the_image_copies_only_what_is_there_and_what_the_builder_gets() -> None:
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.M)
        for source in line.split()[:-1]
    ]
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8")
    allowed = set(re.findall(r"^!(.+)$", ignore, re.M))

    assert set(ROOMS) <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert set(sources) == allowed


def test_the_image_runs_as_nobody_and_fetches_nothing_unpinned() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", CONTAINERFILE, re.M)
    users = re.findall(r"^USER (.+)$", CONTAINERFILE, re.M)
    installs = re.findall(r"pip install (.+)", CONTAINERFILE)

    assert stages[-1][1] == "gatebeyz", "the last stage is what a plain build gives"
    assert {base for base, _ in stages} == {"${BASE}", "scratch"}
    assert users == ["65532:65532"]
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert not re.search(r"\b(ADD|curl|wget|apt-get)\b|:latest", CONTAINERFILE)
