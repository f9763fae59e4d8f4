"""The sealed envelope foreign reasoning travels in (translation-matrix §4).

``gb1.<key id>.<payload>.<mac>``, both in unpadded base64url; the MAC is HMAC-SHA-256 cut to 16
bytes over everything before it. A client keeps it as an opaque signature and sends it back; only
the gateway that sealed it, for the account it was sealed for, opens it again. What does not open
is no error: the block is left out, as a model without that memory would have it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dialects import json_text
from dialects.conversation import Reasoning

PREFIX: Final = "gb1."
_QUOTED_PREFIX: Final = f'"{PREFIX}'.encode()
MAX_CHARS: Final = 1_000_000
TEXT_CARRIER: Final = "text"
"""The carrier of reasoning that came without a signature: the text is all there is."""

_MAC_BYTES: Final = 16

Opened = tuple[str, str, str, str | None]
"""Carrier, data, text and item id of a block that was sealed."""

OpenSeal = Callable[[str], Opened | None]
Seal = Callable[[str, str, str, str | None], str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is sealed. ``origin`` and ``account`` are hashes, so that a reader learns neither."""

    carrier: str
    data: str
    text: str
    item_id: str | None = None
    family: str = ""
    model: str = ""
    origin: str = ""
    account: str = ""


def is_envelope(text: str) -> bool:
    """Whether ``text`` claims to be one; only opening tells whether it is."""
    return text.startswith(PREFIX)


def may_hold_envelope(body: bytes) -> bool:
    """Whether a request's bytes may hold one: cheap, and wrong on the safe side alone."""
    # From the end: CPython's search backwards takes half the time of its search forwards here.
    return body.rfind(_QUOTED_PREFIX) >= 0


def read_unproven(text: str) -> Envelope | None:
    """What an envelope says of itself, its MAC unchecked: to count its tokens, and nothing else."""
    parts = text.split(".")
    if len(text) > MAX_CHARS or len(parts) != 4 or f"{parts[0]}." != PREFIX:
        return None
    try:
        return _read(json_text.parse(_decode(parts[2])))
    except (binascii.Error, ValueError):
        return None


def seal(envelope: Envelope, key_id: str, key: bytes) -> str:
    """The envelope as text; the same input always gives the same text."""
    payload = json_text.render(
        {
            "u": envelope.family,
            "m": envelope.model,
            "o": envelope.origin,
            "t": envelope.carrier,
            "d": envelope.data,
            "s": envelope.text,
            "x": envelope.item_id,
            "a": envelope.account,
        }
    )
    head = f"{PREFIX}{key_id}.{_encode(payload)}"
    return f"{head}.{_encode(_mac(head, key))}"


def open_envelope(text: str, keys: Mapping[str, bytes]) -> Envelope | None:
    """The envelope, or None where the key is unknown, the MAC wrong or the shape another."""
    parts = text.split(".")
    if len(text) > MAX_CHARS or len(parts) != 4 or f"{parts[0]}." != PREFIX:
        return None
    key = keys.get(parts[1])
    if key is None:
        return None
    head = f"{PREFIX}{parts[1]}.{parts[2]}"
    try:
        if not hmac.compare_digest(_decode(parts[3]), _mac(head, key)):
            return None
        return _read(json_text.parse(_decode(parts[2])))
    except (binascii.Error, ValueError):
        return None


def _read(payload: object) -> Envelope | None:
    if not isinstance(payload, dict):
        return None
    texts = [payload.get(name) for name in ("t", "d", "s", "u", "m", "o", "a")]
    item_id = payload.get("x")
    if not all(isinstance(text, str) for text in texts):
        return None
    carrier, data, text, family, model, origin, account = map(str, texts)
    item = item_id if isinstance(item_id, str) else None
    return Envelope(carrier, data, text, item, family, model, origin, account)


def _mac(head: str, key: bytes) -> bytes:
    return hmac.digest(key, head.encode(), hashlib.sha256)[:_MAC_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens for one exchange: one account, one upstream, the keys of the moment.

    ``seal`` and ``open`` fit AnswerContext.seal and EncodeContext.open_seal.
    """

    keys: Mapping[str, bytes]
    current: str
    family: str
    model: str = ""
    origin: str = ""
    account: str = ""

    def seal(self, carrier: str, data: str, text: str, item_id: str | None) -> str:
        """The envelope for one reasoning block."""
        envelope = Envelope(
            carrier, data, text, item_id, self.family, self.model, self.origin, self.account
        )
        return seal(envelope, self.current, self.keys[self.current])

    def open(self, text: str) -> Opened | None:
        """Carrier, data, text and item id; None for another account's or another family's."""
        found = open_envelope(text, self.keys)
        if found is None or not hmac.compare_digest(found.account.encode(), self.account.encode()):
            return None
        if found.carrier != TEXT_CARRIER and not self._is_native(found):
            return None
        return found.carrier, found.data, found.text, found.item_id

    def _is_native(self, found: Envelope) -> bool:
        """Whether the upstream knows what is sealed: its own family made it, under its account."""
        is_elsewhere = found.origin and self.origin and found.origin != self.origin
        return found.family == self.family and not is_elsewhere


def open_reasoning(part: Reasoning, open_seal: OpenSeal | None) -> Reasoning | None:
    """Earlier thinking as the upstream gave it: unsealed where it was sealed, None where lost."""
    if part.data is None or not is_envelope(part.data):
        return part
    opened = open_seal(part.data) if open_seal else None
    if opened is None:
        return None
    carrier, data, text, item_id = opened
    if carrier == TEXT_CARRIER:
        return Reasoning(text, id=item_id)
    return Reasoning(text, carrier, data, item_id)
