"""A request's body: read within bounds, decompressed within bounds, checked before it is believed.

What arrives is hostile. Sizes are checked before bytes are kept, structure is counted before a
parser builds it (a legal 33 MB body of empty arrays costs a parser seconds and half a gigabyte),
and keys that decide something may stand only once, because parsers disagree on which one counts.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any, Final

import orjson
import zstandard
from starlette.types import Receive

from dialects.body import BodyError, find_repeated
from runtime.faults import Reason, ServiceFault

MAX_DEPTH: Final = 200
MAX_STRUCTURE: Final = 500_000
DECIDING_KEYS: Final = frozenset(
    {"model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "thinking"}
)
_QUOTED_KEYS: Final = tuple(b'"%b"' % key.encode() for key in DECIDING_KEYS)
# What is smaller is sooner searched for those keys than read from key to key.
SCANNED_BYTES: Final = 4_096
FIRST_TIMEOUT_S: Final = 30.0
BYTES_PER_S: Final = 16 * 1024


class ClientGoneError(Exception):
    """The client closed before its request was whole."""


def _invalid(message: str) -> ServiceFault:
    return ServiceFault(Reason.INVALID_REQUEST, message)


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The body, decoded; ServiceFault TOO_LARGE, INVALID_REQUEST, or ClientGoneError."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        body = await _receive(receive, limit)
    except TimeoutError:
        raise _invalid("The request body arrived too slowly.") from None
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    return body if encoding in (b"", b"identity") else _decompress(body, encoding, limit)


async def _receive(receive: Receive, limit: int) -> bytes:
    """All of it as it comes; TimeoutError where that is too slowly."""
    pieces: list[bytes] = []
    size = 0
    deadline = asyncio.get_running_loop().time() + FIRST_TIMEOUT_S
    async with asyncio.timeout_at(deadline) as patience:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)
            patience.reschedule(deadline + size / BYTES_PER_S)


def _too_large(limit: int) -> ServiceFault:
    return ServiceFault(
        Reason.TOO_LARGE, f"The request body is larger than {limit // 1_048_576} MB."
    )


def _decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    try:
        if encoding == b"gzip":
            inflater = zlib.decompressobj(wbits=31)
            plain = inflater.decompress(body, limit + 1)
            if len(plain) <= limit and not inflater.eof:
                raise _invalid("The gzip body is not whole.")
        elif encoding == b"zstd":
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body)
            plain = reader.read(limit + 1)
        else:
            raise _invalid("content-encoding must be identity, gzip or zstd.")
    except (zlib.error, zstandard.ZstdError):
        raise _invalid("The request body does not match its content-encoding.") from None
    if len(plain) > limit:
        raise ServiceFault(
            Reason.TOO_LARGE,
            f"The decompressed request body is larger than {limit // 1_048_576} MB.",
        )
    return plain


def parse_body(body: bytes) -> dict[str, Any]:
    """The body as an object; ServiceFault INVALID_REQUEST with what is wrong."""
    if len(body) > MAX_STRUCTURE and body.count(b"{") + body.count(b"[") > MAX_STRUCTURE:
        raise _invalid("The request body holds too many JSON values.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"The request body is not valid JSON: {_where(error)}.") from None
    if not isinstance(parsed, dict):
        raise _invalid("The request body must be a JSON object.")
    if _has_many(body, b"{") or _has_many(body, b"["):
        _check_depth(parsed)
    _check_duplicates(body)
    return parsed


def _where(error: orjson.JSONDecodeError) -> str:
    """The parser's complaint without the document it quotes."""
    reason = error.msg.split(": line", 1)[0]
    return f"{reason} at line {error.lineno}, column {error.colno}"


def _has_many(body: bytes, bracket: bytes) -> bool:
    """Whether a bracket stands so often that values might be nested too deeply."""
    at = -1
    for _ in range(MAX_DEPTH // 2):
        at = body.find(bracket, at + 1)
        if at < 0:
            return False
    return True


def _check_depth(parsed: dict[str, Any]) -> None:
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise _invalid(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _check_duplicates(body: bytes) -> None:
    """Refuse a top-level key that decides something and stands twice (escaped spellings too)."""
    is_small = len(body) < SCANNED_BYTES and b"\\u00" not in body
    if is_small and not any(body.count(quoted) > 1 for quoted in _QUOTED_KEYS):
        return
    try:
        repeated = find_repeated(body, DECIDING_KEYS)
    except BodyError as error:
        raise _invalid(f"{str(error).capitalize()}.") from None
    if repeated is not None:
        raise _invalid(f'"{repeated}" stands more than once in the request body.')
