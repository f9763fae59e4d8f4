"""A fit finds the numbers recordings were made with, and leaves alone what they do not show."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from services.counter.family import Calibration, load_calibration
from services.counter.fitting import fit
from services.counter.meter import Meter
from services.counter.prompt import Prompt, Role, Text, Tool, ToolCall, ToolResult, Turn
from services.counter.recording import Recording

MODEL = "gpt-4o"
SYSTEM = Turn(Role.SYSTEM, (Text("Be brief."),))
QUESTION = Turn(Role.USER, (Text("What is the weather like in Ankara and in Izmir?"),))
LOOP = (
    Turn(Role.ASSISTANT, (ToolCall("look", '{"city": "Ankara"}'),)),
    Turn(Role.USER, (ToolResult((Text("Sunny"),)),)),
)


def changed(calibration: Calibration, name: str, **numbers: float) -> Calibration:
    """``calibration`` with numbers of one family and its kin changed."""
    kin = next(family.kin for family in calibration.families if family.name == name)
    families = [
        replace(family, frame=replace(family.frame, **numbers)) if family.kin == kin else family
        for family in calibration.families
    ]
    return replace(calibration, families=families)


def prompts() -> list[Prompt]:
    """Prompts with one to eight tools, half of them with a running loop."""
    return [
        Prompt(
            turns=(SYSTEM, QUESTION, *LOOP) if loops else (SYSTEM, QUESTION),
            tools=tuple(Tool(f"look_{at}", "Looks " * at) for at in range(tools)),
        )
        for tools in range(1, 9)
        for loops in (False, True)
    ]


def record(calibration: Calibration, *, model: str = MODEL) -> list[Recording]:
    """What a provider that counts by ``calibration`` would say."""
    meter = Meter(calibration, may_reconstruct=False)
    return [
        Recording(f"origin/{at % 3}", model, prompt, meter.count_prompt(model, prompt).tokens)
        for at, prompt in enumerate(prompts())
    ]


def frame_of(calibration: Calibration, model: str = MODEL) -> dict[str, float]:
    """A call and its result always stand together here: only their sum can be found."""
    frame = calibration.family_of(model).frame
    return {"tools": frame.tools, "tool": frame.tool, "loop": frame.call + frame.result}


TRUTH = changed(load_calibration(), "gpt-4o", tools=31, call=0, result=12, tool=0)


@pytest.mark.parametrize("astray", [{"tools": 0}, {"tools": 100}, {"result": 3}, {"tool": 4}])
def test_a_number_is_found_again(astray: dict[str, float]) -> None:
    start = changed(TRUTH, "gpt-4o", **astray)
    assert frame_of(fit(start, record(TRUTH), reconstruct=False)) == frame_of(TRUTH)


def test_kin_share_what_one_of_them_shows() -> None:
    start = changed(TRUTH, "gpt-4o", tools=0)
    fitted = fit(start, record(TRUTH), reconstruct=False)
    assert frame_of(fitted, "gpt-4o-mini")["tools"] == 31
    assert frame_of(fitted, "gpt-5") == frame_of(start, "gpt-5")


def test_a_few_recordings_that_no_frame_explains_change_nothing() -> None:
    wrong = [replace_tokens(recording) for recording in record(TRUTH)[:2]]
    recordings = [*record(TRUTH), *record(TRUTH), *wrong]
    start = changed(TRUTH, "gpt-4o", tools=0)
    assert frame_of(fit(start, recordings, reconstruct=False)) == frame_of(TRUTH)


def replace_tokens(recording: Recording) -> Recording:
    return Recording(recording.origin, recording.model, recording.prompt, recording.tokens * 3)


def test_too_few_recordings_show_nothing() -> None:
    start = changed(TRUTH, "gpt-4o", tools=0)
    assert fit(start, record(TRUTH)[:4], reconstruct=False) == start


def test_recordings_of_one_origin_show_nothing() -> None:
    start = changed(TRUTH, "gpt-4o", tools=0)
    alone = [Recording("one", r.model, r.prompt, r.tokens) for r in record(TRUTH)]
    assert fit(start, alone, reconstruct=False) == start


def test_a_fit_repeated_changes_nothing() -> None:
    once = fit(changed(TRUTH, "gpt-4o", tools=0), record(TRUTH), reconstruct=False)
    assert fit(once, record(TRUTH), reconstruct=False) == once


def test_an_estimated_text_fits_its_ratios_and_not_the_frame() -> None:
    model = "claude-sonnet-4-5"
    shipped = load_calibration()
    ratios = {**shipped.ratios, "claude_v3": {**shipped.ratios["claude_v3"], "prose": 1.31}}
    truth = replace(shipped, ratios=ratios)
    meter = Meter(truth, may_reconstruct=False)
    texts = ["The weather was fine and the sea was calm all day " * at for at in range(60, 80)]
    told = [Prompt((Turn(Role.USER, (Text(text),)),)) for text in texts]
    recordings = [
        Recording(f"origin/{at % 3}", model, prompt, meter.count_prompt(model, prompt).tokens)
        for at, prompt in enumerate(told)
    ]
    fitted = fit(shipped, recordings, reconstruct=False)
    assert fitted.ratios["claude_v3"]["prose"] == 1.31
    assert fitted.families == shipped.families


def test_a_few_short_prompts_show_no_ratio() -> None:
    model = "claude-sonnet-4-5"
    told = [Prompt((Turn(Role.USER, (Text("How are you today? " * at),)),)) for at in range(1, 13)]
    recordings = [
        Recording(f"origin/{at % 3}", model, prompt, 99) for at, prompt in enumerate(told)
    ]
    assert fit(load_calibration(), recordings, reconstruct=False) == load_calibration()
