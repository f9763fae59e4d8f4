"""Where a conversation was led, read from what its history holds under seal."""

from __future__ import annotations

import json

from dialects.envelope import TEXT_CARRIER, Sealer
from runtime.catalog import Route
from runtime.pseudonym import Pseudonyms
from services.translator.memory import MAX_TRIED, Memory

PSEUDONYMS = Pseudonyms("key")
MEMORY = Memory({"new": b"n" * 32, "old": b"o" * 32}, PSEUDONYMS)
FIRST = Route("first", "anthropic_messages", "claude")
SECOND = Route("second", "anthropic_messages", "claude")


def body(*sealed: str) -> bytes:
    return json.dumps({"messages": [{"signature": one} for one in sealed]}).encode()


def sealer(route: Route, account: str = "acc") -> Sealer:
    return MEMORY.sealer(account, "anthropic", route)


def test_the_latest_signature_tells_the_upstream() -> None:
    sealed = [sealer(route).seal("anthropic", "s", "t", None) for route in (FIRST, SECOND)]

    assert MEMORY.origin_of(body(*sealed), "acc") == PSEUDONYMS.of_upstream("second")
    assert MEMORY.origin_of(body(*sealed[::-1]), "acc") == PSEUDONYMS.of_upstream("first")


def test_what_is_anothers_forged_or_only_text_tells_nothing() -> None:
    foreign = sealer(SECOND, "another").seal("anthropic", "s", "t", None)
    text = sealer(SECOND).seal(TEXT_CARRIER, "", "t", None)

    assert MEMORY.origin_of(body(foreign, text, "gb1.new.AAAA.AAAA", "gb1."), "acc") is None
    assert MEMORY.origin_of(b'{"messages":[]}', "acc") is None
    own = sealer(FIRST).seal("anthropic", "s", "t", None)
    assert MEMORY.origin_of(body(own, foreign, text), "acc") == PSEUDONYMS.of_upstream("first")


def test_the_search_ends_after_a_few() -> None:
    own = sealer(FIRST).seal("anthropic", "s", "t", None)
    text = sealer(FIRST).seal(TEXT_CARRIER, "", "t", None)

    assert MEMORY.origin_of(body(own, *[text] * MAX_TRIED), "acc") is None


def test_the_first_key_seals_and_every_key_opens() -> None:
    earlier = Memory({"old": b"o" * 32}, PSEUDONYMS).sealer("acc", "anthropic", FIRST)
    sealed = earlier.seal("anthropic", "s", "t", "id")

    assert sealer(FIRST).open(sealed) == ("anthropic", "s", "t", "id")
    assert sealer(FIRST).seal("anthropic", "s", "t", "id").startswith("gb1.new.")
