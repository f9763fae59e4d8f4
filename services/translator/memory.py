"""Reasoning on its way through clients: sealed for one account, remembering where it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dialects.envelope import PREFIX, TEXT_CARRIER, Sealer, open_envelope
from runtime.catalog import Route
from runtime.pseudonym import Pseudonyms

MAX_TRIED: Final = 8
"""Envelopes opened, from the last one back, to learn where a conversation was led."""

_SEALED: Final = re.compile(rb'"(%b[A-Za-z0-9_.-]+)"' % re.escape(PREFIX).encode())


@dataclass(frozen=True, slots=True)
class Memory:
    """``keys`` by id, the first one seals; all of them open."""

    keys: Mapping[str, bytes]
    pseudonyms: Pseudonyms

    def sealer(self, account_id: str, family: str, route: Route) -> Sealer:
        """Seals what ``route`` answers for an account, and opens what it answered before."""
        return Sealer(
            keys=self.keys,
            current=next(iter(self.keys)),
            family=family,
            model=route.upstream_model,
            origin=self.pseudonyms.of_upstream(route.upstream),
            account=self.pseudonyms.of_account(account_id),
        )

    def origin_of(self, body: bytes, account_id: str) -> str | None:
        """The pseudonym of the upstream whose signature stands last in a body's history.

        A signature means something to the provider account that gave it alone, so the
        conversation goes on there. None where nothing sealed needs a certain upstream.
        """
        account = self.pseudonyms.of_account(account_id)
        for sealed in reversed(_SEALED.findall(body)[-MAX_TRIED:]):
            found = open_envelope(sealed.decode(), self.keys)
            if found and found.account == account and found.carrier != TEXT_CARRIER:
                return found.origin
        return None
