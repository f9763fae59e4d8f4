import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Realm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REALM_UNSPECIFIED: _ClassVar[Realm]
    REALM_API: _ClassVar[Realm]
    REALM_CREDITS: _ClassVar[Realm]
    REALM_OPERATORS: _ClassVar[Realm]

class LinkKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINK_KIND_UNSPECIFIED: _ClassVar[LinkKind]
    LINK_KIND_PASSWORD: _ClassVar[LinkKind]
    LINK_KIND_SIGN_IN: _ClassVar[LinkKind]
REALM_UNSPECIFIED: Realm
REALM_API: Realm
REALM_CREDITS: Realm
REALM_OPERATORS: Realm
LINK_KIND_UNSPECIFIED: LinkKind
LINK_KIND_PASSWORD: LinkKind
LINK_KIND_SIGN_IN: LinkKind

class Member(_message.Message):
    __slots__ = ("member_id", "realm", "email", "account_id", "has_password", "created_at")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    HAS_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    realm: Realm
    email: str
    account_id: str
    has_password: bool
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, member_id: _Optional[str] = ..., realm: _Optional[_Union[Realm, str]] = ..., email: _Optional[str] = ..., account_id: _Optional[str] = ..., has_password: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("member", "created_at", "expires_at", "is_confirmed")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    IS_CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    member: Member
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    is_confirmed: bool
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_confirmed: _Optional[bool] = ...) -> None: ...

class SignInRequest(_message.Message):
    __slots__ = ("realm", "email", "password", "client_address")
    REALM_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    realm: Realm
    email: str
    password: str
    client_address: str
    def __init__(self, realm: _Optional[_Union[Realm, str]] = ..., email: _Optional[str] = ..., password: _Optional[str] = ..., client_address: _Optional[str] = ...) -> None: ...

class SignInResponse(_message.Message):
    __slots__ = ("session_token", "session")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    session: Session
    def __init__(self, session_token: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class CheckSessionRequest(_message.Message):
    __slots__ = ("session_token", "realm")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    realm: Realm
    def __init__(self, session_token: _Optional[str] = ..., realm: _Optional[_Union[Realm, str]] = ...) -> None: ...

class CheckSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class ConfirmSessionRequest(_message.Message):
    __slots__ = ("session_token", "password", "client_address")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    password: str
    client_address: str
    def __init__(self, session_token: _Optional[str] = ..., password: _Optional[str] = ..., client_address: _Optional[str] = ...) -> None: ...

class ConfirmSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class EndSessionRequest(_message.Message):
    __slots__ = ("session_token", "everywhere")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EVERYWHERE_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    everywhere: bool
    def __init__(self, session_token: _Optional[str] = ..., everywhere: _Optional[bool] = ...) -> None: ...

class EndSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ChangePasswordRequest(_message.Message):
    __slots__ = ("session_token", "current_password", "new_password", "client_address")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CURRENT_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    current_password: str
    new_password: str
    client_address: str
    def __init__(self, session_token: _Optional[str] = ..., current_password: _Optional[str] = ..., new_password: _Optional[str] = ..., client_address: _Optional[str] = ...) -> None: ...

class ChangePasswordResponse(_message.Message):
    __slots__ = ("session_token", "session")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    session: Session
    def __init__(self, session_token: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class FindLinkRequest(_message.Message):
    __slots__ = ("link_token", "realm")
    LINK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    link_token: str
    realm: Realm
    def __init__(self, link_token: _Optional[str] = ..., realm: _Optional[_Union[Realm, str]] = ...) -> None: ...

class FindLinkResponse(_message.Message):
    __slots__ = ("kind", "email")
    KIND_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    kind: LinkKind
    email: str
    def __init__(self, kind: _Optional[_Union[LinkKind, str]] = ..., email: _Optional[str] = ...) -> None: ...

class UseLinkRequest(_message.Message):
    __slots__ = ("link_token", "realm", "new_password")
    LINK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    NEW_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    link_token: str
    realm: Realm
    new_password: str
    def __init__(self, link_token: _Optional[str] = ..., realm: _Optional[_Union[Realm, str]] = ..., new_password: _Optional[str] = ...) -> None: ...

class UseLinkResponse(_message.Message):
    __slots__ = ("session_token", "session")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    session: Session
    def __init__(self, session_token: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class FindOidcRequest(_message.Message):
    __slots__ = ("realm",)
    REALM_FIELD_NUMBER: _ClassVar[int]
    realm: Realm
    def __init__(self, realm: _Optional[_Union[Realm, str]] = ...) -> None: ...

class FindOidcResponse(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class BeginOidcRequest(_message.Message):
    __slots__ = ("realm", "redirect_uri", "client_address")
    REALM_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    realm: Realm
    redirect_uri: str
    client_address: str
    def __init__(self, realm: _Optional[_Union[Realm, str]] = ..., redirect_uri: _Optional[str] = ..., client_address: _Optional[str] = ...) -> None: ...

class BeginOidcResponse(_message.Message):
    __slots__ = ("url", "attempt_token")
    URL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    url: str
    attempt_token: str
    def __init__(self, url: _Optional[str] = ..., attempt_token: _Optional[str] = ...) -> None: ...

class FinishOidcRequest(_message.Message):
    __slots__ = ("realm", "attempt_token", "state", "code")
    REALM_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    realm: Realm
    attempt_token: str
    state: str
    code: str
    def __init__(self, realm: _Optional[_Union[Realm, str]] = ..., attempt_token: _Optional[str] = ..., state: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class FinishOidcResponse(_message.Message):
    __slots__ = ("session_token", "session")
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session_token: str
    session: Session
    def __init__(self, session_token: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class CreateLinkRequest(_message.Message):
    __slots__ = ("realm", "email", "account_id", "kind")
    REALM_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    realm: Realm
    email: str
    account_id: str
    kind: LinkKind
    def __init__(self, realm: _Optional[_Union[Realm, str]] = ..., email: _Optional[str] = ..., account_id: _Optional[str] = ..., kind: _Optional[_Union[LinkKind, str]] = ...) -> None: ...

class CreateLinkResponse(_message.Message):
    __slots__ = ("member", "link_token", "expires_at")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    LINK_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    member: Member
    link_token: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., link_token: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("account_id", "realm")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    realm: Realm
    def __init__(self, account_id: _Optional[str] = ..., realm: _Optional[_Union[Realm, str]] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class RemoveMemberRequest(_message.Message):
    __slots__ = ("member_id",)
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    def __init__(self, member_id: _Optional[str] = ...) -> None: ...

class RemoveMemberResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
