"""What is left of a client's tools and choice for one upstream."""

from __future__ import annotations

import pytest

from dialects.choice import Offer, settle_offer
from dialects.conversation import ChoiceMode, Conversation, Tool, ToolChoice, ToolKind
from dialects.errors import RemoteDialectError

F, G = Tool(ToolKind.FUNCTION, "f"), Tool(ToolKind.FUNCTION, "g")
HOSTED = Tool(ToolKind.HOSTED, "web_search", dialect="openai_responses", data={})
MEANT = Tool(ToolKind.HOSTED, "computer", dialect="anthropic_messages", data={})


def settle(
    tools: list[Tool], choice: ToolChoice | None, *, can_force: bool = True, can_allow: bool = False
) -> tuple[Offer, list[str]]:
    conversation = Conversation("openai_responses", "m", tools=tools, tool_choice=choice)
    offer = settle_offer(conversation, "openai_chat", can_force=can_force, can_allow=can_allow)
    return offer, conversation.warnings


@pytest.mark.parametrize(
    ("choice", "expected", "warnings"),
    [
        (None, Offer([F, G]), []),
        (ToolChoice(ChoiceMode.AUTO), Offer([F, G], ChoiceMode.AUTO), []),
        (ToolChoice(ChoiceMode.NONE), Offer([F, G], ChoiceMode.NONE), []),
        (ToolChoice(ChoiceMode.REQUIRED), Offer([F, G], ChoiceMode.REQUIRED), []),
        (ToolChoice(ChoiceMode.NAMED, ["g"]), Offer([F, G], ChoiceMode.NAMED, [G]), []),
        (
            ToolChoice(ChoiceMode.AUTO, ["g"]),
            Offer([F, G], ChoiceMode.AUTO),
            ["tool_choice=changed"],
        ),
        (ToolChoice(ChoiceMode.REQUIRED, ["g"]), Offer([F, G], ChoiceMode.NAMED, [G]), []),
        (
            ToolChoice(ChoiceMode.REQUIRED, ["g", "f"]),
            Offer([F, G], ChoiceMode.REQUIRED),
            ["tool_choice=changed"],
        ),
    ],
)
def test_a_choice_for_an_upstream_without_subsets(
    choice: ToolChoice | None, expected: Offer, warnings: list[str]
) -> None:
    assert settle([F, G], choice) == (expected, warnings)


def test_a_subset_is_told_where_it_is_understood() -> None:
    for mode in (ChoiceMode.AUTO, ChoiceMode.REQUIRED):
        found = settle([F, G], ToolChoice(mode, ["g"]), can_allow=True)
        assert found == (Offer([F, G], mode, [G]), [])


def test_a_model_that_cannot_be_forced_is_left_to_choose() -> None:
    for choice in (ToolChoice(ChoiceMode.NAMED, ["f"]), ToolChoice(ChoiceMode.REQUIRED)):
        found = settle([F], choice, can_force=False)
        assert found == (Offer([F], ChoiceMode.AUTO), ["tool_choice=changed"])


def test_tools_of_another_provider_go_with_a_word_or_not_at_all() -> None:
    assert settle([HOSTED, F], None) == (Offer([F]), ["tools.web_search=dropped"])
    assert settle([HOSTED], ToolChoice(ChoiceMode.AUTO))[0] == Offer([])
    for tools, choice in (
        ([HOSTED], ToolChoice(ChoiceMode.REQUIRED)),
        ([HOSTED, F], ToolChoice(ChoiceMode.NAMED, ["web_search"])),
        ([MEANT, F], None),
    ):
        with pytest.raises(RemoteDialectError) as caught:
            settle(tools, choice)
        assert caught.value.fault.param == "tools"


def test_two_of_a_name_are_told_apart_by_their_namespace() -> None:
    mail, files = (Tool(ToolKind.FUNCTION, "read", namespace=name) for name in ("mail", "files"))
    offer, _ = settle([mail, files], ToolChoice(ChoiceMode.NAMED, ["files.read"]))

    assert offer.chosen == [files]
    with pytest.raises(RemoteDialectError):
        settle([mail], ToolChoice(ChoiceMode.NAMED, ["files.read"]))
