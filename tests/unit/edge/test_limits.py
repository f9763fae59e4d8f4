"""Rate-limit headers: the account's own plan, in the client's dialect."""

from __future__ import annotations

import re
import time

import pytest

from admission.allowance import Allowance
from edge.limits import limit_headers


def headers_of(dialect: str, allowance: Allowance) -> dict[str, str]:
    found = limit_headers(dialect, allowance)
    assert len(dict(found)) == len(found)
    return {name.decode(): value.decode() for name, value in found}


@pytest.fixture
def allowance() -> Allowance:
    return Allowance(
        limits=(60, 100_000, 20_000, 8),
        left=[5, 12_400, 2_000, 1],
        remaining=(40, 60_000, 1_000, 7),
        spent_at=time.monotonic(),
    )


def test_anthropic_clients_get_moments_and_tokens_in_thousands(allowance: Allowance) -> None:
    found = headers_of("anthropic_messages", allowance)
    assert found["anthropic-ratelimit-requests-limit"] == "60"
    assert found["anthropic-ratelimit-requests-remaining"] == "45"
    assert found["anthropic-ratelimit-input-tokens-remaining"] == "72000"
    assert found["anthropic-ratelimit-output-tokens-remaining"] == "3000"
    assert found["anthropic-ratelimit-tokens-limit"] == "20000"
    assert len(found) == 12
    reset = found["anthropic-ratelimit-requests-reset"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reset)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_openai_clients_get_durations(allowance: Allowance, dialect: str) -> None:
    assert headers_of(dialect, allowance) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "45",
        "x-ratelimit-reset-requests": "1m2s",
        "x-ratelimit-limit-tokens": "120000",
        "x-ratelimit-remaining-tokens": "75400",
        "x-ratelimit-reset-tokens": "1m2s",
    }


@pytest.mark.parametrize("dialect", ["anthropic_messages", "openai_chat"])
def test_what_is_not_limited_is_not_told(dialect: str) -> None:
    assert headers_of(dialect, Allowance(limits=(0, 0, 0, 4))) == {}
    found = headers_of(dialect, Allowance(limits=(0, 1_000, 0, 0)))
    assert {value for name, value in found.items() if "limit-" in name or "-limit" in name}
    assert not any("requests" in name or "output" in name for name in found)


def test_remaining_is_never_below_zero_nor_above_the_limit(allowance: Allowance) -> None:
    allowance.left = [-3, -70_000, 90_000, 0]
    allowance.remaining = (0, 0, 15_000, 0)
    found = headers_of("openai_chat", allowance)
    assert found["x-ratelimit-remaining-requests"] == "0"
    assert found["x-ratelimit-remaining-tokens"] == "20000"
