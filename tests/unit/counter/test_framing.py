"""What stands around the text, as vendors document it and recordings show it."""

from __future__ import annotations

from typing import Any

import pytest

from services.counter.family import load_calibration
from services.counter.framing import Frame, ImageFrame
from services.counter.prompt import (
    Document,
    Image,
    Prompt,
    Role,
    Schema,
    Text,
    ThinkingMode,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

USER, ASSISTANT, SYSTEM = (
    Turn(role, (Text("x"),)) for role in (Role.USER, Role.ASSISTANT, Role.SYSTEM)
)
FRAME = Frame(
    request=3,
    message=4,
    name=1,
    unsaid=1_000,
    opening=7,
    exchange=6,
    repeat=1,
    tools=300,
    tools_any=400,
    tools_named=10,
    tools_serial=-20,
    tools_system=2,
    carrier=9,
    tool=5,
    call=11,
    calls=12,
    result=13,
    schema=80,
    thinking_enabled=29,
    thinking_adaptive=17,
    document=35,
    page=1_500,
    citations=550,
    image=ImageFrame(base=2),
    server_tools={"bash_20250124": 245},
)


def image(family: str, width: int, height: int, *, is_low: bool = False) -> float:
    frame = next(f.frame for f in load_calibration().families if f.name == family)
    return frame.image.tokens(Image(width, height, is_low))


@pytest.mark.parametrize(
    ("turns", "tokens"),
    [
        ((SYSTEM, USER), 3 + 2 * 4 + 7),
        ((SYSTEM, USER, ASSISTANT, USER), 3 + 4 * 4 + 7 + 6),
        ((SYSTEM, USER, USER), 3 + 3 * 4 + 7 + 1),
        ((SYSTEM, USER, ASSISTANT), 3 + 3 * 4 + 7),
        ((USER,), 3 + 4 + 7 + 1_000),
        ((SYSTEM, Turn(Role.USER, (), "ann")), 3 + 2 * 4 + 7 + 1),
        ((), 3 + 1_000),
    ],
)
def test_turns_cost_by_what_they_follow(turns: tuple[Turn, ...], tokens: float) -> None:
    assert FRAME.tokens(Prompt(turns)) == tokens


@pytest.mark.parametrize(
    ("choice", "tokens"),
    [
        (ToolChoice.AUTO, 300),
        (ToolChoice.NONE, 300),
        (ToolChoice.ANY, 400),
        (ToolChoice.NAMED, 410),
    ],
)
def test_tools_cost_a_preamble_by_the_choice(choice: ToolChoice, tokens: float) -> None:
    plain = FRAME.tokens(Prompt((SYSTEM, USER)))
    tools = (Tool("a"), Tool("b"))
    prompt = Prompt((SYSTEM, USER), tools=tools, tool_choice=choice)
    assert FRAME.tokens(prompt) - plain == tokens + 2 * 5 + 2
    serial = Prompt((SYSTEM, USER), tools=tools, tool_choice=choice, is_serial=True)
    assert FRAME.tokens(serial) - FRAME.tokens(prompt) == -20


def test_a_providers_own_tool_has_its_price_and_a_preamble_where_the_caller_runs_it() -> None:
    plain = FRAME.tokens(Prompt((SYSTEM, USER)))
    foreign = Tool("?", server_type="unheard_of")
    tools = (Tool("bash", server_type="bash_20250124"), foreign)
    assert FRAME.tokens(Prompt((SYSTEM, USER), tools=tools)) - plain == 245 + 300 + 2
    assert FRAME.tokens(Prompt((SYSTEM, USER), tools=(foreign,))) == plain


@pytest.mark.parametrize(
    ("more", "tokens"),
    [
        ({"tools": (Tool("a"),)}, 300 + 5 + 9),
        ({"schema": Schema({})}, 80 + 9),
        ({"tools": (Tool("a"),), "schema": Schema({})}, 300 + 5 + 80 + 9),
    ],
)
def test_tools_and_schema_share_one_message_where_there_is_no_system_text(
    more: dict[str, Any], tokens: float
) -> None:
    assert FRAME.tokens(Prompt((USER,), **more)) - FRAME.tokens(Prompt((USER,))) == tokens


def test_blocks_cost_where_they_stand_also_inside_a_result() -> None:
    call, picture = ToolCall("a", "{}"), Image(28, 28)
    loop = (Turn(Role.ASSISTANT, (call,)), Turn(Role.USER, (ToolResult((picture,)),)))
    plain = FRAME.tokens(Prompt((SYSTEM, USER, ASSISTANT, USER)))
    with_loop = FRAME.tokens(Prompt((SYSTEM, USER, *loop)))
    assert with_loop - plain == 11 + 13 + (1 + 2)
    three = (Turn(Role.ASSISTANT, (call, call, call)), loop[1])
    assert FRAME.tokens(Prompt((SYSTEM, USER, *three))) - with_loop == 2 * (11 + 12)
    pages = Turn(Role.USER, (Document(3, "text", has_citations=True),))
    assert FRAME.tokens(Prompt((SYSTEM, pages))) == 3 + 2 * 4 + 7 + 35 + 3 * 1_500 + 550


def test_schema_and_thinking_cost_once() -> None:
    turns = (SYSTEM, USER)
    plain = FRAME.tokens(Prompt(turns))
    assert FRAME.tokens(Prompt(turns, schema=Schema({}))) - plain == 80
    for mode, tokens in ((ThinkingMode.ENABLED, 29), (ThinkingMode.ADAPTIVE, 17)):
        assert FRAME.tokens(Prompt(turns, thinking=mode)) - plain == tokens


@pytest.mark.parametrize(
    ("family", "size", "tokens"),
    [
        # Patches of 28 px, and a few more.
        ("claude-4.5", (330, 291), 12 * 11 + 2),
        ("claude-4.5", (1001, 1001), 36 * 36 + 2),
        ("claude-opus-4.8", (540, 360), 20 * 13 + 3),
        # The largest of the same shape that fits: 924 x 1307 of 1075 x 1520.
        ("claude-4.5", (1075, 1520), 33 * 47 + 2),
        ("claude-opus-4.8", (3840, 2160), 4784 + 3),
        # Tiles of 512 px after two shrinkings.
        ("gpt-4o", (1024, 1024), 85 + 4 * 170),
        ("gpt-4o", (2048, 4096), 85 + 6 * 170),
        ("gpt-4o-mini", (512, 512), 2833 + 5667),
        # Patches of 32 px with a factor and a cap.
        ("gpt-4.1-mini", (1024, 1024), 1.62 * 1024),
        ("gpt-5-nano", (64, 32), 1.5 * 2),
    ],
)
def test_images_cost_by_their_size(family: str, size: tuple[int, int], tokens: float) -> None:
    assert image(family, *size) == pytest.approx(tokens, rel=0.02)


def test_low_detail_is_the_base_price_of_tiles() -> None:
    assert image("gpt-4o", 4096, 4096, is_low=True) == 85


def test_an_image_of_unknown_size_costs_like_a_middling_one() -> None:
    assert image("claude-4.5", 0, 0) == image("claude-4.5", 1024, 1024)


@pytest.mark.parametrize("size", [(1, 1), (1, 8_000), (8_000, 1), (100_000, 100_000)])
def test_no_image_costs_nothing_or_more_than_the_cap(size: tuple[int, int]) -> None:
    for family in load_calibration().families:
        tokens = family.frame.image.tokens(Image(*size))
        cap = family.frame.image.max_cells if family.frame.image.kind != "tiles" else 64
        assert 0 < tokens <= family.frame.image.base + family.frame.image.each * cap


def test_hidden_thinking_is_guessed_by_its_length() -> None:
    frame = Frame(hidden_base=1_050, hidden_chars=6.6)
    assert frame.hidden_tokens(1_050 + 660) == 100
    assert frame.hidden_tokens(10) == 0
