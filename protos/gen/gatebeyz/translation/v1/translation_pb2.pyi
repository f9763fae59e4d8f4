from gatebeyz.inference.v1 import inference_pb2 as _inference_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TranslateRequestRequest(_message.Message):
    __slots__ = ("source", "target", "body", "model", "strict", "user", "headers")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    source: _inference_pb2.Dialect
    target: _inference_pb2.Dialect
    body: bytes
    model: str
    strict: bool
    user: str
    headers: _containers.ScalarMap[str, str]
    def __init__(self, source: _Optional[_Union[_inference_pb2.Dialect, str]] = ..., target: _Optional[_Union[_inference_pb2.Dialect, str]] = ..., body: _Optional[bytes] = ..., model: _Optional[str] = ..., strict: _Optional[bool] = ..., user: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TranslateRequestResponse(_message.Message):
    __slots__ = ("body", "warnings", "headers", "stops")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BODY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    STOPS_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    warnings: _containers.RepeatedScalarFieldContainer[str]
    headers: _containers.ScalarMap[str, str]
    stops: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, body: _Optional[bytes] = ..., warnings: _Optional[_Iterable[str]] = ..., headers: _Optional[_Mapping[str, str]] = ..., stops: _Optional[_Iterable[str]] = ...) -> None: ...

class TranslateResponseRequest(_message.Message):
    __slots__ = ("source", "target", "body", "request", "model", "status", "upstream_model")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    source: _inference_pb2.Dialect
    target: _inference_pb2.Dialect
    body: bytes
    request: bytes
    model: str
    status: int
    upstream_model: str
    def __init__(self, source: _Optional[_Union[_inference_pb2.Dialect, str]] = ..., target: _Optional[_Union[_inference_pb2.Dialect, str]] = ..., body: _Optional[bytes] = ..., request: _Optional[bytes] = ..., model: _Optional[str] = ..., status: _Optional[int] = ..., upstream_model: _Optional[str] = ...) -> None: ...

class TranslateResponseResponse(_message.Message):
    __slots__ = ("body", "status")
    BODY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    status: int
    def __init__(self, body: _Optional[bytes] = ..., status: _Optional[int] = ...) -> None: ...
