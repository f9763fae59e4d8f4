"""Requests carried from dialect to dialect, as the translator does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dialects.bridge import CarriedRequest, carry_request
from dialects.capabilities import capabilities_of
from dialects.dialect import EncodeContext
from dialects.envelope import Sealer
from dialects.errors import Fault, RemoteDialectError
from dialects.registry import DIALECTS

SHORT = {"A": "anthropic_messages", "C": "openai_chat", "R": "openai_responses"}
CLAUDE = "claude-sonnet-4-5"
GPT = "gpt-4.1"
USER = "gb_someone"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


def carry(
    road: str,
    body: dict[str, Any],
    model: str | None = None,
    *,
    sealer: Sealer | None = None,
    strict: bool = False,
    headers: dict[str, str] | None = None,
    **overrides: Any,
) -> CarriedRequest:
    """``road`` is "C→A" or the like; ``overrides`` are capabilities of the upstream model."""
    source, target = (DIALECTS[SHORT[letter]] for letter in road.split("→"))
    model = model or (CLAUDE if target.name == "anthropic_messages" else GPT)
    context = EncodeContext(
        model=model,
        capabilities=replace(capabilities_of(model), **overrides),
        user=USER,
        open_seal=sealer.open if sealer else None,
    )
    given = {"model": "client-model", **body}
    if source.name == "anthropic_messages":
        given = {"max_tokens": 8_000, **given}
    return carry_request(source, target, given, context, strict=strict, headers=headers)


def refused(road: str, body: dict[str, Any], model: str | None = None, **more: Any) -> Fault:
    """The fault a request is refused with."""
    with pytest.raises(RemoteDialectError) as caught:
        carry(road, body, model, **more)
    return caught.value.fault


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [said("Hi")], **fields}


def said(content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": content}


def called(*calls: tuple[str, str, str], content: str | None = None) -> dict[str, Any]:
    """An assistant's Chat message with calls of (id, name, arguments)."""
    told = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": told}


def gave(call_id: str, content: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def function(name: str, parameters: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A Chat tool."""
    inner = {"name": name, "parameters": WEATHER if parameters is None else parameters, **more}
    return {"type": "function", "function": inner}


def use(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any = "done", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def kinds(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in message["content"]]
