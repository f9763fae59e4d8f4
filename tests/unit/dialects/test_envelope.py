"""The sealed reasoning envelope: opens for whom it was sealed, and for nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.conversation import Reasoning
from dialects.envelope import (
    Sealer,
    is_envelope,
    may_hold_envelope,
    open_envelope,
    open_reasoning,
    read_unproven,
)

KEYS = {"k1": b"1" * 32, "k2": b"2" * 32}


def sealer(**changes: str) -> Sealer:
    fields = {"family": "openai", "account": "acc", "origin": "org", **changes}
    return Sealer(keys=KEYS, current="k2", **fields)


@given(st.text(), st.text(), st.none() | st.text(max_size=20))
def test_what_is_sealed_opens_exactly(data: str, text: str, item_id: str | None) -> None:
    data, text = (part.encode("utf-8", "replace").decode() for part in (data, text))
    item_id = item_id and item_id.encode("utf-8", "replace").decode()
    sealed = sealer().seal("openai", data, text, item_id)
    assert is_envelope(sealed)
    assert sealer().open(sealed) == ("openai", data, text, item_id)


def test_an_envelope_in_a_body_is_noticed() -> None:
    sealed = sealer().seal("openai", "d", "t", None)

    assert may_hold_envelope(b'{"signature":"%b"}' % sealed.encode())
    assert not may_hold_envelope(b'{"content":"of gb1. and others"}')


def test_what_an_envelope_says_can_be_read_without_its_key() -> None:
    found = read_unproven(sealer().seal("openai", "d", "t", None))

    assert found is not None
    assert (found.data, found.text) == ("d", "t")
    for text in ("", "gb1.", "gb1.k.!.x", "gb1.k.e30.x", "gb2.k.e30.x", "gb1.a.b.c.d"):
        assert read_unproven(text) is None


def test_sealing_is_deterministic() -> None:
    assert sealer().seal("openai", "d", "t", None) == sealer().seal("openai", "d", "t", None)


@pytest.mark.parametrize("change", [{"account": "other"}, {"family": "x"}, {"origin": "y"}])
def test_another_account_family_or_credential_cannot_open(change: dict[str, str]) -> None:
    assert sealer(**change).open(sealer().seal("openai", "d", "t", None)) is None


def test_text_without_a_signature_opens_for_any_family() -> None:
    sealed = sealer().seal("text", "", "a thought", None)
    part = open_reasoning(Reasoning("shown", "anthropic", sealed), sealer(family="x").open)
    assert part == Reasoning("a thought")


def test_a_changed_character_anywhere_closes_it() -> None:
    sealed = sealer().seal("openai", "data", "text", "rs_1")
    for place in range(len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        if changed != sealed:
            opened = open_envelope(changed, KEYS)
            # The last base64 character holds bits the decoder ignores; nothing else may differ.
            assert opened is None or opened == open_envelope(sealed, KEYS)


@given(st.text(max_size=100))
def test_hostile_text_never_raises(text: str) -> None:
    assert open_envelope("gb1." + text, KEYS) is None
    assert open_envelope(text, KEYS) is None


def test_a_retired_key_opens_and_an_unknown_one_does_not() -> None:
    old = Sealer(keys=KEYS, current="k1", family="openai", account="acc")
    sealed = old.seal("openai", "d", "t", None)
    assert sealer().open(sealed) is not None
    assert open_envelope(sealed, {"k2": KEYS["k2"]}) is None


def test_native_signatures_pass_and_lost_envelopes_leave_the_block_out() -> None:
    native = Reasoning("t", "anthropic", "EqQB")
    assert open_reasoning(native, None) is native
    assert open_reasoning(Reasoning("t", "anthropic", "gb1.k1.x.y"), None) is None
