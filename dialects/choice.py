"""Which tools a model is offered and how it is told to choose (translation-matrix §1.5, §1.7)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dialects.conversation import ChoiceMode, Conversation, Tool, ToolKind
from dialects.errors import refuse, refuse_feature


@dataclass(frozen=True, slots=True)
class Offer:
    """What is left of the client's tools and choice for one upstream.

    ``mode`` is None where the client chose nothing or no tool is left. ``chosen`` holds the one
    tool of NAMED, and the allowed ones of AUTO and REQUIRED where the upstream can be told so.
    """

    tools: list[Tool]
    mode: ChoiceMode | None = None
    chosen: list[Tool] = field(default_factory=list)


def settle_offer(
    conversation: Conversation, target: str, *, can_force: bool, can_allow: bool
) -> Offer:
    """The offer for a dialect; notes what was loosened, refuses what must not be.

    ``can_force``: the model can be made to call. ``can_allow``: the upstream knows a subset of
    the tools; elsewhere a subset to choose freely from is let go, so that the tools, which stand
    at the head of every cache, do not change, and one that must be called from is cut out.
    """
    tools = _native_tools(conversation, target)
    choice = conversation.tool_choice
    if choice is None or not tools:
        return Offer(tools)
    named = [_find(conversation, name) for name in choice.names]
    left = [tool for tool in named if tool in tools]
    is_forced = choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED)
    if is_forced and not can_force:
        conversation.warn("tool_choice", "changed")
        return Offer(tools, ChoiceMode.AUTO)
    if not left or choice.mode is ChoiceMode.NONE:
        return Offer(tools, choice.mode)
    if choice.mode is ChoiceMode.NAMED:
        return Offer(tools, choice.mode, left)
    if can_allow:
        return Offer(tools, choice.mode, left)
    if choice.mode is ChoiceMode.REQUIRED and len(left) == 1:
        return Offer(tools, ChoiceMode.NAMED, left)
    conversation.warn("tool_choice", "changed")
    if choice.mode is ChoiceMode.REQUIRED:
        return Offer([tool for tool in tools if tool in left], choice.mode)
    return Offer(tools, choice.mode)


def _native_tools(conversation: Conversation, target: str) -> list[Tool]:
    """The tools the target can have; a provider's own are dropped or, where it matters, refused.

    Responses clients list hosted tools by habit; clients of the other dialects mean them.
    """
    tools = []
    for tool in conversation.tools:
        if tool.kind is not ToolKind.HOSTED or tool.dialect == target:
            tools.append(tool)
        elif tool.dialect != "openai_responses" or _is_forced(conversation, tool):
            message = f"The tool '{tool.name}' is run by its provider: this model does not have it."
            raise refuse_feature(message, "tools")
        else:
            conversation.warn(f"tools.{tool.name}", "dropped")
    return tools


def _is_forced(conversation: Conversation, tool: Tool) -> bool:
    choice = conversation.tool_choice
    if choice is None or choice.mode not in (ChoiceMode.REQUIRED, ChoiceMode.NAMED):
        return False
    if choice.names:
        return set(choice.names) == {tool.name}
    return all(other.kind is ToolKind.HOSTED for other in conversation.tools)


def _find(conversation: Conversation, name: str) -> Tool:
    """A chosen tool by its name, or by ``namespace.name`` where two share one."""
    for tool in conversation.tools:
        if name in (tool.name, f"{tool.namespace}.{tool.name}"):
            return tool
    raise refuse(f"The tool '{name}' in tool_choice is not among the tools.", "tool_choice")
