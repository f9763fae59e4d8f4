"""Which family a model belongs to, and what is stated of it."""

from __future__ import annotations

import msgspec
import pytest

from services.counter.family import (
    UNKNOWN_ERROR,
    ErrorBand,
    Family,
    load_calibration,
    parse_calibration,
)
from services.counter.framing import Frame

CALIBRATION = load_calibration()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-sonnet-4-5-20250929", "claude-4.5"),
        ("anthropic/claude-sonnet-4.5", "claude-4.5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-4.5"),
        ("claude-opus-4-5", "claude-opus-4.5"),
        ("claude-opus-4-6", "claude-opus-4.6"),
        ("claude-opus-4-7", "claude-opus-4.7"),
        ("claude-opus-4-8", "claude-opus-4.8"),
        ("claude-opus-4-1", "claude-4"),
        ("claude-sonnet-4-20250514", "claude-4"),
        ("claude-sonnet-5", "claude-sonnet-5"),
        ("claude-opus-5", "claude-5"),
        ("claude-3-5-haiku-latest", "claude-3.5-haiku"),
        ("claude-of-tomorrow", "claude"),
        ("gpt-4o-2024-11-20", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4.1", "gpt-4o"),
        ("gpt-4.1-nano", "gpt-4.1-nano"),
        ("gpt-4-turbo", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-4"),
        ("gpt-5", "gpt-5"),
        ("gpt-5-nano", "gpt-5-nano"),
        ("gpt-5.6-luna", "gpt-5.2+"),
        ("o3-mini", "o-series"),
        ("o4-mini", "o4-mini"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("llama3-8b-8192", "llama-3.0"),
        ("meta-llama/Llama-3-8B-Instruct", "llama-3.0"),
        ("llama-3.3-70b-versatile", "llama"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama"),
        ("Qwen/Qwen3-32B", "qwen"),
        ("deepseek-chat", "deepseek"),
        ("GEMINI-2.5-PRO", "gemini"),
        ("gemini-3.1-pro", "gemini-3.1+"),
        ("mistral-small-latest", "mistral"),
        ("kimi-k2", "kimi"),
        ("somebody/something", "other"),
        ("", "other"),
    ],
)
def test_a_model_belongs_to_a_family(model: str, family: str) -> None:
    assert CALIBRATION.family_of(model).name == family


def test_every_model_has_a_family_and_every_ratio_a_table() -> None:
    assert CALIBRATION.families[-1].pattern == ""
    assert len({family.name for family in CALIBRATION.families}) == len(CALIBRATION.families)
    tables = {family.ratios for family in CALIBRATION.families if family.ratios}
    assert tables == set(CALIBRATION.ratios)
    assert all(
        {"prose", "code", "latin", "other"} <= row.keys() for row in CALIBRATION.ratios.values()
    )


def test_an_error_is_stated_for_the_kind_of_request_and_the_way_of_counting() -> None:
    known = ErrorBand(0.1, 0.2), ErrorBand(0.3, 0.4)
    errors = {"tools": known[0], "responses.tools": known[1], "responses.plain": known[1]}
    family = Family("f", "f", "v", Frame(), errors=errors)
    assert family.error_of("tools", "") == known[0]
    assert family.error_of("tools", "responses") == known[1]
    assert family.error_of("tools", "reconstructed") == known[0]
    assert family.error_of("plain", "") == known[1]
    assert family.error_of("image", "") == UNKNOWN_ERROR


@pytest.mark.parametrize(
    "data", [b"{}", b'{"version":1,"source":"","ratios":{},"families":[],"x":1}', b"{"]
)
def test_what_is_no_calibration_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_calibration(data)
