"""Values cut out of a body and put in, every other byte as it came."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.body import BodyError, find_places, splice, top_level

KEYS = {"user", "metadata"}


def replaced(body: bytes, **values: Any) -> bytes:
    return splice(body, find_places(body, KEYS), {"user": "gb", "metadata": {}, **values})


def test_only_the_named_values_change() -> None:
    body = b'{ "user" : "jane", "n": 1.0, "model":"m" , "x": {"user": "other", "model": 1} }'

    assert replaced(body, model="up") == (
        b'{ "user" : "gb", "n": 1.0, "model":"up" , "x": {"user": "other", "model": 1} }'
    )


def test_a_value_of_any_kind_is_replaced_whole() -> None:
    for value in (b"null", b'"a\\"b"', b'{"user_id":[1,{"a":"}"}]}', b"-1e9"):
        body = b'{"model":"m","metadata":%b,"z":"\xc3\xbc"}' % value
        assert replaced(body, model="m") == b'{"model":"m","metadata":{},"z":"\xc3\xbc"}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"model":"a","model":"b"}', "model is given twice"),
        (b'{"model":"a","user":1,"us\\u0065r":2}', "user is given twice"),
        (b'{"user":"a"}', "model is missing"),
        (b'{"model":1}', "model must be a string"),
        (b'["model"]', "the body is not a JSON object"),
        (b'{"model":"a"} x', "the body goes on after its object"),
    ],
)
def test_a_body_that_could_be_read_two_ways_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BodyError, match=message):
        find_places(body, KEYS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(st.text(max_size=6), json_values, max_size=4),
    user=json_values,
    is_ascii=st.booleans(),
)
def test_what_is_put_in_is_what_is_read(fields: dict[str, Any], user: Any, is_ascii: bool) -> None:
    whole = {**fields, "user": user, "model": "m"}
    whole.pop("metadata", None)
    body = json.dumps(whole, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")

    assert json.loads(replaced(body, model="up")) == {**whole, "user": "gb", "model": "up"}


json_numbers = st.sampled_from(["1", "12", "1.0", "-3e2", "123"])
raw_values = json_numbers | st.sampled_from(
    ['"a"', '"a\\"b"', '""', "{}", "[]", '{"k":[1,"}"]}', "[[1]]", "null", "true", '"\\u00e9"']
)
raw_keys = st.sampled_from(['"model"', '"mod\\u0065l"', '"a"', '""', '"\\\\"', '"b c"'])
blanks = st.sampled_from(["", " ", "\n", "\t\r "])


@given(
    entries=st.lists(st.tuples(raw_keys, raw_values), max_size=6),
    blank=blanks,
)
def test_every_entry_stands_where_it_is_said_to_also_where_keys_repeat(
    entries: list[tuple[str, str]], blank: str
) -> None:
    joined = f"{blank},{blank}".join(f"{key}{blank}:{blank}{value}" for key, value in entries)
    body = f"{blank}{{{blank}{joined}{blank}}}{blank}".encode()

    found = [(key, body[begin:end].decode()) for key, begin, end in top_level(body)]

    assert found == [(json.loads(key), value) for key, value in entries]
