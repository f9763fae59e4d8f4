import datetime

from gatebeyz.inference.v1 import inference_pb2 as _inference_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HoldState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_STATE_UNSPECIFIED: _ClassVar[HoldState]
    HOLD_STATE_OPEN: _ClassVar[HoldState]
    HOLD_STATE_EXHAUSTED: _ClassVar[HoldState]
    HOLD_STATE_CLOSED: _ClassVar[HoldState]
    HOLD_STATE_MISSING: _ClassVar[HoldState]
    HOLD_STATE_REVOKED: _ClassVar[HoldState]

class EntryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_KIND_UNSPECIFIED: _ClassVar[EntryKind]
    ENTRY_KIND_GRANT: _ClassVar[EntryKind]
    ENTRY_KIND_SETTLE: _ClassVar[EntryKind]
    ENTRY_KIND_VOID: _ClassVar[EntryKind]
    ENTRY_KIND_EXPIRE: _ClassVar[EntryKind]
HOLD_STATE_UNSPECIFIED: HoldState
HOLD_STATE_OPEN: HoldState
HOLD_STATE_EXHAUSTED: HoldState
HOLD_STATE_CLOSED: HoldState
HOLD_STATE_MISSING: HoldState
HOLD_STATE_REVOKED: HoldState
ENTRY_KIND_UNSPECIFIED: EntryKind
ENTRY_KIND_GRANT: EntryKind
ENTRY_KIND_SETTLE: EntryKind
ENTRY_KIND_VOID: EntryKind
ENTRY_KIND_EXPIRE: EntryKind

class Bound(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "writes_cache_5m", "writes_cache_1h")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WRITES_CACHE_5M_FIELD_NUMBER: _ClassVar[int]
    WRITES_CACHE_1H_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    writes_cache_5m: bool
    writes_cache_1h: bool
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., writes_cache_5m: _Optional[bool] = ..., writes_cache_1h: _Optional[bool] = ...) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("request_id", "account_id", "key_id", "model", "bound", "slice_tokens", "started_at")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    SLICE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    key_id: str
    model: str
    bound: Bound
    slice_tokens: int
    started_at: _timestamp_pb2.Timestamp
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., bound: _Optional[_Union[Bound, _Mapping]] = ..., slice_tokens: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("held_micros", "output_tokens", "remaining_micros", "store_id")
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MICROS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    held_micros: int
    output_tokens: int
    remaining_micros: int
    store_id: str
    def __init__(self, held_micros: _Optional[int] = ..., output_tokens: _Optional[int] = ..., remaining_micros: _Optional[int] = ..., store_id: _Optional[str] = ...) -> None: ...

class HoldBatchRequest(_message.Message):
    __slots__ = ("holds",)
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[HoldRequest]
    def __init__(self, holds: _Optional[_Iterable[_Union[HoldRequest, _Mapping]]] = ...) -> None: ...

class HoldBatchResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[HoldAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[HoldAnswer, _Mapping]]] = ...) -> None: ...

class HoldAnswer(_message.Message):
    __slots__ = ("held", "refusal")
    HELD_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    held: HoldResponse
    refusal: bytes
    def __init__(self, held: _Optional[_Union[HoldResponse, _Mapping]] = ..., refusal: _Optional[bytes] = ...) -> None: ...

class ProgressRequest(_message.Message):
    __slots__ = ("holds",)
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[HoldProgress]
    def __init__(self, holds: _Optional[_Iterable[_Union[HoldProgress, _Mapping]]] = ...) -> None: ...

class HoldProgress(_message.Message):
    __slots__ = ("request_id", "account_id", "key_id", "model", "usage", "wanted")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    key_id: str
    model: str
    usage: _inference_pb2.Usage
    wanted: Bound
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., usage: _Optional[_Union[_inference_pb2.Usage, _Mapping]] = ..., wanted: _Optional[_Union[Bound, _Mapping]] = ...) -> None: ...

class ProgressResponse(_message.Message):
    __slots__ = ("holds", "store_id")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[HoldStatus]
    store_id: str
    def __init__(self, holds: _Optional[_Iterable[_Union[HoldStatus, _Mapping]]] = ..., store_id: _Optional[str] = ...) -> None: ...

class HoldStatus(_message.Message):
    __slots__ = ("state", "output_tokens")
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    state: HoldState
    output_tokens: int
    def __init__(self, state: _Optional[_Union[HoldState, str]] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class SettleRequest(_message.Message):
    __slots__ = ("settlements",)
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    settlements: _containers.RepeatedCompositeFieldContainer[Settlement]
    def __init__(self, settlements: _Optional[_Iterable[_Union[Settlement, _Mapping]]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("request_id", "account_id", "key_id", "model", "upstream", "upstream_model", "usage", "end", "started_at", "total_ms", "attempts", "prepaid")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PREPAID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    key_id: str
    model: str
    upstream: str
    upstream_model: str
    usage: _inference_pb2.Usage
    end: _inference_pb2.End
    started_at: _timestamp_pb2.Timestamp
    total_ms: int
    attempts: int
    prepaid: bool
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., upstream: _Optional[str] = ..., upstream_model: _Optional[str] = ..., usage: _Optional[_Union[_inference_pb2.Usage, _Mapping]] = ..., end: _Optional[_Union[_inference_pb2.End, str]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., total_ms: _Optional[int] = ..., attempts: _Optional[int] = ..., prepaid: _Optional[bool] = ...) -> None: ...

class SettleResponse(_message.Message):
    __slots__ = ("recorded", "store_id")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    recorded: int
    store_id: str
    def __init__(self, recorded: _Optional[int] = ..., store_id: _Optional[str] = ...) -> None: ...

class VoidRequest(_message.Message):
    __slots__ = ("holds",)
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[VoidedHold]
    def __init__(self, holds: _Optional[_Iterable[_Union[VoidedHold, _Mapping]]] = ...) -> None: ...

class VoidedHold(_message.Message):
    __slots__ = ("request_id", "account_id", "key_id", "model")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    account_id: str
    key_id: str
    model: str
    def __init__(self, request_id: _Optional[str] = ..., account_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class VoidResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GrantCreditsRequest(_message.Message):
    __slots__ = ("account_id", "payment_reference", "pack", "amount_micros", "expires_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    payment_reference: str
    pack: str
    amount_micros: int
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., payment_reference: _Optional[str] = ..., pack: _Optional[str] = ..., amount_micros: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GrantCreditsResponse(_message.Message):
    __slots__ = ("pack", "balance", "repeated")
    PACK_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    pack: Pack
    balance: Balance
    repeated: bool
    def __init__(self, pack: _Optional[_Union[Pack, _Mapping]] = ..., balance: _Optional[_Union[Balance, _Mapping]] = ..., repeated: _Optional[bool] = ...) -> None: ...

class Pack(_message.Message):
    __slots__ = ("pack_id", "name", "payment_reference", "granted_micros", "spent_micros", "expired_micros", "remaining_micros", "granted_at", "expires_at")
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    GRANTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_MICROS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MICROS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    pack_id: str
    name: str
    payment_reference: str
    granted_micros: int
    spent_micros: int
    expired_micros: int
    remaining_micros: int
    granted_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, pack_id: _Optional[str] = ..., name: _Optional[str] = ..., payment_reference: _Optional[str] = ..., granted_micros: _Optional[int] = ..., spent_micros: _Optional[int] = ..., expired_micros: _Optional[int] = ..., remaining_micros: _Optional[int] = ..., granted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("account_id", "granted_micros", "spent_micros", "held_micros", "expired_micros", "remaining_micros", "short_micros")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    HELD_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_MICROS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MICROS_FIELD_NUMBER: _ClassVar[int]
    SHORT_MICROS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    granted_micros: int
    spent_micros: int
    held_micros: int
    expired_micros: int
    remaining_micros: int
    short_micros: int
    def __init__(self, account_id: _Optional[str] = ..., granted_micros: _Optional[int] = ..., spent_micros: _Optional[int] = ..., held_micros: _Optional[int] = ..., expired_micros: _Optional[int] = ..., remaining_micros: _Optional[int] = ..., short_micros: _Optional[int] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("balance",)
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    balance: Balance
    def __init__(self, balance: _Optional[_Union[Balance, _Mapping]] = ...) -> None: ...

class ListPacksRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class ListPacksResponse(_message.Message):
    __slots__ = ("packs",)
    PACKS_FIELD_NUMBER: _ClassVar[int]
    packs: _containers.RepeatedCompositeFieldContainer[Pack]
    def __init__(self, packs: _Optional[_Iterable[_Union[Pack, _Mapping]]] = ...) -> None: ...

class ListUsageRequest(_message.Message):
    __slots__ = ("account_id", "until", "limit", "before_sequence")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    until: _timestamp_pb2.Timestamp
    limit: int
    before_sequence: str
    def __init__(self, account_id: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., before_sequence: _Optional[str] = ..., **kwargs) -> None: ...

class ListUsageResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("sequence", "recorded_at", "kind", "account_id", "request_id", "key_id", "model", "upstream", "upstream_model", "end", "started_at", "total_ms", "attempts", "prepaid", "usage", "cost_micros", "granted_micros", "spent_micros", "short_micros", "expired_micros", "pack_id", "payment_reference")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_MODEL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PREPAID_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    SHORT_MICROS_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_MICROS_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: str
    recorded_at: _timestamp_pb2.Timestamp
    kind: EntryKind
    account_id: str
    request_id: str
    key_id: str
    model: str
    upstream: str
    upstream_model: str
    end: _inference_pb2.End
    started_at: _timestamp_pb2.Timestamp
    total_ms: int
    attempts: int
    prepaid: bool
    usage: _inference_pb2.Usage
    cost_micros: int
    granted_micros: int
    spent_micros: int
    short_micros: int
    expired_micros: int
    pack_id: str
    payment_reference: str
    def __init__(self, sequence: _Optional[str] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[EntryKind, str]] = ..., account_id: _Optional[str] = ..., request_id: _Optional[str] = ..., key_id: _Optional[str] = ..., model: _Optional[str] = ..., upstream: _Optional[str] = ..., upstream_model: _Optional[str] = ..., end: _Optional[_Union[_inference_pb2.End, str]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., total_ms: _Optional[int] = ..., attempts: _Optional[int] = ..., prepaid: _Optional[bool] = ..., usage: _Optional[_Union[_inference_pb2.Usage, _Mapping]] = ..., cost_micros: _Optional[int] = ..., granted_micros: _Optional[int] = ..., spent_micros: _Optional[int] = ..., short_micros: _Optional[int] = ..., expired_micros: _Optional[int] = ..., pack_id: _Optional[str] = ..., payment_reference: _Optional[str] = ...) -> None: ...

class ListRollupsRequest(_message.Message):
    __slots__ = ("account_id", "first_day", "last_day")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_DAY_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    first_day: str
    last_day: str
    def __init__(self, account_id: _Optional[str] = ..., first_day: _Optional[str] = ..., last_day: _Optional[str] = ...) -> None: ...

class ListRollupsResponse(_message.Message):
    __slots__ = ("days",)
    DAYS_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedCompositeFieldContainer[Rollup]
    def __init__(self, days: _Optional[_Iterable[_Union[Rollup, _Mapping]]] = ...) -> None: ...

class Rollup(_message.Message):
    __slots__ = ("day", "total", "by_model", "by_key")
    class ByModelEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Totals
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Totals, _Mapping]] = ...) -> None: ...
    class ByKeyEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Totals
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Totals, _Mapping]] = ...) -> None: ...
    DAY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    BY_MODEL_FIELD_NUMBER: _ClassVar[int]
    BY_KEY_FIELD_NUMBER: _ClassVar[int]
    day: str
    total: Totals
    by_model: _containers.MessageMap[str, Totals]
    by_key: _containers.MessageMap[str, Totals]
    def __init__(self, day: _Optional[str] = ..., total: _Optional[_Union[Totals, _Mapping]] = ..., by_model: _Optional[_Mapping[str, Totals]] = ..., by_key: _Optional[_Mapping[str, Totals]] = ...) -> None: ...

class Totals(_message.Message):
    __slots__ = ("requests", "usage", "cost_micros", "spent_micros", "short_micros")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    SPENT_MICROS_FIELD_NUMBER: _ClassVar[int]
    SHORT_MICROS_FIELD_NUMBER: _ClassVar[int]
    requests: int
    usage: _inference_pb2.Usage
    cost_micros: int
    spent_micros: int
    short_micros: int
    def __init__(self, requests: _Optional[int] = ..., usage: _Optional[_Union[_inference_pb2.Usage, _Mapping]] = ..., cost_micros: _Optional[int] = ..., spent_micros: _Optional[int] = ..., short_micros: _Optional[int] = ...) -> None: ...

class VerifyLedgerRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyLedgerResponse(_message.Message):
    __slots__ = ("partition", "wallets", "entries", "differences", "total")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    WALLETS_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    partition: str
    wallets: int
    entries: int
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    total: Balance
    def __init__(self, partition: _Optional[str] = ..., wallets: _Optional[int] = ..., entries: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ..., total: _Optional[_Union[Balance, _Mapping]] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("account_id", "name", "expected_micros", "found_micros")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_MICROS_FIELD_NUMBER: _ClassVar[int]
    FOUND_MICROS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    name: str
    expected_micros: int
    found_micros: int
    def __init__(self, account_id: _Optional[str] = ..., name: _Optional[str] = ..., expected_micros: _Optional[int] = ..., found_micros: _Optional[int] = ...) -> None: ...

class ExportJournalRequest(_message.Message):
    __slots__ = ("until", "account_id")
    FROM_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    until: _timestamp_pb2.Timestamp
    account_id: str
    def __init__(self, until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_id: _Optional[str] = ..., **kwargs) -> None: ...

class ExportJournalResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...
