"""Recorded exchanges with their provider's own count: what a calibration is fitted to.

Two forms are read: a ``.jsonl`` of rows, and a ``.json`` of one whole exchange.

::

    row       {"source", "dialect", "model", "input_tokens", "body"}
    exchange  {"source", "dialect", "model", "request": {"body"}, "response": {"status"},
               "recorded_usage": {"input_tokens_total"}}

``dialect`` starts with "anthropic", "openai.chat", or else names the Responses shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from services.counter.body import BodyFault, read_body
from services.counter.prompt import Prompt

_DIALECTS: Final = {
    "anthropic.messages": "anthropic_messages",
    "anthropic.count_tokens": "anthropic_messages",
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
    "openai.input_tokens": "openai_responses",
}
_FEW_ORIGINS: Final = 4


@dataclass(frozen=True, slots=True)
class Recording:
    """A prompt and what its provider counted; ``origin`` is where it was recorded."""

    origin: str
    model: str
    prompt: Prompt
    tokens: int


@dataclass(frozen=True, slots=True)
class Halves:
    """Recordings to fit to, and others, of other origins, to measure on."""

    fitted: list[Recording]
    held_out: list[Recording]


def load_recordings(paths: Iterable[Path]) -> tuple[list[Recording], int]:
    """(recordings, how many values were none) under ``paths``; a repeated request counts once.

    A row may be the extract of an exchange that is there too, with less in its body: of the two,
    which name the same source, the exchange is read.

    Raises OSError, and ValueError on a file that is not JSON.
    """
    found: dict[bytes, Recording] = {}
    values = [value for path in paths for value in _values(path)]
    readings = [(value, recording) for value in values if (recording := _read(value))]
    whole = {value["source"] for value, _ in readings if "request" in value and "source" in value}
    for value, recording in readings:
        if "request" in value or value.get("source") not in whole:
            found.setdefault(_identity(recording), recording)
    return list(found.values()), len(values) - len(readings)


def _identity(recording: Recording) -> bytes:
    """The same for requests whose readers are told the same."""
    name = repr((recording.model, recording.prompt))
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _values(path: Path) -> Iterator[Any]:
    files = sorted(path.rglob("*.json*")) if path.is_dir() else [path]
    for file in files:
        data = file.read_bytes()
        try:
            if file.suffix == ".jsonl":
                yield from (orjson.loads(line) for line in data.splitlines() if line)
            elif file.suffix == ".json":
                yield orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"{file} is not JSON: {error}") from error


def _read(value: Any) -> Recording | None:
    if not isinstance(value, dict):
        return None
    dialect = _DIALECTS.get(str(value.get("dialect")))
    body, tokens = _body(value), _tokens(value)
    model = value.get("model")
    if dialect is None or not tokens or not isinstance(model, str) or not isinstance(body, dict):
        return None
    try:
        prompt = read_body(orjson.dumps(body), dialect)
    except BodyFault:
        return None
    origin = str(value.get("source") or "").partition("@")[0]
    return Recording(origin or _digest(value).hex(), model, prompt, tokens)


def _body(value: dict[str, Any]) -> Any:
    request = value.get("request")
    return request.get("body") if isinstance(request, dict) else value.get("body")


def _tokens(value: dict[str, Any]) -> int | None:
    """The provider's count; None where there is none or the request was refused."""
    response, usage = value.get("response"), value.get("recorded_usage")
    if isinstance(response, dict) and response.get("status") != 200:
        return None
    tokens = (
        usage.get("input_tokens_total") if isinstance(usage, dict) else value.get("input_tokens")
    )
    return tokens if isinstance(tokens, int) else None


def _digest(value: dict[str, Any]) -> bytes:
    key = [value.get("model"), _body(value)]
    data = orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=8).digest()


def split_halves(recordings: Iterable[Recording]) -> Halves:
    """Two halves that share no origin; where origins are few, no request.

    Which half an origin falls into rests on its name alone, so more recordings move none.
    """
    recordings = list(recordings)
    are_few = len({recording.origin for recording in recordings}) < _FEW_ORIGINS
    halves = Halves([], [])
    for recording in recordings:
        name = repr(recording) if are_few else recording.origin
        is_held_out = hashlib.blake2b(name.encode(), digest_size=8).digest()[-1] & 1
        (halves.held_out if is_held_out else halves.fitted).append(recording)
    return halves
