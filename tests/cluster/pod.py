"""Pods as the manifests describe them, run by this machine: their command, files, user and name.

What a kubelet does with a container, as far as our manifests go: ConfigMaps, Secrets and volumes
at their places, a read-only root, the user they say, no privileges. The file system is an image's,
or this machine's with what the image would bring laid over it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s.check.render import Manifest, pod_of

ENTER = Path(__file__).with_name("enter_pod.py")


@dataclass(frozen=True, slots=True)
class Root:
    """A file system: ``brought`` are programs laid over it, by the path they get."""

    lower: Path
    brought: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder of this machine at a place of the pod."""

    source: Path
    target: str
    is_read_only: bool


def enter(
    folder: Path, hostname: str, root: Root, binds: Sequence[Bind], user: tuple[int, int]
) -> tuple[str, ...]:
    """What a command begins with to run in a pod whose own files are in ``folder``."""
    for path, source in root.brought.items():
        place = folder / "upper" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
    spec = {
        "hostname": hostname,
        "lower": str(root.lower),
        "scratch": str(folder),
        "binds": [[str(one.source), one.target, one.is_read_only] for one in binds],
        "user": user[0],
        "group": user[1],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return (sys.executable, "-I", "-S", str(ENTER), str(folder / "spec.json"))


def command_of_manifest(
    manifest: Manifest,
    hostname: str,
    folder: Path,
    root: Root,
    objects: Mapping[tuple[str, str], Mapping[str, str]],
) -> tuple[str, ...]:
    """How the one container of a workload is run; ``objects``: (kind, name) → its files.

    What a pod keeps on a volume stays in ``folder`` from one start to the next.
    """
    pod = pod_of(manifest)
    (container,) = pod["containers"]
    context = pod["securityContext"] | container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    user = (context["runAsUser"], context["runAsGroup"])
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    binds = []
    for mount in container["volumeMounts"]:
        source = folder / "volumes" / mount["name"]
        _fill(source, volumes.get(mount["name"], {}), objects, user)
        binds.append(Bind(source, mount["mountPath"], mount.get("readOnly", False)))
    shutil.rmtree(folder / "own", ignore_errors=True)
    prefix = enter(folder / "own", hostname, root, binds, user)
    return (*prefix, *container["command"])


def _fill(
    place: Path,
    volume: dict[str, Any],
    objects: Mapping[tuple[str, str], Mapping[str, str]],
    user: tuple[int, int],
) -> None:
    place.mkdir(parents=True, exist_ok=True)
    files: Mapping[str, str] = {}
    if "configMap" in volume:
        files = objects["ConfigMap", volume["configMap"]["name"]]
    elif "secret" in volume:
        files = objects["Secret", volume["secret"]["secretName"]]
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o440)
    for path in (place, *place.iterdir()):
        os.chown(path, 0 if files else user[0], user[1])
