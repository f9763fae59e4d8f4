"""Requests of the hub, as a Responses upstream gets them."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.capabilities import capabilities_of
from dialects.conversation import (
    Conversation,
    Part,
    Role,
    Text,
    Turn,
)
from dialects.dialect import EncodeContext
from dialects.errors import RemoteDialectError
from dialects.openai_responses import DIALECT

GPT = capabilities_of("gpt-5.2")


COMPATIBLE = capabilities_of("deepseek-chat")


def user(*parts: Part) -> Turn:
    return Turn(Role.USER, list(parts) or [Text("Hi")])


def assistant(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, list(parts))


def conversation(*turns: Turn, **fields: Any) -> Conversation:
    source = fields.pop("source", "anthropic_messages")
    return Conversation(source=source, model="m", turns=list(turns) or [user()], **fields)


def context(**fields: Any) -> EncodeContext:
    return EncodeContext(**{"model": "gpt-5.2", "capabilities": GPT, **fields})


def encode(request: Conversation, target: EncodeContext | None = None) -> dict[str, Any]:
    body: dict[str, Any] = DIALECT.encode_request(request, target or context())
    return body


def refused(request: Conversation, target: EncodeContext | None = None) -> RemoteDialectError:
    with pytest.raises(RemoteDialectError) as caught:
        encode(request, target)
    return caught.value
