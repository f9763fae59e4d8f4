"""KeyService and AccountService: what operators do, proto ↔ domain."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Final

import grpc.aio

from admission.credential import digest, mask, mint
from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from services.auth import wire
from services.auth.account import Account, new_id, refusal
from services.auth.key import MAX_GRACE_S, MAX_LABEL_LENGTH, Key
from services.auth.store import Store

PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000
MAX_NAME_LENGTH: Final = 200
MAX_REQUEST_ID_LENGTH: Final = 128


class OperatorGate:
    """Lets operators pass: ``authorization: Bearer <operator token>`` in the metadata."""

    def __init__(self, token: SecretText) -> None:
        self._expected = b"Bearer " + token.reveal().encode()

    def check(self, context: grpc.aio.ServicerContext) -> None:
        """ServiceFault NOT_AN_OPERATOR unless the call carries the token."""
        given = b""
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                given = value if isinstance(value, bytes) else value.encode()
        if not hmac.compare_digest(given, self._expected):
            raise ServiceFault(Reason.NOT_AN_OPERATOR, "The operator token is not valid.")


class AccountService(auth_pb2_grpc.AccountServiceServicer):
    """Creates, shows and changes accounts."""

    def __init__(
        self, store: Store, gate: OperatorGate, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._gate = gate
        self._clock = clock

    async def CreateAccount(  # noqa: N802
        self, request: auth_pb2.CreateAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.CreateAccountResponse:
        self._gate.check(context)
        _check_text("name", request.name, MAX_NAME_LENGTH)
        now = self._clock()
        account = Account(
            account_id=new_id("acc", now),
            name=request.name,
            product=wire.parse_product(request.product),
            plan=request.plan,
            models=tuple(request.models),
            thinking=request.thinking,
            limits=wire.parse_limits(request.limits),
            upstreams=tuple(request.upstreams),
            created_at=now,
        )
        await self._store.put_account(account)
        return auth_pb2.CreateAccountResponse(account=wire.render_account(account))

    async def GetAccount(  # noqa: N802
        self, request: auth_pb2.GetAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.GetAccountResponse:
        self._gate.check(context)
        account = await _find_account(self._store, request.account_id)
        return auth_pb2.GetAccountResponse(account=wire.render_account(account))

    async def ListAccounts(  # noqa: N802
        self, request: auth_pb2.ListAccountsRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ListAccountsResponse:
        self._gate.check(context)
        size = min(request.page_size if request.page_size > 0 else PAGE_SIZE, MAX_PAGE_SIZE)
        # One more than asked tells whether there is a next page.
        accounts = await self._store.list_accounts(request.page_token, size + 1)
        page = accounts[:size]
        return auth_pb2.ListAccountsResponse(
            accounts=[wire.render_account(account) for account in page],
            next_page_token=page[-1].account_id if len(accounts) > size else "",
        )

    async def UpdateAccount(  # noqa: N802
        self, request: auth_pb2.UpdateAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.UpdateAccountResponse:
        self._gate.check(context)
        wanted = request.account
        _check_text("name", wanted.name, MAX_NAME_LENGTH)
        before = await _find_account(self._store, wanted.account_id)
        if wire.parse_product(wanted.product) is not before.product:
            raise ServiceFault(Reason.INVALID_REQUEST, "An account's product does not change.")
        account = Account(
            account_id=before.account_id,
            name=wanted.name,
            product=before.product,
            plan=wanted.plan,
            state=wire.parse_state(wanted.state),
            models=tuple(wanted.models),
            thinking=wanted.thinking,
            limits=wire.parse_limits(wanted.limits),
            upstreams=tuple(wanted.upstreams),
            created_at=before.created_at,
        )
        await self._store.replace_account(account, refusal(account.state))
        return auth_pb2.UpdateAccountResponse(account=wire.render_account(account))


class KeyService(auth_pb2_grpc.KeyServiceServicer):
    """Mints, lists, resets and revokes keys. A secret leaves in one response and is not kept."""

    def __init__(
        self,
        store: Store,
        gate: OperatorGate,
        pepper: SecretText,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._gate = gate
        self._pepper = pepper.reveal().encode()
        self._clock = clock

    async def CreateKey(  # noqa: N802
        self, request: auth_pb2.CreateKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.CreateKeyResponse:
        self._gate.check(context)
        _check_length("label", request.label, MAX_LABEL_LENGTH)
        expires_at = None
        if request.HasField("expires_at"):
            expires_at = wire.parse_time(request.expires_at)
            if expires_at <= self._clock():
                raise ServiceFault(Reason.INVALID_REQUEST, "expires_at is in the past.")
        account = await _find_account(self._store, request.account_id)
        key, secret = self._mint(account, request.label, expires_at)
        await self._store.put_key(key)
        return auth_pb2.CreateKeyResponse(key=wire.render_key(key, self._clock()), secret=secret)

    async def ListKeys(  # noqa: N802
        self, request: auth_pb2.ListKeysRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ListKeysResponse:
        self._gate.check(context)
        account = await _find_account(self._store, request.account_id)
        keys = await self._store.list_keys(account.account_id)
        now = self._clock()
        return auth_pb2.ListKeysResponse(keys=[wire.render_key(key, now) for key in keys])

    async def ResetKey(  # noqa: N802
        self, request: auth_pb2.ResetKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ResetKeyResponse:
        self._gate.check(context)
        _check_length("request_id", request.request_id, MAX_REQUEST_ID_LENGTH)
        if not 0 <= request.grace_s <= MAX_GRACE_S:
            raise ServiceFault(Reason.INVALID_REQUEST, f"grace_s is from 0 to {MAX_GRACE_S}.")
        old = await _find_key(self._store, request.key_id)
        account = await _find_account(self._store, old.account_id)
        now = self._clock()
        key, secret = self._mint(account, old.label, old.expires_at)
        ends_at = now + request.grace_s if request.grace_s else None
        standing = await self._store.reset_key(old, key, ends_at, request.request_id)
        if not standing:
            raise ServiceFault(Reason.CONFLICT, "Only an active key can be reset.")
        if standing != key.key_id:
            key = await _find_key(self._store, standing)
            secret = key.masked
        return auth_pb2.ResetKeyResponse(key=wire.render_key(key, now), secret=secret)

    async def RevokeKey(  # noqa: N802
        self, request: auth_pb2.RevokeKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.RevokeKeyResponse:
        self._gate.check(context)
        key = await _find_key(self._store, request.key_id)
        await self._store.revoke_key(key, Reason.KEY_REVOKED)
        key = await _find_key(self._store, request.key_id)
        return auth_pb2.RevokeKeyResponse(key=wire.render_key(key, self._clock()))

    def _mint(self, account: Account, label: str, expires_at: float | None) -> tuple[Key, str]:
        secret = mint(account.product.value)
        now = self._clock()
        key = Key(
            key_id=new_id("key", now),
            account_id=account.account_id,
            masked=mask(secret),
            digest=digest(secret, self._pepper).hex(),
            label=label,
            created_at=now,
            expires_at=expires_at,
        )
        return key, secret


async def _find_account(store: Store, account_id: str) -> Account:
    account = await store.find_account(account_id)
    if account is None:
        raise ServiceFault(Reason.NOT_FOUND, "There is no such account.")
    return account


async def _find_key(store: Store, key_id: str) -> Key:
    key = await store.find_key(key_id)
    if key is None:
        raise ServiceFault(Reason.NOT_FOUND, "There is no such key.")
    return key


def _check_text(name: str, text: str, longest: int) -> None:
    if not text.strip():
        raise ServiceFault(Reason.INVALID_REQUEST, f"{name} is empty.")
    _check_length(name, text, longest)


def _check_length(name: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise ServiceFault(Reason.INVALID_REQUEST, f"{name} has more than {longest} characters.")
