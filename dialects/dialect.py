"""The shape every dialect has: one value with one entry per moment of an exchange.

An exchange has four moments (request, stream, whole answer, fault) and each is carried in both
directions, so a dialect is complete or it does not exist: the registry builds a
:class:`Dialect` for each grammar at import, and a missing entry is an import error.

The engines (Reader, Writer, Tap) follow one contract and do no I/O: ``receive_data`` stores
bytes, ``next_event`` gives an event or NEED_DATA, ``close`` says that no more bytes will come,
``send`` gives the bytes for an event. Readers never raise on what an upstream sends: broken bytes
become a :class:`~dialects.events.Failure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialects.capabilities import Capabilities
from dialects.conversation import Conversation
from dialects.envelope import OpenSeal, Seal
from dialects.errors import Fault
from dialects.events import Event, NeedData
from dialects.usage import Usage


class Reader(Protocol):
    """Upstream bytes → neutral events."""

    def receive_data(self, data: bytes) -> None:
        """Store bytes; any split of the stream gives the same events."""

    def next_event(self) -> Event | NeedData:
        """The next event. After End or Failure: NEED_DATA for ever."""

    def close(self) -> None:
        """The upstream closed. Without its terminal event the stream ends in a Failure."""


class Writer(Protocol):
    """Neutral events → the client's bytes."""

    def send(self, event: Event) -> bytes:
        """The bytes for one event (b"" where it has none). LocalDialectError out of order."""


class Tap(Protocol):
    """Watches a same-dialect stream go by: flat cost, bytes untouched, no object per event."""

    def receive_data(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    @property
    def usage(self) -> Usage: ...

    @property
    def has_total(self) -> bool:
        """Whether ``usage`` tells the whole output, and not what an opening event said of it."""

    @property
    def is_complete(self) -> bool:
        """Whether the dialect's terminal event went by."""

    @property
    def has_content(self) -> bool:
        """Whether anything but keep-alives and the opening event went by."""

    @property
    def failure(self) -> Fault | None:
        """The error event that went by, if one did."""


@dataclass(slots=True)
class AnswerContext:
    """What a Writer must know of the request it answers.

    ``tools`` maps the names sent upstream back to the client's (hashed, flattened or wrapped
    ones): upstream name → ToolAlias. ``now`` is seconds since the epoch, ``new_id`` gives
    24 random characters: clock and chance are inputs, so that the grammar stays pure.
    """

    model: str
    request_id: str
    now: int
    new_id: Callable[[], str]
    include_usage: bool = False
    include_encrypted: bool = False
    input_estimate: int | None = None
    stops: list[str] = field(default_factory=list)  # to emulate: the upstream has none
    tools: dict[str, ToolAlias] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)  # the client's body, for echoes
    seal: Seal | None = None
    """Seals reasoning (carrier, data, text, item id) into an envelope; None leaves it out."""


@dataclass(frozen=True, slots=True)
class ToolAlias:
    """What the client calls a tool the upstream knows by another name."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


@dataclass(slots=True)
class EncodeContext:
    """What an encoder must know of where the request goes.

    ``open_seal`` opens an envelope (carrier, data, text, item id) or gives None if it is not ours.
    ``tools`` is filled by the encoder: see AnswerContext.tools.
    """

    model: str
    capabilities: Capabilities
    user: str | None = None  # the account's stable pseudonym
    stream: bool = True
    tools: dict[str, ToolAlias] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)  # filled: stop sequences the Writer must emulate
    open_seal: OpenSeal | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What of a stream a client has already: its first frames and its latest, b"" for none."""

    first: bytes = b""
    last: bytes = b""


@dataclass(frozen=True, slots=True)
class Peek:
    """What the edge needs of a body, without decoding the rest."""

    model: str
    stream: bool
    max_tokens: int | None
    thinking: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """One grammar, whole.

    ``field_names``: the neutral request's words that are called otherwise here; errors and
    warnings speak of fields as their client knows them. ``identity`` gives the fields that name
    the end user, with a pseudonym in the place of what the client said. ``check_headers`` refuses
    a body its request's own headers rule out; ``request_headers`` are those an encoded body needs.
    """

    name: str
    path: str
    peek: Callable[[dict[str, Any]], Peek]
    decode_request: Callable[[dict[str, Any]], Conversation]
    check_headers: Callable[[dict[str, Any], Mapping[str, str]], None]
    field_names: Mapping[str, str]
    identity: Callable[[str], Mapping[str, Any]]
    encode_request: Callable[[Conversation, EncodeContext], dict[str, Any]]
    request_headers: Callable[[dict[str, Any]], dict[str, str]]
    unseal_history: Callable[[dict[str, Any], OpenSeal], dict[str, Any]]
    reader: Callable[[], Reader]
    writer: Callable[[AnswerContext], Writer]
    tap: Callable[[], Tap]
    read_answer: Callable[[dict[str, Any]], list[Event]]
    write_answer: Callable[[Iterable[Event], AnswerContext], dict[str, Any]]
    usage_of: Callable[[dict[str, Any]], Usage]
    parse_fault: Callable[[int, bytes], Fault]
    render_fault: Callable[[Fault, str], tuple[int, dict[str, Any]]]
    render_stream_fault: Callable[[Fault, str, Sent], bytes]
    keepalive: Callable[[Sent], bytes]
