"""Names for providers: stable, apart, and telling nothing."""

from __future__ import annotations

from runtime.pseudonym import Pseudonyms


def test_an_account_keeps_its_pseudonym() -> None:
    assert Pseudonyms("key").of_account("acc_1") == Pseudonyms("key").of_account("acc_1")


def test_pseudonyms_differ_by_account_key_and_kind_and_hold_nothing_of_the_name() -> None:
    names = Pseudonyms("key")
    found = {
        names.of_account("acc_1"),
        names.of_account("acc_2"),
        Pseudonyms("other").of_account("acc_1"),
        names.of_upstream("acc_1"),
    }

    assert len(found) == 4
    assert not any("acc" in name for name in found)
    assert all(len(name) == 35 and name.isascii() for name in found)
