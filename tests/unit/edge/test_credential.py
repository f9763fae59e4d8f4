"""Where a key may stand, and what is made of what does not look like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.credential import API, CREDITS, mint
from edge.credential import key_of
from runtime.faults import Reason, ServiceFault

KEY = mint(API).encode()
OTHER = mint(CREDITS).encode()
Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", KEY)],
        [(b"authorization", b"Bearer " + KEY)],
        [(b"authorization", b"bEARER   " + KEY + b" ")],
        [(b"x-api-key", KEY), (b"authorization", b"Bearer " + KEY)],
        [(b"x-api-key", b""), (b"authorization", b"Bearer " + KEY)],
        [(b"x-api-key", KEY), (b"authorization", b"Basic eDp5")],
    ],
)
def test_a_key_in_either_header(headers: Headers) -> None:
    assert key_of(headers) == KEY.decode()


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", KEY), (b"authorization", b"Bearer " + OTHER)],
        [(b"x-api-key", KEY), (b"x-api-key", OTHER)],
    ],
)
def test_two_keys_are_refused_never_chosen_from(headers: Headers) -> None:
    with pytest.raises(ServiceFault) as caught:
        key_of(headers)

    assert caught.value.reason is Reason.INVALID_REQUEST


@given(st.binary(max_size=200))
def test_what_is_no_key_reads_the_same(noise: bytes) -> None:
    for headers in ([], [(b"x-api-key", noise)], [(b"authorization", b"Bearer " + noise)]):
        with pytest.raises(ServiceFault) as caught:
            key_of(headers)
        assert caught.value.reason is Reason.KEY_UNKNOWN


@pytest.mark.parametrize("place", [0, 12, 40, len(KEY) - 1])
def test_a_changed_letter_is_noticed_before_any_look_up(place: int) -> None:
    letter = b"x" if KEY[place : place + 1] != b"x" else b"y"
    with pytest.raises(ServiceFault):
        key_of([(b"x-api-key", KEY[:place] + letter + KEY[place + 1 :])])
