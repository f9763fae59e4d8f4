"""The Anthropic Messages grammar."""

from __future__ import annotations

from typing import Final

from dialects.anthropic_messages.encoding import encode_request, request_headers
from dialects.anthropic_messages.fault import parse_fault, render_fault, render_stream_fault
from dialects.anthropic_messages.request import FIELD_NAMES, check_headers, decode_request, peek
from dialects.anthropic_messages.response import read_answer, usage_of, write_answer
from dialects.anthropic_messages.stream import MessagesReader
from dialects.anthropic_messages.tap import MessagesTap
from dialects.anthropic_messages.unseal import unseal_history
from dialects.anthropic_messages.writer import MessagesWriter, keepalive
from dialects.dialect import Dialect

DIALECT: Final = Dialect(
    name="anthropic_messages",
    path="/v1/messages",
    peek=peek,
    decode_request=decode_request,
    check_headers=check_headers,
    field_names=FIELD_NAMES,
    identity=lambda user: {"metadata": {"user_id": user}},
    encode_request=encode_request,
    request_headers=request_headers,
    unseal_history=unseal_history,
    reader=MessagesReader,
    writer=MessagesWriter,
    tap=MessagesTap,
    read_answer=read_answer,
    write_answer=write_answer,
    usage_of=usage_of,
    parse_fault=parse_fault,
    render_fault=render_fault,
    render_stream_fault=render_stream_fault,
    keepalive=keepalive,
)
