"""An image as a file system of this machine, with what it says of how it is run."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Image:
    """``root`` is mounted as long as the image is open."""

    name: str
    root: Path
    user: tuple[int, int]
    environ: dict[str, str]
    entrypoint: tuple[str, ...]


@contextlib.contextmanager
def open_image(name: str) -> Iterator[Image]:
    """Mount an image that buildah has."""
    container = _buildah("from", "--pull-never", name)
    try:
        root = Path(_buildah("mount", container))
        config = json.loads(_buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        user, _, group = config["User"].partition(":")
        environ = dict(pair.split("=", 1) for pair in config["Env"])
        yield Image(name, root, (int(user), int(group)), environ, tuple(config["Entrypoint"]))
    finally:
        _buildah("rm", container)


def _buildah(*arguments: str) -> str:
    return subprocess.run(
        ["buildah", *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
