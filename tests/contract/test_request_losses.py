"""Every line of the request's loss table means what it says, in every cell it speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.bridge import CarriedRequest, carry_request
from dialects.capabilities import capabilities_of
from dialects.dialect import EncodeContext
from dialects.errors import Fault, FaultClass, RemoteDialectError
from dialects.registry import DIALECTS
from tests.contract.request_losses import FATES, MODELS, FieldFate
from tests.contract.translating import question

LINES = [(fate, target) for fate in FATES for target in fate.fates]


def carry(
    source: str, target: str, body: dict[str, Any], model: str, *, strict: bool = False
) -> CarriedRequest:
    context = EncodeContext(model=model, capabilities=capabilities_of(model), user="gb_someone")
    given = {"model": "client-model", **body}
    return carry_request(DIALECTS[source], DIALECTS[target], given, context, strict=strict)


def refusal(fate: FieldFate, target: str, *, strict: bool = False) -> Fault:
    with pytest.raises(RemoteDialectError) as caught:
        carry(fate.source, target, body_of(fate), fate.model(target), strict=strict)
    return caught.value.fault


def body_of(fate: FieldFate) -> dict[str, Any]:
    return {**question(fate.source), **fate.sent}


def sent(carried: CarriedRequest) -> tuple[dict[str, Any], list[str]]:
    """What the upstream gets, and the stop sequences the answer is cut at for want of its own."""
    return carried.body, carried.answer_context_fields["stops"]


@pytest.mark.parametrize(("fate", "target"), LINES, ids=lambda value: getattr(value, "name", value))
def test_a_field_meets_the_fate_the_table_tells(fate: FieldFate, target: str) -> None:
    letter = fate.fates[target]
    if letter == "E":
        fault = refusal(fate, target)
        assert fault.kind in (FaultClass.UNSUPPORTED_FEATURE, FaultClass.BAD_REQUEST)
        assert (fault.param or "").startswith(fate.field.rstrip(",:"))
        return
    carried = carry(fate.source, target, body_of(fate), fate.model(target))
    bare = carry(fate.source, target, question(fate.source), fate.model(target))
    if letter == "W":
        assert any(told.startswith(fate.field.rstrip(",:")) for told in carried.warnings)
        strict = refusal(fate, target, strict=True)
        assert strict.kind is FaultClass.UNSUPPORTED_FEATURE
        assert (strict.param or "").startswith(fate.field.rstrip(",:"))
        return
    assert carried.warnings == []
    assert (sent(carried) == sent(bare)) == (letter == "S")


def test_every_road_between_two_dialects_has_its_lines() -> None:
    roads = {(fate.source, target) for fate, target in LINES}
    assert roads == {(a, b) for a in MODELS for b in MODELS if a != b}
