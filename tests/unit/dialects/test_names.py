"""Tool names and call ids: pure, stable, reversible (edge cases 18, 19, 20)."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dialects.conversation import Role, Tool, ToolCall, ToolKind, Turn
from dialects.names import CallIds, NameTable, flat_name, safe_id, safe_name

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@given(st.text(max_size=200))
def test_safe_names_and_ids_are_legal_and_idempotent(text: str) -> None:
    for make in (safe_name, safe_id):
        once = make(text)
        assert LEGAL.fullmatch(once)
        assert make(once) == once


@given(st.lists(st.text(max_size=80), unique=True, max_size=30))
def test_different_names_stay_different(names: list[str]) -> None:
    tools = [Tool(ToolKind.FUNCTION, name) for name in names]
    table = NameTable(tools)
    upstream = [table.upstream_name(name) for name in names]
    assert len(set(upstream)) == len(names)
    for name, chosen in zip(names, upstream, strict=True):
        alias = table.aliases.get(chosen)
        assert (alias.name if alias else chosen) == name


def test_case_19_a_changed_name_never_takes_a_plain_one() -> None:
    taken = safe_name("a.b")
    tools = [Tool(ToolKind.FUNCTION, "a.b"), Tool(ToolKind.FUNCTION, taken)]
    table = NameTable(tools)
    assert table.upstream_name(taken) == taken
    assert table.upstream_name("a.b") not in ("a.b", taken)


def test_case_19_names_beyond_the_limit_differ_by_their_hash() -> None:
    long = ["mcp__plugin_" + "x" * 60 + end for end in "ab"]
    first, second = map(safe_name, long)
    assert first != second
    assert len(first) == len(second) == 64


def test_case_29_namespaces_are_flattened_and_restored() -> None:
    tool = Tool(ToolKind.FUNCTION, "read", namespace="files")
    table = NameTable([tool])
    chosen = table.upstream_name("read", "files")
    assert chosen == flat_name("read", "files") == "files__read"
    assert (table.aliases[chosen].name, table.aliases[chosen].namespace) == ("read", "files")


def test_a_flat_name_that_meets_a_plain_tool_is_hashed() -> None:
    tools = [
        Tool(ToolKind.FUNCTION, "read", namespace="files"),
        Tool(ToolKind.FUNCTION, "files__read"),
    ]
    table = NameTable(tools)
    assert table.upstream_name("files__read") == "files__read"
    assert table.upstream_name("read", "files") != "files__read"


def test_names_of_the_history_come_back_too() -> None:
    turns = [Turn(Role.ASSISTANT, [ToolCall("1", "gone.tool", "{}")])]
    table = NameTable([], turns)
    assert table.aliases[table.upstream_name("gone.tool")].name == "gone.tool"


def test_free_form_tools_are_marked_where_they_travel_as_functions() -> None:
    tool = Tool(ToolKind.CUSTOM, "apply_patch")
    assert NameTable([tool]).aliases == {}
    assert NameTable([tool], wraps_custom=True).aliases["apply_patch"].is_custom


def test_case_20_repeated_ids_are_numbered_and_paired_with_their_results() -> None:
    ids = CallIds()
    assert ids.add_call("call_0") == "call_0"
    assert ids.add_result("call_0") == "call_0"
    assert ids.add_call("call_0") == "call_0_2"
    assert ids.add_call("call_0") == "call_0_3"
    assert ids.add_result("call_0") == "call_0_2"
    assert ids.close_turn() == ["call_0_3"]
    assert ids.add_result("call_0") is None


@given(st.lists(st.sampled_from(["a", "a_2", "b:c", "x" * 70, "x" * 64, ""]), max_size=40))
def test_ids_are_legal_and_unique_whatever_comes(originals: list[str]) -> None:
    ids = CallIds()
    chosen = [ids.add_call(original) for original in originals]
    assert len(set(chosen)) == len(chosen)
    assert all(LEGAL.fullmatch(one) for one in chosen)
