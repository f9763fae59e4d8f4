"""JSON at the border: odd numbers and broken text stay what they were (cases 21, 22, 23, 39)."""

from __future__ import annotations

import json

import pytest

from dialects import json_text


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_case_21_no_arguments_are_an_empty_object(text: str) -> None:
    assert json_text.parse_arguments(text) == {}


@pytest.mark.parametrize("text", ["{", "[1]", '"x"', "null", "nan", "{" * 100_000, '{"a":NaN}'])
def test_case_21_what_is_no_object_is_kept_whole(text: str) -> None:
    assert json_text.parse_arguments(text) == {"_raw": text}
    assert json_text.render_arguments({"_raw": text}) == text


def test_case_22_key_order_and_letters_survive() -> None:
    text = '{"z":1,"a":"ğ","m":[1.0]}'
    assert json_text.render_arguments(json_text.parse_arguments(text)) == text


def test_case_23_numbers_no_float_can_hold_are_kept_as_text() -> None:
    big = '{"a":123456789012345678901234567890}'
    assert json_text.render_arguments(json_text.parse_arguments(big)) == big
    assert json.loads(json_text.render(json_text.parse_arguments(big))) == json.loads(big)
    assert json_text.parse_arguments('{"a":1e400}') == {"_raw": '{"a":1e400}'}


def test_case_39_half_a_surrogate_pair_is_rendered_as_an_escape() -> None:
    assert json_text.render({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'
    assert json_text.parse(b'{"a":"\\ud83d"}') == {"a": "\ud83d"}


def test_a_request_keeps_whole_numbers_that_no_float_can_hold() -> None:
    for number in ("18446744073709551616", "-123456789012345678901234567890", "9007199254740993"):
        assert json_text.parse_request(f'{{"n":{number}}}'.encode()) == {"n": int(number)}
    assert json_text.parse_request(b'{"data":"0000000000000000000000"}')["data"] == "0" * 22


def test_half_characters_of_a_request_are_joined_or_replaced() -> None:
    data = rb'{"a":"\ud83d\ude00 \ud83d \u00fc","\udc00":1}'
    assert json_text.parse_request(data) == {"a": "😀 \ufffd ü", "\ufffd": 1}


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 5_000, b"\xff"])
def test_broken_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        json_text.parse(data)
