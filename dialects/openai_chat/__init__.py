"""OpenAI Chat Completions and the many servers that speak it."""

from __future__ import annotations

from typing import Final

from dialects.dialect import Dialect
from dialects.openai_chat.encode import encode_request
from dialects.openai_chat.fault import keepalive, parse_fault, render_fault, render_stream_fault
from dialects.openai_chat.request import FIELD_NAMES, decode_request, peek
from dialects.openai_chat.response import read_answer, write_answer
from dialects.openai_chat.stream import ChatReader, ChatWriter
from dialects.openai_chat.tap import ChatTap
from dialects.openai_chat.unseal import unseal_history
from dialects.openai_chat.usage import usage_of

DIALECT: Final = Dialect(
    name="openai_chat",
    path="/v1/chat/completions",
    peek=peek,
    decode_request=decode_request,
    check_headers=lambda *_: None,
    field_names=FIELD_NAMES,
    identity=lambda user: {"user": user, "safety_identifier": user},
    encode_request=encode_request,
    request_headers=lambda _: {},
    unseal_history=unseal_history,
    reader=ChatReader,
    writer=ChatWriter,
    tap=ChatTap,
    read_answer=read_answer,
    write_answer=write_answer,
    usage_of=usage_of,
    parse_fault=parse_fault,
    render_fault=render_fault,
    render_stream_fault=render_stream_fault,
    keepalive=keepalive,
)

__all__ = ["DIALECT"]
