"""Upstream error text made fit for a client: what names the gateway's account goes out of it.

The words stay: Claude Code, Codex and the SDKs act on phrases such as "prompt is too long".
"""

from __future__ import annotations

import re
from typing import Final

MAX_MESSAGE: Final = 2_000

# What names the account the gateway has with a provider.
_ACCOUNT: Final = (
    re.compile(r"\bsk-[A-Za-z0-9_*.-]{4,}"),
    re.compile(r"\b(?:Bearer|Basic)\s+[A-Za-z0-9+/_=.*-]{6,}"),
    re.compile(r"\b(?:org|proj|wrkspc|acct|apikey)[-_][A-Za-z0-9_-]{6,}"),
)
_HIDDEN: Final = (
    *_ACCOUNT,
    re.compile(r"\b(?:user|req)[-_][A-Za-z0-9_-]{6,}"),
    re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    re.compile(r"\bhttps?://[^\s\"'<>)]+"),
    re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"),
    re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"),
)
_ORGANIZATION: Final = re.compile(r"(\b[Oo]rganization)\s+(?:\([^)]{1,200}\)|'[^']{1,200}')")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def names_account(text: str) -> bool:
    """Whether an upstream's answer names the gateway's own account or a part of its key."""
    return _ORGANIZATION.search(text) is not None or any(
        pattern.search(text) for pattern in _ACCOUNT
    )


def scrub_message(message: str) -> str:
    """``message`` without key fragments, account ids, addresses and control characters."""
    text = _CONTROL.sub("", message[: 2 * MAX_MESSAGE])
    text = _ORGANIZATION.sub(r"\1", text)
    for pattern in _HIDDEN:
        text = pattern.sub("[…]", text)
    return text[:MAX_MESSAGE]
