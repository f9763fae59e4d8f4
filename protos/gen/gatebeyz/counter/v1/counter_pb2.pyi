from gatebeyz.inference.v1 import inference_pb2 as _inference_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METHOD_UNSPECIFIED: _ClassVar[Method]
    METHOD_EXACT: _ClassVar[Method]
    METHOD_VOCABULARY: _ClassVar[Method]
    METHOD_CALIBRATED: _ClassVar[Method]
METHOD_UNSPECIFIED: Method
METHOD_EXACT: Method
METHOD_VOCABULARY: Method
METHOD_CALIBRATED: Method

class CountTokensRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CountItem]
    def __init__(self, items: _Optional[_Iterable[_Union[CountItem, _Mapping]]] = ...) -> None: ...

class CountItem(_message.Message):
    __slots__ = ("model", "body", "text", "dialect")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    model: str
    body: bytes
    text: str
    dialect: _inference_pb2.Dialect
    def __init__(self, model: _Optional[str] = ..., body: _Optional[bytes] = ..., text: _Optional[str] = ..., dialect: _Optional[_Union[_inference_pb2.Dialect, str]] = ...) -> None: ...

class CountTokensResponse(_message.Message):
    __slots__ = ("count", "progress", "total")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    count: Count
    progress: Progress
    total: Total
    def __init__(self, count: _Optional[_Union[Count, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., total: _Optional[_Union[Total, _Mapping]] = ...) -> None: ...

class Count(_message.Message):
    __slots__ = ("index", "tokens", "method", "error_median", "error_p90", "error_reason", "error_message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    ERROR_MEDIAN_FIELD_NUMBER: _ClassVar[int]
    ERROR_P90_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    tokens: int
    method: Method
    error_median: float
    error_p90: float
    error_reason: str
    error_message: str
    def __init__(self, index: _Optional[int] = ..., tokens: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., error_median: _Optional[float] = ..., error_p90: _Optional[float] = ..., error_reason: _Optional[str] = ..., error_message: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("index", "done_bytes", "total_bytes", "tokens")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    DONE_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    index: int
    done_bytes: int
    total_bytes: int
    tokens: int
    def __init__(self, index: _Optional[int] = ..., done_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., tokens: _Optional[int] = ...) -> None: ...

class Total(_message.Message):
    __slots__ = ("tokens", "items", "failed")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    items: int
    failed: int
    def __init__(self, tokens: _Optional[int] = ..., items: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...
