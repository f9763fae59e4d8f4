"""What operators may write: texts, model patterns, networks, times, each with its bounds. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from runtime.catalog import Catalog
from runtime.faults import Reason, ServiceFault
from services.auth.account import Account, ModelOverride
from services.auth.quota import MAX_RESET_DAY

PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000
MAX_NAME_LENGTH: Final = 200
MAX_REQUEST_ID_LENGTH: Final = 128
MAX_ENTRIES: Final = 200
MAX_TOKENS: Final = 10**15
_PATTERN: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}\*?")


def page_size(asked: int) -> int:
    """How many entries a page holds."""
    return min(asked if asked > 0 else PAGE_SIZE, MAX_PAGE_SIZE)


def check_name(name: str) -> None:
    """INVALID_REQUEST for a name that is empty or too long."""
    if not name.strip():
        raise _invalid("name is empty.")
    check_length("name", name, MAX_NAME_LENGTH)


def check_length(field: str, text: str, longest: int) -> None:
    """INVALID_REQUEST for more than ``longest`` characters, or letters that cannot be shown."""
    if len(text) > longest:
        raise _invalid(f"{field} has more than {longest} characters.")
    if not text.isprintable():
        raise _invalid(f"{field} has characters that cannot be shown.")


def parse_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Model ids, exact or with a trailing "*"."""
    found = tuple(dict.fromkeys(patterns))
    _check_count("models", found)
    for pattern in found:
        if not _PATTERN.fullmatch(pattern):
            raise _invalid(f"{pattern[:200]!r} is not a model id, nor one with a * at its end.")
    return found


def parse_networks(networks: Sequence[str]) -> tuple[str, ...]:
    """Networks in CIDR notation; an address alone is a network of one."""
    _check_count("networks", networks)
    found = []
    for text in networks:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            raise _invalid(f"{text[:64]!r} is not a network such as 192.0.2.0/24.") from None
    return tuple(dict.fromkeys(found))


def check_account(account: Account, catalog: Catalog) -> None:
    """INVALID_REQUEST for an account that no holder could make sense of."""
    check_name(account.name)
    parse_patterns(account.models)
    plan = catalog.plans.get(account.plan)
    if account.plan and plan is None:
        raise _invalid(f"There is no plan {account.plan[:64]!r}.")
    if plan and plan.product != account.product.value:
        raise _invalid(f"The plan {plan.name} is of the product {plan.product}.")
    _check_count("upstreams", account.upstreams)
    for name in account.upstreams:
        if name not in catalog.upstreams:
            raise _invalid(f"There is no upstream {name[:64]!r}.")
    if not 0 <= account.reset_day <= MAX_RESET_DAY:
        raise _invalid(f"reset_day is from 1 to {MAX_RESET_DAY}.")
    if account.monthly_tokens is not None and not 0 <= account.monthly_tokens <= MAX_TOKENS:
        raise _invalid("monthly_tokens is out of range.")
    _check_count("overrides", account.overrides)


def with_override(
    account: Account, override: ModelOverride, now: float
) -> tuple[ModelOverride, ...]:
    """The account's overrides with a new one in the place of any of the same model.

    One that has ended already takes the other away; ended ones are forgotten.
    """
    parse_patterns([override.model])
    others = [one for one in account.overrides_at(now) if one.model != override.model]
    return (*others, *([override] if override.ends_at > now else []))


def _check_count(field: str, entries: Sequence[object]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _invalid(f"{field} has more than {MAX_ENTRIES} entries.")


def _invalid(sentence: str) -> ServiceFault:
    return ServiceFault(Reason.INVALID_REQUEST, sentence)
