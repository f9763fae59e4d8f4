"""Members: the people behind an account, how they prove it, and how long that lasts. Pure.

A member belongs to one realm: the panel of one product, with one account, or the operator's pages.
Whatever a browser keeps (a session's token, a link's) is random and kept here by its hash alone.
``epoch`` counts how often every session of a member was ended: a session of an earlier one is over.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault

SESSION_S: Final = 12 * 3600.0
IDLE_S: Final = 30 * 60.0
CONFIRMED_S: Final = 10 * 60.0
# A visit every few seconds need not write every few seconds.
TOUCH_S: Final = 60.0
LINK_S: Final = {"password": 72 * 3600.0, "sign_in": 3600.0}

MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_LENGTH: Final = 256
MAX_TOKEN_LENGTH: Final = 128
MAX_EMAIL_LENGTH: Final = 254
_EMAIL: Final = re.compile(r"[^\s@<>\"'(),;:\\\[\]]{1,64}@[a-z0-9.-]{1,189}")


class Realm(StrEnum):
    """The site a member signs in to."""

    API = "api"
    CREDITS = "credits"
    OPERATORS = "operators"


class LinkKind(StrEnum):
    """What a one-time link does."""

    PASSWORD = "password"  # noqa: S105 - a kind, not a secret
    SIGN_IN = "sign_in"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One person in one realm. ``password`` is an argon2id verifier, "" where none was set.

    ``subject`` is who vouched by OpenID Connect for the address first: no other one can later.
    """

    member_id: str
    realm: Realm
    email: str
    account_id: str = ""
    password: str = ""
    subject: str = ""
    epoch: int = 0
    created_at: float = 0.0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in. Times in seconds since the epoch."""

    member_id: str
    epoch: int
    created_at: float
    seen_at: float
    confirmed_at: float

    def expires_at(self) -> float:
        """When it ends if nothing more is heard of it."""
        return min(self.created_at + SESSION_S, self.seen_at + IDLE_S)

    def is_good(self, member: Member, now: float) -> bool:
        """Whether it still stands for the member."""
        return self.epoch == member.epoch and now < self.expires_at()

    def is_confirmed(self, member: Member, now: float) -> bool:
        """Whether a dangerous step may be taken; whoever has no password cannot be asked for it."""
        return not member.password or now < self.confirmed_at + CONFIRMED_S


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One unused link; void once its member's sessions were ended or its password set."""

    member_id: str
    kind: LinkKind
    epoch: int


def open_session(member: Member, now: float) -> Session:
    """A session that begins now."""
    return Session(
        member_id=member.member_id,
        epoch=member.epoch,
        created_at=now,
        seen_at=now,
        confirmed_at=now,
    )


def mint_token() -> str:
    """256 random bits for a browser to keep."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of a token. A fast hash is enough: nobody guesses 256 bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def parse_email(text: str) -> str:
    """An address as it is compared: without surrounding space, in small letters."""
    email = text.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise ServiceFault(Reason.INVALID_REQUEST, "This is not an e-mail address.")
    return email


def check_password(password: str, email: str) -> None:
    """INVALID_REQUEST for a password that is too short, too long or the address itself."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ServiceFault(
            Reason.INVALID_REQUEST,
            f"A password has at least {MIN_PASSWORD_LENGTH} characters.",
            metadata={"param": "new_password"},
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise ServiceFault(
            Reason.INVALID_REQUEST,
            f"A password has at most {MAX_PASSWORD_LENGTH} characters.",
            metadata={"param": "new_password"},
        )
    if password.strip().lower() == email or len(set(password)) < MIN_PASSWORD_LENGTH // 3:
        raise ServiceFault(
            Reason.INVALID_REQUEST,
            "This password is too easy to guess.",
            metadata={"param": "new_password"},
        )
