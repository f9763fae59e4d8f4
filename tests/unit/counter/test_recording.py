"""Recorded exchanges are read in both forms, once each, and split by where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.counter.prompt import Prompt
from services.counter.recording import Recording, load_recordings, split_halves

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def row(**changes: Any) -> dict[str, Any]:
    known = {"source": "a/b@c:d", "dialect": "openai.chat", "model": "gpt-4o", "input_tokens": 8}
    return {**known, "body": BODY, **changes}


def exchange(**changes: Any) -> dict[str, Any]:
    return {
        "source": "a/b@c:d",
        "dialect": "openai.chat",
        "model": "gpt-4o",
        "request": {"body": {**BODY, "n": 1}},
        "response": {"status": 200},
        "recorded_usage": {"input_tokens_total": 9},
        **changes,
    }


def test_rows_and_whole_exchanges_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row()) + "\n\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "one.json").write_text(
        json.dumps(
            exchange(source="a/b@c:e", request={"body": {**BODY, "tools": []}}, model="gpt-4")
        )
    )
    (tmp_path / "notes.txt").write_text("not JSON")
    found, passed_over = load_recordings([tmp_path])
    assert {(recording.origin, recording.model) for recording in found} == {
        ("a/b", "gpt-4o"),
        ("a/b", "gpt-4"),
    }
    assert sorted(recording.tokens for recording in found) == [8, 9]
    assert passed_over == 0


def test_a_repeated_request_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row(source=f"{at}/x@y")) for at in range(3)))
    found, _ = load_recordings([file, file])
    assert len(found) == 1
    # What the model is not told of makes no other request.
    file.write_text("\n".join(json.dumps(exchange(source=f"{at}")) for at in range(2)))
    (tmp_path / "one.jsonl").write_text(json.dumps(row(source="z")))
    assert len(load_recordings([tmp_path])[0]) == 1


def test_of_an_exchange_and_its_extract_the_exchange_is_read(tmp_path: Path) -> None:
    body = {**BODY, "tools": [{"type": "function", "function": {"name": "f"}}]}
    whole = {"body": {**body, "parallel_tool_calls": False}}
    file = tmp_path / "both.jsonl"
    file.write_text(json.dumps(row(body=body)) + "\n" + json.dumps(exchange(request=whole)))
    found, passed_over = load_recordings([file])
    assert [recording.prompt.is_serial for recording in found] == [True]
    assert passed_over == 0
    file.write_text(
        json.dumps(row(body=body)) + "\n" + json.dumps(exchange(request=whole, recorded_usage=None))
    )
    assert [recording.prompt.is_serial for recording in load_recordings([file])[0]] == [False]


@pytest.mark.parametrize(
    "value",
    [
        [],
        row(dialect="cohere.chat"),
        row(input_tokens=None),
        row(input_tokens=0),
        row(body=None),
        row(body={"messages": 5}),
        row(model=None),
        exchange(request=None),
        exchange(response={"status": 529}),
        exchange(recorded_usage=None),
    ],
)
def test_what_holds_no_request_with_a_count_is_passed_over(tmp_path: Path, value: Any) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(value))
    assert load_recordings([file]) == ([], 1)


def test_a_file_that_is_not_json_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json is not JSON"):
        load_recordings([file])


def recordings(*origins: str, each: int = 3) -> list[Recording]:
    return [
        Recording(origin, f"model-{at}", Prompt(()), 1) for origin in origins for at in range(each)
    ]


def test_an_origin_falls_wholly_into_one_half() -> None:
    halves = split_halves(recordings(*(f"owner/{at}" for at in range(20))))
    fitted = {recording.origin for recording in halves.fitted}
    held_out = {recording.origin for recording in halves.held_out}
    assert fitted
    assert held_out
    assert not fitted & held_out


def test_more_recordings_move_none_to_the_other_half() -> None:
    few = recordings(*(f"owner/{at}" for at in range(5)))
    many = [*few, *recordings("another/one", "another/two", each=9)]
    assert [r for r in split_halves(many).fitted if r in few] == split_halves(few).fitted


def test_a_single_origin_is_split_by_request() -> None:
    halves = split_halves(recordings("one/repository", each=40))
    assert halves.fitted
    assert halves.held_out
