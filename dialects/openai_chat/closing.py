"""What a stream and a whole answer share: how they end, what they sign, what they count."""

from __future__ import annotations

from typing import Any, Final

from dialects.dialect import AnswerContext
from dialects.events import BlockSignature, Finish, FinishReason
from dialects.openai_chat.finish import write_finish
from dialects.usage import Usage

REFUSED: Final = "The model refused to answer."

# The format name under which our own envelope travels in ``reasoning_details``.
ENVELOPE_FORMAT: Final = "gatebeyz-v1"


def is_legacy(context: AnswerContext) -> bool:
    """Whether the client declared the deprecated ``functions`` and nothing else."""
    return bool(context.request.get("functions")) and not context.request.get("tools")


def judge_finish(
    event: Finish, context: AnswerContext, *, has_text: bool, has_refusal: bool
) -> tuple[str | None, str]:
    """The refusal still to be said (or None) and Chat's word for the end.

    A refusal after some text is a cut (content_filter); one without any says so in ``refusal``.
    """
    if event.reason is FinishReason.REFUSAL and not has_refusal:
        if has_text:
            return None, "content_filter"
        return event.details or REFUSED, "stop"
    return None, write_finish(event.reason, is_legacy=is_legacy(context))


def render_signature(
    event: BlockSignature, text: str, item_id: str | None, context: AnswerContext
) -> dict[str, Any] | None:
    """A ``reasoning_details`` entry with the sealed carrier; None where nothing may be sealed.

    It carries no text, so that clients that show details do not show the reasoning twice.
    """
    if context.seal is None:
        return None
    sealed = context.seal(event.carrier, event.data, text, item_id)
    return {
        "type": "reasoning.encrypted",
        "data": sealed,
        "format": ENVELOPE_FORMAT,
        "index": event.n,
    }


def known_usage(usage: Usage, context: AnswerContext) -> Usage:
    """The usage to show: the estimate of the input stands in where no upstream counted it."""
    if usage.input is None and context.input_estimate is not None:
        return usage.merge(Usage(input=context.input_estimate, estimated=True))
    return usage
