"""OpenAI Responses: ``POST /v1/responses`` (protocols/openai-responses.md, as of 2026-11-22)."""

from __future__ import annotations

from typing import Final

from dialects.dialect import Dialect
from dialects.openai_responses.fault import (
    keepalive,
    parse_fault,
    render_fault,
    render_stream_fault,
)
from dialects.openai_responses.reader import StreamReader
from dialects.openai_responses.request import FIELD_NAMES, decode_request, peek
from dialects.openai_responses.response import read_answer, write_answer
from dialects.openai_responses.tap import StreamTap
from dialects.openai_responses.unseal import unseal_history
from dialects.openai_responses.upstream_request import encode_request
from dialects.openai_responses.usage import usage_of
from dialects.openai_responses.writer import StreamWriter

DIALECT: Final = Dialect(
    name="openai_responses",
    path="/v1/responses",
    peek=peek,
    decode_request=decode_request,
    check_headers=lambda *_: None,
    field_names=FIELD_NAMES,
    identity=lambda user: {"user": user, "safety_identifier": user},
    encode_request=encode_request,
    request_headers=lambda _: {},
    unseal_history=unseal_history,
    reader=StreamReader,
    writer=StreamWriter,
    tap=StreamTap,
    read_answer=read_answer,
    write_answer=write_answer,
    usage_of=usage_of,
    parse_fault=parse_fault,
    render_fault=render_fault,
    render_stream_fault=render_stream_fault,
    keepalive=keepalive,
)
