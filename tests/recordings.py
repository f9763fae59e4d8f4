"""The recorded provider exchanges beside the project: read, never copied.

``load_cases`` skips the calling test where the recordings are absent and says so; in CI their
absence is a failure.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@dataclass(frozen=True, slots=True)
class Case:
    """One exchange: ``answer`` is the body's bytes (an object is rendered compactly)."""

    file: str
    dialect: str
    model: str
    streaming: bool
    status: int
    features: tuple[str, ...]
    usage: dict[str, Any]
    request: dict[str, Any] | None
    answer: bytes
    is_stream: bool

    def __str__(self) -> str:
        return self.file


def require_recordings() -> Path:
    """The folder, or a skip (a failure in CI)."""
    if not RECORDINGS.is_dir():
        message = "recordings are absent: they stand in ../shared/recordings"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return RECORDINGS


@cache
def _read_all() -> tuple[Case, ...]:
    lines = (RECORDINGS / "INDEX.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_read_case(json.loads(line)) for line in lines)


def _read_case(entry: dict[str, Any]) -> Case:
    data = json.loads((RECORDINGS / entry["file"]).read_text(encoding="utf-8"))
    body = data["response"]["body"]
    is_text = isinstance(body, str)
    answer = body if is_text else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Case(
        file=entry["file"],
        dialect=entry["dialect"],
        model=entry["model"] or "unknown",
        streaming=entry["streaming"],
        status=entry["status"],
        features=tuple(entry["features"]),
        usage=entry.get("usage") or {},
        request=data["request"],
        answer=answer.encode("utf-8", "surrogatepass"),
        is_stream=is_text,
    )


def load_cases(dialect: str | None = None, *, streams: bool | None = None) -> list[Case]:
    """Cases of a dialect ("anthropic.messages", "openai.chat", "openai.responses", …) or all."""
    require_recordings()
    return [
        case
        for case in _read_all()
        if (dialect is None or case.dialect == dialect)
        and (streams is None or case.is_stream == streams)
    ]
