"""Static files: few, small, named by their content, so a browser keeps them for ever."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, whole in memory."""

    content: bytes
    zipped: bytes
    content_type: str


class StaticFiles:
    """Every file of ``edge/web/static``, at ``/static/<digest>/<name>``."""

    def __init__(self) -> None:
        self._files: dict[str, StaticFile] = {}
        self._paths: dict[str, str] = {}
        for entry in sorted(
            (resources.files("edge.web") / "static").iterdir(), key=lambda e: e.name
        ):
            content_type = _TYPES.get(entry.name.rpartition(".")[2])
            if content_type is None:
                continue
            content = entry.read_bytes()
            path = f"{hashlib.sha256(content).hexdigest()[:16]}/{entry.name}"
            self._files[path] = StaticFile(content, gzip.compress(content, mtime=0), content_type)
            self._paths[entry.name] = f"/static/{path}"

    def path(self, name: str) -> str:
        """Where a page finds a file; KeyError where there is none."""
        return self._paths[name]

    async def serve(self, request: Request) -> Response:
        """Answer GET of a file."""
        found = self._files.get(request.path_params["path"])
        if found is None:
            return Response(status_code=404)
        headers = {
            "content-type": found.content_type,
            "cache-control": "public, max-age=31536000, immutable",
            "vary": "accept-encoding",
        }
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.content, headers=headers)
        return Response(found.zipped, headers=headers | {"content-encoding": "gzip"})
