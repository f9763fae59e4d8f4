"""An overlay as the objects a cluster would get."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

OVERLAYS: Final = Path(__file__).resolve().parents[1] / "overlays"
_COMMANDS: Final[tuple[tuple[str, ...], ...]] = (("kubectl", "kustomize"), ("kustomize", "build"))


class RenderError(Exception):
    """There is no kustomize here, or it refused; the text is its own."""


def kustomize_command() -> tuple[str, ...] | None:
    """How kustomize is called on this machine; None where it is not installed."""
    found = (command for command in _COMMANDS if shutil.which(command[0]))
    return next(found, None)


def overlay_names() -> list[str]:
    """Every overlay, by the name of its folder."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def render(folder: Path) -> list[Manifest]:
    """Raises RenderError."""
    command = kustomize_command()
    if command is None:
        raise RenderError("neither kubectl nor kustomize is installed")
    done = subprocess.run(  # noqa: S603 - a fixed command on a folder of ours
        [*command, str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RenderError(done.stderr.strip())
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of these kinds, in their order."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def name_of(manifest: Manifest) -> str:
    """ "Deployment/edge"."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def workloads(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Whatever makes pods."""
    return of_kind(manifests, "Deployment", "StatefulSet")


def pod_of(workload: Manifest) -> dict[str, Any]:
    """The pod's spec."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def pod_labels(workload: Manifest) -> dict[str, str]:
    """The labels its pods carry."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"].get("labels", {})
    return labels


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether every label of the selector is there."""
    return bool(selector) and selector.items() <= labels.items()
