"""Whatever a client sends, it is carried or refused by name: nothing else is ever raised."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects import json_text
from dialects.bridge import CarriedRequest
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from tests.contract.carrying import SHORT, carry
from tests.contract.request_losses import FATES
from tests.contract.translating import question

ROADS = ["A→C", "A→R", "C→A", "C→R", "R→A", "R→C"]
JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**30, "", "x", "\ud83d", [], [None], [[]], {}, {"type": None},
     {"type": "text"}, {"type": "image", "source": 1}, {"role": "user"}, [{"type": "x"}], ["x"]]
)  # fmt: skip
CORPUS = {
    name: [{**question(name), **fate.sent} for fate in FATES if fate.source == name]
    for name in DIALECTS
}


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body that holds a value."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, child in inner:
        found += paths_of(child, (*path, key))
    return found


@st.composite
def broken_bodies(draw: st.DrawFn, dialect: str) -> dict[str, Any]:
    """A body with one or two of its values replaced by something else, or a field of its own."""
    body = copy.deepcopy(draw(st.sampled_from(CORPUS[dialect])))
    other = draw(st.sampled_from(CORPUS[dialect]))
    body = {**copy.deepcopy(other), **body} if draw(st.booleans()) else body
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(paths_of(body)))
        holder: Any = body
        for key in way:
            holder = holder[key]
        holder[last] = copy.deepcopy(draw(JUNK))
    return body


def outcome(road: str, body: dict[str, Any]) -> CarriedRequest | Fault:
    try:
        return carry(road, body)
    except RemoteDialectError as error:
        return error.fault


@pytest.mark.parametrize("road", ROADS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_broken_body_is_carried_or_refused_by_name(road: str, data: st.DataObject) -> None:
    body = data.draw(broken_bodies(SHORT[road[0]]))
    before = copy.deepcopy(body)
    found = outcome(road, body)

    assert body == before  # the client's body is only read
    if isinstance(found, Fault):
        assert found.kind in (FaultClass.BAD_REQUEST, FaultClass.UNSUPPORTED_FEATURE)
        assert found.message
    else:
        assert isinstance(json_text.parse(json_text.render(found.body)), dict)


@pytest.mark.parametrize(
    ("road", "body", "param"),
    [
        ("A→R", {"messages": [{"role": "user", "content": [{"type": "document", "title": True,
            "source": {"type": "text", "media_type": "text/plain", "data": "words"}}]}]},
         "messages.0.content.0.title"),
        ("A→C", {"messages": [{"role": "user", "content": "Hi"}], "output_config": {"format": {
            "type": "json_schema", "schema": {"type": "object", "required": [{}],
                "additionalProperties": False, "properties": {"a": {"type": "string"}}}}}}, None),
    ],
)  # fmt: skip
def test_junk_that_once_broke_a_translation(
    road: str, body: dict[str, Any], param: str | None
) -> None:
    found = outcome(road, body)

    if param is None:
        assert isinstance(found, CarriedRequest)
        assert found.warnings == ["output_config.format.strict=off"]
    else:
        assert isinstance(found, Fault)
        assert found.param == param
