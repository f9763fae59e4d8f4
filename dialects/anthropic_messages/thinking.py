"""Anthropic's ``thinking`` and ``output_config.effort`` ↔ the neutral reasoning config.

Which model takes what is told by Capabilities (anthropic-messages §7, translation-matrix §2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dialects.capabilities import Capabilities
from dialects.conversation import Conversation, ReasoningConfig, ReasoningMode
from dialects.effort import WORDS, fit_word, word_of_budget
from dialects.errors import refuse

MIN_BUDGET: Final = 1_024
_MAX_BUDGET: Final = 32_000
_ANSWER_ROOM: Final = 8_192  # added to a budget where the client named no cap of its own

_BUDGET_OF: Final[dict[str, int]] = {
    "minimal": 1_024,
    "low": 2_048,
    "medium": 4_096,
    "high": 16_384,
    "xhigh": 24_576,
    "max": _MAX_BUDGET,
}


def decode_thinking(body: dict[str, Any]) -> ReasoningConfig:
    """What a client's body says of thinking; ``thinking`` and ``output_config`` are read."""
    config = ReasoningConfig(effort=_effort_of(body))
    thinking = body.get("thinking")
    if thinking is None:
        if config.effort is not None:
            config.mode = ReasoningMode.EFFORT
        return config
    if not isinstance(thinking, dict):
        raise refuse("must be an object", "thinking")
    match thinking.get("type"):
        case "enabled":
            config.mode, config.budget = ReasoningMode.BUDGET, _budget_of(thinking)
        case "adaptive":
            config.mode = ReasoningMode.AUTO
        case "disabled":
            config.mode = ReasoningMode.OFF
        case "between_tools":
            config.mode, config.between_tools = ReasoningMode.OFF, True
        case _:
            raise refuse("must be enabled, adaptive, disabled or between_tools", "thinking.type")
    display = thinking.get("display")
    if display is not None:
        config.show = display != "omitted"
    return config


def _effort_of(body: dict[str, Any]) -> str | None:
    output = body.get("output_config")
    effort = output.get("effort") if isinstance(output, dict) else None
    if effort is not None and effort not in WORDS:
        raise refuse("must be low, medium, high, xhigh or max", "output_config.effort")
    return effort


def _budget_of(thinking: dict[str, Any]) -> int:
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < MIN_BUDGET:
        raise refuse("must be a whole number of at least 1024", "thinking.budget_tokens")
    return budget


@dataclass(frozen=True, slots=True)
class Plan:
    """The fields to send: ``thinking`` or nothing, ``effort`` or nothing, and the token cap."""

    thinking: dict[str, Any] | None
    effort: str | None
    max_tokens: int

    @property
    def is_on(self) -> bool:
        """Whether the request itself asks for thinking."""
        return self.thinking is not None and self.thinking["type"] in ("enabled", "adaptive")


def plan_thinking(
    conversation: Conversation, capabilities: Capabilities, *, max_tokens: int, may_raise: bool
) -> Plan:
    """Choose the fields; ``may_raise`` says that the client named no cap, so that ours may grow."""
    config = conversation.reasoning
    asked = _asked_mode(config, capabilities)
    effort = None
    if asked is not ReasoningMode.DEFAULT or config.effort:
        effort = _fit_effort(conversation, capabilities)
    if asked is ReasoningMode.DEFAULT or not capabilities.thinking:
        if asked not in (ReasoningMode.DEFAULT, ReasoningMode.OFF):
            conversation.warn("reasoning", "dropped")
        return Plan(None, effort, max_tokens)
    if asked is ReasoningMode.OFF:
        return _plan_off(conversation, capabilities, effort, max_tokens)
    if "adaptive" in capabilities.thinking and not (
        asked is ReasoningMode.BUDGET and "enabled" in capabilities.thinking
    ):
        if asked is ReasoningMode.BUDGET:
            effort = effort or fit_word(word_of_budget(config.budget or 0), capabilities.efforts)
            conversation.warn("reasoning", "changed")
        return Plan(_displayed({"type": "adaptive"}, conversation), effort, max_tokens)
    return _plan_budget(conversation, capabilities, effort, max_tokens, may_raise)


def _asked_mode(config: ReasoningConfig, capabilities: Capabilities) -> ReasoningMode:
    """The mode, with "effort: none" read as off.

    A client that only wants to see reasoning, or to keep it, gets it from models that decide for
    themselves; it is no reason to spend a budget on those that do not.
    """
    if config.effort == "none":
        return ReasoningMode.OFF
    if config.mode is not ReasoningMode.DEFAULT or not config.is_wanted:
        return config.mode
    decides = "adaptive" in capabilities.thinking and "enabled" not in capabilities.thinking
    return ReasoningMode.AUTO if decides else ReasoningMode.DEFAULT


def _fit_effort(conversation: Conversation, capabilities: Capabilities) -> str | None:
    word = conversation.reasoning.effort
    if word is None or word == "none" or not capabilities.efforts:
        return None
    fitted = fit_word(word, capabilities.efforts)
    if fitted != word and word != "minimal":
        conversation.warn("reasoning.effort", "clamped")
    return fitted


def _plan_off(
    conversation: Conversation, capabilities: Capabilities, effort: str | None, max_tokens: int
) -> Plan:
    is_gentle = effort not in ("xhigh", "max")
    if "disabled" in capabilities.thinking and (is_gentle or not capabilities.thinks_by_default):
        is_needed = capabilities.thinks_by_default or conversation.source == "anthropic_messages"
        return Plan({"type": "disabled"} if is_needed else None, effort, max_tokens)
    if "between_tools" in capabilities.thinking and is_gentle:
        return Plan({"type": "between_tools"}, effort, max_tokens)
    conversation.warn("reasoning", "changed")
    return Plan({"type": "adaptive"}, fit_word("low", capabilities.efforts), max_tokens)


def _plan_budget(
    conversation: Conversation,
    capabilities: Capabilities,
    effort: str | None,
    max_tokens: int,
    may_raise: bool,
) -> Plan:
    config = conversation.reasoning
    wanted = config.budget or _BUDGET_OF.get(config.effort or "medium", _BUDGET_OF["medium"])
    wanted = max(wanted, MIN_BUDGET)
    if may_raise:
        max_tokens = max(max_tokens, min(wanted + _ANSWER_ROOM, capabilities.max_output))
    share = max_tokens // 4
    room = max(MIN_BUDGET, min(share, _ANSWER_ROOM) if may_raise else share)
    if config.budget is not None and config.budget < max_tokens:
        room = 1  # the client's own division stands
    budget = min(wanted, max_tokens - room)
    if budget < MIN_BUDGET:
        conversation.warn("reasoning", "dropped")
        return Plan(None, effort, max_tokens)
    thinking = {"type": "enabled", "budget_tokens": budget}
    return Plan(_displayed(thinking, conversation), effort, max_tokens)


def _displayed(thinking: dict[str, Any], conversation: Conversation) -> dict[str, Any]:
    """Models since 4.7 omit the text unless asked: a client that wants to see it must be heard.

    One that asked for nothing but to see or keep reasoning (mode DEFAULT) is shown it too.
    """
    config = conversation.reasoning
    if config.show is False:
        thinking["display"] = "omitted"
    elif config.show or config.mode is ReasoningMode.DEFAULT:
        thinking["display"] = "summarized"
    return thinking
