"""Accounts: who may use what, and whether they may now. Pure.

An account is stored as one JSON record; its fields are the operator's words for what the proto
calls Account. What is None or empty there is as the plan says (policy.py). Limits of zero mean
unlimited.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault

ID_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_LENGTH: Final = 9
_RANDOM_LENGTH: Final = 13


class Product(StrEnum):
    """What an account bought; chosen for a request by the host it came to."""

    API = "api"
    CREDITS = "credits"


class AccountState(StrEnum):
    """What an account may do. Under review it goes on as its model access says."""

    ACTIVE = "active"
    UNDER_REVIEW = "under_review"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


class Limits(msgspec.Struct, frozen=True):
    """Amounts per minute, and requests at once."""

    requests_per_minute: int = 0
    input_tokens_per_minute: int = 0
    output_tokens_per_minute: int = 0
    concurrency: int = 0

    def as_tuple(self) -> tuple[int, int, int, int]:
        """The four amounts in the order the scripts take them."""
        return (
            self.requests_per_minute,
            self.input_tokens_per_minute,
            self.output_tokens_per_minute,
            self.concurrency,
        )


class ModelOverride(msgspec.Struct, frozen=True):
    """Allows or denies models until ``ends_at``; ``model`` is an exact id or ends in "*"."""

    model: str
    allowed: bool
    ends_at: float


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One customer of one product. Times in seconds since the epoch.

    ``revision`` rises with each change, so that of two changes made at once none is lost.
    """

    account_id: str
    name: str
    product: Product
    plan: str = ""
    state: AccountState = AccountState.ACTIVE
    models: tuple[str, ...] = ()
    thinking: bool | None = None
    limits: Limits | None = None
    monthly_tokens: int | None = None
    reset_day: int = 0
    upstreams: tuple[str, ...] = ()
    overrides: tuple[ModelOverride, ...] = ()
    created_at: float = 0.0
    expires_at: float | None = None
    revision: int = 0

    def state_at(self, now: float) -> AccountState:
        """The state at ``now``: time expires an account without a word."""
        is_over = self.expires_at is not None and self.expires_at <= now
        if is_over and self.state is not AccountState.SUSPENDED:
            return AccountState.EXPIRED
        return self.state

    def overrides_at(self, now: float) -> tuple[ModelOverride, ...]:
        """The overrides that hold at ``now``."""
        return tuple(one for one in self.overrides if one.ends_at > now)


_REFUSALS: Final[dict[AccountState, tuple[Reason, str]]] = {
    AccountState.SUSPENDED: (Reason.ACCOUNT_SUSPENDED, "The account is suspended."),
    AccountState.EXPIRED: (Reason.ACCOUNT_EXPIRED, "The account has expired."),
}


def refusal(state: AccountState) -> Reason | None:
    """Why an account in this state is refused, or None where it is served."""
    entry = _REFUSALS.get(state)
    return entry[0] if entry else None


def check_admissible(account: Account, product: Product, now: float) -> None:
    """ServiceFault unless the account may be served for ``product`` at ``now``."""
    if account.product is not product:
        raise ServiceFault(
            Reason.WRONG_PRODUCT,
            "The key belongs to another product.",
            metadata={"product": account.product.value},
        )
    entry = _REFUSALS.get(account.state_at(now))
    if entry is not None:
        raise ServiceFault(*entry)


def new_id(prefix: str, now: float) -> str:
    """A random public id that sorts by time of creation, so that lists page by it."""
    stamp = _encode(int(now * 1000), _TIME_LENGTH)
    tail = "".join(secrets.choice(ID_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return f"{prefix}_{stamp}{tail}"


def _encode(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[index])
    return "".join(reversed(letters))
