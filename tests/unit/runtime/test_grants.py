"""Grants: what was signed, by whom, for how long."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.faults import Reason, ServiceFault
from runtime.grants import Grant, Signer, matches_model, parse_keys

NOW = 1_800_000_000.0
OLD, NEW = {"k1": b"1" * 32}, {"k2": b"2" * 32}
GRANT = Grant("acc", "key", "lease", "api", ("claude-*",), True, (), NOW + 30)


def refused(signer: Signer, data: bytes, now: float = NOW) -> Reason:
    with pytest.raises(ServiceFault) as caught:
        signer.verify(data, now)
    return caught.value.reason


def test_what_was_signed_is_what_is_read() -> None:
    signer = Signer(OLD)

    assert signer.verify(signer.sign(GRANT), NOW) == GRANT


def test_an_expired_grant_is_refused() -> None:
    signer = Signer(OLD)

    assert refused(signer, signer.sign(GRANT), NOW + 31) is Reason.GRANT_INVALID


def test_keys_rotate_without_a_gap() -> None:
    before, during, after = Signer(OLD), Signer({**NEW, **OLD}), Signer(NEW)

    assert during.verify(before.sign(GRANT), NOW) == GRANT
    assert after.verify(during.sign(GRANT), NOW) == GRANT
    assert refused(after, before.sign(GRANT)) is Reason.GRANT_INVALID


@given(st.binary(max_size=120))
def test_noise_is_no_grant(noise: bytes) -> None:
    assert refused(Signer(OLD), noise) is Reason.GRANT_INVALID


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    signed = bytearray(Signer(OLD).sign(GRANT))
    place = data.draw(st.integers(0, len(signed) - 1))
    signed[place] ^= data.draw(st.integers(1, 255))

    assert refused(Signer(OLD), bytes(signed)) is Reason.GRANT_INVALID


def test_a_key_id_of_another_key_does_not_help() -> None:
    signed = Signer({"k2": b"1" * 32}).sign(GRANT)

    assert refused(Signer({"k2": b"2" * 32, "k1": b"1" * 32}), signed) is Reason.GRANT_INVALID


@pytest.mark.parametrize(
    ("patterns", "model", "is_allowed"),
    [
        (("claude-*",), "claude-x", True),
        (("claude-*",), "gpt-5", False),
        (("gpt-5",), "gpt-5.6", False),
        (("*",), "anything", True),
        ((), "anything", False),
    ],
)
def test_models_are_exact_or_a_prefix(
    patterns: tuple[str, ...], model: str, is_allowed: bool
) -> None:
    assert matches_model(patterns, model) is is_allowed


@pytest.mark.parametrize(
    "text",
    ["", "k1", "k1:", "k1:AAAA", ":" + "A" * 44, "a.b:" + base64.b64encode(b"x" * 32).decode()],
)
def test_malformed_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_keys(text)
