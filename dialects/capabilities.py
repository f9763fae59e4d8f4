"""What a model accepts, as data: the longest rule whose pattern the model id begins with wins.

Longest first matters: ``claude-opus-5`` must not catch ``claude-opus-5-5``. Sources: the vendors'
model pages and SDK catalogues as of 2026-11-22; an operator overrides any of it per model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from dialects.conversation import ReasoningConfig, ReasoningMode


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an encoder must know of the upstream model.

    ``thinking``: the modes the model takes ("enabled" = manual budget, "adaptive", "disabled",
    "between_tools"). ``efforts``: effort words, weakest first. ``max_output``: tokens.
    """

    family: str = "generic"
    thinking: frozenset[str] = frozenset()
    thinks_by_default: bool = False
    efforts: tuple[str, ...] = ()
    forced_tool_choice: bool = True
    forced_tool_choice_with_thinking: bool = True
    sampling: bool = True
    prefill: bool = False
    mid_system: bool = False
    json_schema: bool = True
    images: bool = True
    documents: bool = True
    stop_sequences: bool = True
    max_stops: int | None = None
    max_tools: int | None = None
    max_output: int = 32_000
    max_name: int = 64
    max_tokens_field: str = "max_tokens"  # Chat only: or "max_completion_tokens"
    system_role: str = "system"  # Chat only: or "developer"
    reasoning_field: str | None = None  # Chat only: history reasoning goes back under this name
    custom_tools: bool = False
    thinking_switch: str = "thinking"  # Chat only: or "enable_thinking", "chat_template_kwargs"
    reasoning_summaries: bool = True  # Responses only: not every organisation may ask for them
    binds_thinking: bool = False  # to the conversation before it, which must come back the same
    auto_cache: bool = False  # Messages only: cache the conversations of clients with tools

    def samples(self, reasoning: ReasoningConfig) -> bool:
        """Whether temperature and top_p are taken: a model that could think must be told not to."""
        can_rest = "none" in self.efforts and reasoning.mode is ReasoningMode.OFF
        return self.sampling or can_rest


_ANTHROPIC: Final = Capabilities(family="anthropic", max_output=64_000)
_ALL: Final = ("low", "medium", "high", "xhigh", "max")
_ADAPTIVE: Final = replace(
    _ANTHROPIC,
    thinking=frozenset({"adaptive", "disabled"}),
    efforts=_ALL,
    sampling=False,
    mid_system=True,
    max_output=128_000,
)
_ALWAYS: Final = replace(_ADAPTIVE, thinking=frozenset({"adaptive"}), thinks_by_default=True)
_BOUND: Final = replace(_ALWAYS, forced_tool_choice=False, binds_thinking=True)
_MANUAL: Final = replace(
    _ANTHROPIC,
    thinking=frozenset({"enabled", "disabled"}),
    forced_tool_choice_with_thinking=False,
    prefill=True,
)
_SIX: Final = replace(
    _ANTHROPIC,
    thinking=frozenset({"enabled", "adaptive", "disabled"}),
    efforts=("low", "medium", "high", "max"),
    forced_tool_choice_with_thinking=False,
    max_output=128_000,
)
_OPENAI: Final = Capabilities(
    family="openai",
    max_output=32_768,
    max_stops=4,
    max_tools=128,
    max_tokens_field="max_completion_tokens",
    custom_tools=True,
)
_OPENAI_REASONING: Final = replace(
    _OPENAI,
    thinking=frozenset({"enabled", "adaptive"}),
    thinks_by_default=True,
    efforts=("minimal", "low", "medium", "high"),
    sampling=False,
    stop_sequences=False,
    system_role="developer",
    max_output=128_000,
)

_OPENAI_RESTING: Final = replace(
    _OPENAI_REASONING,
    thinks_by_default=False,
    efforts=("none", "low", "medium", "high", "xhigh"),
)
# Open models on compatible servers: thinking is on or off, and must be given back.
_SWITCHED: Final = Capabilities(
    thinking=frozenset({"enabled", "disabled"}), reasoning_field="reasoning_content"
)

RULES: Final[dict[str, Capabilities]] = {
    "claude": replace(_ADAPTIVE, thinks_by_default=True),  # a later one is like the latest
    "claude-3": replace(_ANTHROPIC, prefill=True, max_output=8_192, json_schema=False),
    "claude-3-7-sonnet": replace(_MANUAL, json_schema=False),
    "claude-sonnet-4": replace(_MANUAL, json_schema=False),
    "claude-opus-4": replace(_MANUAL, json_schema=False, max_output=32_000),
    "claude-sonnet-4-5": _MANUAL,
    "claude-haiku-4-5": _MANUAL,
    "claude-opus-4-5": replace(_MANUAL, efforts=("low", "medium", "high")),
    "claude-opus-4-6": _SIX,
    "claude-sonnet-4-6": _SIX,
    "claude-opus-4-7": replace(_ADAPTIVE, mid_system=False),
    "claude-opus-4-8": _ADAPTIVE,
    "claude-sonnet-5": replace(_ADAPTIVE, thinks_by_default=True),
    "claude-opus-5": replace(_ADAPTIVE, thinks_by_default=True),
    "claude-haiku-5-5": replace(_ADAPTIVE, thinks_by_default=True, binds_thinking=True),
    "claude-sonnet-5-5": replace(_BOUND, thinking=frozenset({"adaptive", "between_tools"})),
    "claude-opus-5-5": _BOUND,
    "claude-fable-5": _ALWAYS,
    "claude-mythos-5": _ALWAYS,
    "claude-fable-5-1": _BOUND,
    "claude-fable-5-2": _BOUND,
    "claude-mythos-5-1": _BOUND,
    "claude-mythos-5-2": _BOUND,
    "chatgpt": replace(_OPENAI, max_output=16_384),
    "gpt-3.5": replace(_OPENAI, max_output=4_096, json_schema=False, images=False),
    "gpt-4": replace(_OPENAI, max_output=16_384),
    "gpt-4.1": _OPENAI,
    "o1": _OPENAI_REASONING,
    "o3": _OPENAI_REASONING,
    "o4": _OPENAI_REASONING,
    "gpt-5": _OPENAI_REASONING,
    "gpt-5-chat": replace(_OPENAI, max_output=16_384),
    "gpt-5.1": replace(_OPENAI_RESTING, efforts=("none", "low", "medium", "high")),
    "gpt-5.2": _OPENAI_RESTING,
    "gpt-5.3": _OPENAI_RESTING,
    "gpt-5.4": _OPENAI_RESTING,
    "gpt-5.5": _OPENAI_RESTING,
    "gpt-5.6": replace(_OPENAI_RESTING, efforts=("none", *_ALL)),
    "gpt-6": replace(_OPENAI_REASONING, efforts=_ALL),
    "gpt-6-luna": replace(_OPENAI_REASONING, efforts=("none", *_ALL)),
    "gpt-6-sol": replace(_OPENAI_REASONING, efforts=("none", *_ALL)),
    "gpt-6.1-terra": replace(_OPENAI_REASONING, efforts=("none", *_ALL)),
    "deepseek": _SWITCHED,
    "kimi": _SWITCHED,
    "glm": _SWITCHED,
    "qwen": replace(_SWITCHED, thinking_switch="enable_thinking", reasoning_field=None),
}

_GENERIC: Final = Capabilities()
_LONGEST_FIRST: Final = sorted(RULES, key=len, reverse=True)
_BEGINNING: Final = re.compile(r"(?:^|[/.])(?=[a-z])")


def capabilities_of(model: str, overrides: Mapping[str, Any] | None = None) -> Capabilities:
    """What an upstream model takes; ``overrides`` by the names of Capabilities' fields.

    Before the name may stand whose it is: "anthropic/claude-…", "us.anthropic.claude-…".
    """
    found = _rule_of(model.lower())
    return replace(found, **overrides) if overrides else found


@lru_cache(maxsize=1_024)
def _rule_of(model: str) -> Capabilities:
    names = [model[match.end() :] for match in _BEGINNING.finditer(model)]
    for rule in _LONGEST_FIRST:
        if any(_fits(rule, name) for name in names):
            return RULES[rule]
    return _GENERIC


def _fits(rule: str, name: str) -> bool:
    """Whether a name begins with a rule that does not end within a number of it."""
    following = name[len(rule) : len(rule) + 1]
    return name.startswith(rule) and not (rule[-1].isdecimal() and following.isdecimal())
