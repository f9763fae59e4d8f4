from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dialect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIALECT_UNSPECIFIED: _ClassVar[Dialect]
    DIALECT_ANTHROPIC_MESSAGES: _ClassVar[Dialect]
    DIALECT_OPENAI_CHAT: _ClassVar[Dialect]
    DIALECT_OPENAI_RESPONSES: _ClassVar[Dialect]

class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_UNSPECIFIED: _ClassVar[Operation]
    OPERATION_GENERATE: _ClassVar[Operation]
    OPERATION_COUNT_TOKENS: _ClassVar[Operation]

class End(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_UNSPECIFIED: _ClassVar[End]
    END_COMPLETE: _ClassVar[End]
    END_UPSTREAM_ERROR: _ClassVar[End]
    END_TRUNCATED: _ClassVar[End]
    END_CANCELLED: _ClassVar[End]
    END_REVOKED: _ClassVar[End]
DIALECT_UNSPECIFIED: Dialect
DIALECT_ANTHROPIC_MESSAGES: Dialect
DIALECT_OPENAI_CHAT: Dialect
DIALECT_OPENAI_RESPONSES: Dialect
OPERATION_UNSPECIFIED: Operation
OPERATION_GENERATE: Operation
OPERATION_COUNT_TOKENS: Operation
END_UNSPECIFIED: End
END_COMPLETE: End
END_UPSTREAM_ERROR: End
END_TRUNCATED: End
END_CANCELLED: End
END_REVOKED: End

class GenerateRequest(_message.Message):
    __slots__ = ("grant", "dialect", "body", "stream", "model", "request_id", "traceparent", "headers", "operation", "routes", "strict", "shown_model", "tracestate")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GRANT_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    SHOWN_MODEL_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    grant: bytes
    dialect: Dialect
    body: bytes
    stream: bool
    model: str
    request_id: str
    traceparent: str
    headers: _containers.ScalarMap[str, str]
    operation: Operation
    routes: _containers.RepeatedScalarFieldContainer[str]
    strict: bool
    shown_model: str
    tracestate: str
    def __init__(self, grant: _Optional[bytes] = ..., dialect: _Optional[_Union[Dialect, str]] = ..., body: _Optional[bytes] = ..., stream: _Optional[bool] = ..., model: _Optional[str] = ..., request_id: _Optional[str] = ..., traceparent: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., operation: _Optional[_Union[Operation, str]] = ..., routes: _Optional[_Iterable[str]] = ..., strict: _Optional[bool] = ..., shown_model: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("head", "chunk", "outcome", "complete")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    head: Head
    chunk: bytes
    outcome: Outcome
    complete: bool
    def __init__(self, head: _Optional[_Union[Head, _Mapping]] = ..., chunk: _Optional[bytes] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., complete: _Optional[bool] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("status", "headers", "upstream_request_id", "upstream", "upstream_model", "warnings", "upstream_dialect")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_DIALECT_FIELD_NUMBER: _ClassVar[int]
    status: int
    headers: _containers.ScalarMap[str, str]
    upstream_request_id: str
    upstream: str
    upstream_model: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    upstream_dialect: Dialect
    def __init__(self, status: _Optional[int] = ..., headers: _Optional[_Mapping[str, str]] = ..., upstream_request_id: _Optional[str] = ..., upstream: _Optional[str] = ..., upstream_model: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., upstream_dialect: _Optional[_Union[Dialect, str]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("usage", "end", "first_byte_ms", "total_ms", "attempts")
    USAGE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    usage: Usage
    end: End
    first_byte_ms: int
    total_ms: int
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    def __init__(self, usage: _Optional[_Union[Usage, _Mapping]] = ..., end: _Optional[_Union[End, str]] = ..., first_byte_ms: _Optional[int] = ..., total_ms: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "estimated")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_READ_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_5M_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_1H_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    estimated: bool
    def __init__(self, input_tokens: _Optional[int] = ..., cache_read_tokens: _Optional[int] = ..., cache_write_5m_tokens: _Optional[int] = ..., cache_write_1h_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., reasoning_tokens: _Optional[int] = ..., estimated: _Optional[bool] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("upstream", "status", "result")
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    upstream: str
    status: int
    result: str
    def __init__(self, upstream: _Optional[str] = ..., status: _Optional[int] = ..., result: _Optional[str] = ...) -> None: ...

class LinkRequest(_message.Message):
    __slots__ = ("frames", "probes")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[CallFrame]
    probes: bool
    def __init__(self, frames: _Optional[_Iterable[_Union[CallFrame, _Mapping]]] = ..., probes: _Optional[bool] = ...) -> None: ...

class CallFrame(_message.Message):
    __slots__ = ("call", "begin", "consumed", "cancel")
    CALL_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    call: int
    begin: GenerateRequest
    consumed: int
    cancel: bool
    def __init__(self, call: _Optional[int] = ..., begin: _Optional[_Union[GenerateRequest, _Mapping]] = ..., consumed: _Optional[int] = ..., cancel: _Optional[bool] = ...) -> None: ...

class LinkResponse(_message.Message):
    __slots__ = ("frames", "instance", "going_away", "echoes")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    GOING_AWAY_FIELD_NUMBER: _ClassVar[int]
    ECHOES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[AnswerFrame]
    instance: str
    going_away: bool
    echoes: bool
    def __init__(self, frames: _Optional[_Iterable[_Union[AnswerFrame, _Mapping]]] = ..., instance: _Optional[str] = ..., going_away: _Optional[bool] = ..., echoes: _Optional[bool] = ...) -> None: ...

class AnswerFrame(_message.Message):
    __slots__ = ("call", "accepted", "answer", "status")
    CALL_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    call: int
    accepted: bool
    answer: GenerateResponse
    status: CallStatus
    def __init__(self, call: _Optional[int] = ..., accepted: _Optional[bool] = ..., answer: _Optional[_Union[GenerateResponse, _Mapping]] = ..., status: _Optional[_Union[CallStatus, _Mapping]] = ...) -> None: ...

class CallStatus(_message.Message):
    __slots__ = ("code", "message", "details", "repeatable")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    REPEATABLE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: bytes
    repeatable: bool
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[bytes] = ..., repeatable: _Optional[bool] = ...) -> None: ...
