"""AccountService, KeyService and AuditService: what operators do, proto ↔ domain."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc.aio
import msgspec
from google.protobuf.field_mask_pb2 import FieldMask

from admission.credential import digest, mask, mint
from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime.catalog import Catalog
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from services.auth import wire
from services.auth.account import Account, new_id, refusal
from services.auth.audit import Operator, describe, entry_of
from services.auth.key import MAX_GRACE_S, MAX_LABEL_LENGTH, Key
from services.auth.operator import OperatorGate
from services.auth.policy import access_of, resolve, tokens_of
from services.auth.quota import QuotaMeter
from services.auth.relay_service import add_status
from services.auth.relay_store import RelayStore
from services.auth.request import (
    MAX_REQUEST_ID_LENGTH,
    check_account,
    check_length,
    page_size,
    parse_networks,
    parse_patterns,
    with_override,
)
from services.auth.store import Store

# Operators prove themselves with their own token, which these services check.
OPERATOR_SERVICES: Final = (
    *(f"/gatebeyz.auth.v1.{name}/" for name in ("KeyService", "AccountService", "AuditService")),
    "/gatebeyz.ledger.v1.CreditService/",
    "/gatebeyz.status.v1.StatusService/",
)
# Two operators at once: the second reads again and applies its own change to what it finds.
ATTEMPTS: Final = 5
# What one page of a filtered audit trail looks through at most.
MAX_AUDIT_SCAN: Final = 2000

_ACCOUNT_FIELDS: Final[Mapping[str, Callable[[auth_pb2.Account], Any]]] = {
    "name": lambda account: account.name,
    "plan": lambda account: account.plan,
    "state": lambda account: wire.parse_state(account.state),
    "models": lambda account: tuple(account.models),
    "thinking": lambda account: account.thinking if account.HasField("thinking") else None,
    "limits": lambda account: (
        wire.parse_limits(account.limits) if account.HasField("limits") else None
    ),
    "monthly_tokens": lambda account: (
        account.monthly_tokens if account.HasField("monthly_tokens") else None
    ),
    "reset_day": lambda account: account.reset_day,
    "upstreams": lambda account: tuple(account.upstreams),
    "expires_at": lambda account: (
        wire.parse_time(account.expires_at) if account.HasField("expires_at") else None
    ),
}
_KEY_FIELDS: Final[Mapping[str, Callable[[auth_pb2.Key], Any]]] = {
    "label": lambda key: key.label,
    "models": lambda key: parse_patterns(key.models),
    "networks": lambda key: parse_networks(key.networks),
    "expires_at": lambda key: (
        wire.parse_time(key.expires_at) if key.HasField("expires_at") else None
    ),
}


def add_management(
    server: grpc.aio.Server,
    store: Store,
    gate: OperatorGate,
    pepper: SecretText,
    catalog: Callable[[], Catalog],
) -> None:
    """Attach what operators call, and what relays report for them, to a server."""
    accounts = AccountService(store, gate, catalog)
    auth_pb2_grpc.add_AccountServiceServicer_to_server(accounts, server)
    auth_pb2_grpc.add_KeyServiceServicer_to_server(KeyService(store, gate, pepper), server)
    auth_pb2_grpc.add_AuditServiceServicer_to_server(AuditService(store, gate), server)
    add_status(server, RelayStore(store.connection), gate)


class AccountService(auth_pb2_grpc.AccountServiceServicer):
    """Creates, shows and changes accounts."""

    def __init__(
        self,
        store: Store,
        gate: OperatorGate,
        catalog: Callable[[], Catalog],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._gate = gate
        self._catalog = catalog
        self._meter = QuotaMeter(store)
        self._clock = clock

    async def CreateAccount(  # noqa: N802
        self, request: auth_pb2.CreateAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.CreateAccountResponse:
        operator = self._gate.check(context)
        now = self._clock()
        # The request has the account's fields by the same names.
        fields = {
            name: read(request)  # type: ignore[arg-type]
            for name, read in _ACCOUNT_FIELDS.items()
            if name != "state"
        }
        product = wire.parse_product(request.product)
        account = Account(account_id=new_id("acc", now), product=product, created_at=now, **fields)
        check_account(account, self._catalog())
        audit = entry_of(operator, "account.create", account.account_id, detail=account.name)
        await self._store.put_account(account, audit)
        return auth_pb2.CreateAccountResponse(account=wire.render_account(account, now))

    async def GetAccount(  # noqa: N802
        self, request: auth_pb2.GetAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.GetAccountResponse:
        self._gate.check(context)
        account = await _find_account(self._store, request.account_id)
        now, catalog = self._clock(), self._catalog()
        used = await self._meter.used(account, now) if tokens_of(account, catalog) else 0
        return auth_pb2.GetAccountResponse(
            account=wire.render_account(account, now),
            policy=wire.render_policy(resolve(account, None, catalog, now, used)),
            access=[wire.render_access(one) for one in access_of(account, catalog, now)],
        )

    async def ListAccounts(  # noqa: N802
        self, request: auth_pb2.ListAccountsRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ListAccountsResponse:
        self._gate.check(context)
        size = page_size(request.page_size)
        # One more than asked tells whether there is a next page.
        accounts = await self._store.list_accounts(request.page_token, size + 1)
        page, now = accounts[:size], self._clock()
        return auth_pb2.ListAccountsResponse(
            accounts=[wire.render_account(account, now) for account in page],
            next_page_token=page[-1].account_id if len(accounts) > size else "",
        )

    async def UpdateAccount(  # noqa: N802
        self, request: auth_pb2.UpdateAccountRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.UpdateAccountResponse:
        operator = self._gate.check(context)
        changes = _changes(request.account, request.update_mask, _ACCOUNT_FIELDS)
        account = await self._change(
            operator, "account.update", request.account.account_id, lambda _account: changes
        )
        return auth_pb2.UpdateAccountResponse(account=wire.render_account(account, self._clock()))

    async def OverrideModelAccess(  # noqa: N802
        self, request: auth_pb2.OverrideModelAccessRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.OverrideModelAccessResponse:
        operator = self._gate.check(context)
        override = wire.parse_override(request.override)
        account = await self._change(
            operator,
            "account.override",
            request.account_id,
            lambda account: {"overrides": with_override(account, override, self._clock())},
        )
        return auth_pb2.OverrideModelAccessResponse(
            account=wire.render_account(account, self._clock())
        )

    async def _change(
        self,
        operator: Operator,
        action: str,
        account_id: str,
        changes_of: Callable[[Account], dict[str, Any]],
    ) -> Account:
        for _ in range(ATTEMPTS):
            before = await _find_account(self._store, account_id)
            changes = changes_of(before)
            after = msgspec.structs.replace(before, **changes, revision=before.revision + 1)
            check_account(after, self._catalog())
            audit = entry_of(operator, action, account_id, detail=describe(before, after, changes))
            revoked = refusal(after.state_at(self._clock()))
            if await self._store.replace_account(before, after, revoked, audit):
                return after
        raise ServiceFault(Reason.CONFLICT, "The account is being changed by others. Try again.")


class KeyService(auth_pb2_grpc.KeyServiceServicer):
    """Mints, lists, changes, resets and revokes keys.

    A secret leaves in one response and is not kept.
    """

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
        operator = self._gate.check(context)
        # The request has the key's fields by the same names.
        fields = {
            name: read(request)  # type: ignore[arg-type]
            for name, read in _KEY_FIELDS.items()
        }
        self._check_fields(fields)
        account = await _find_account(self._store, request.account_id)
        key, secret = self._mint(account, fields)
        audit = entry_of(
            operator, "key.create", account.account_id, key_id=key.key_id, detail=key.label
        )
        await self._store.put_key(key, audit)
        return auth_pb2.CreateKeyResponse(key=wire.render_key(key, self._clock()), secret=secret)

    async def ListKeys(  # noqa: N802
        self, request: auth_pb2.ListKeysRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ListKeysResponse:
        self._gate.check(context)
        account = await _find_account(self._store, request.account_id)
        size = page_size(request.page_size)
        keys = await self._store.list_keys(account.account_id, request.page_token, size + 1)
        page, now = keys[:size], self._clock()
        return auth_pb2.ListKeysResponse(
            keys=[wire.render_key(key, now) for key in page],
            next_page_token=page[-1].key_id if len(keys) > size else "",
        )

    async def UpdateKey(  # noqa: N802
        self, request: auth_pb2.UpdateKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.UpdateKeyResponse:
        operator = self._gate.check(context)
        changes = _changes(request.key, request.update_mask, _KEY_FIELDS)
        self._check_fields(changes)
        for _ in range(ATTEMPTS):
            before = await _find_key(self._store, request.key.key_id)
            if before.revoked:
                raise ServiceFault(Reason.CONFLICT, "A revoked key cannot be changed.")
            after = msgspec.structs.replace(before, **changes)
            audit = entry_of(
                operator,
                "key.update",
                before.account_id,
                key_id=before.key_id,
                detail=describe(before, after, changes),
            )
            if await self._store.replace_key(before, after, audit):
                return auth_pb2.UpdateKeyResponse(key=wire.render_key(after, self._clock()))
        raise ServiceFault(Reason.CONFLICT, "The key is being changed by others. Try again.")

    async def ResetKey(  # noqa: N802
        self, request: auth_pb2.ResetKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ResetKeyResponse:
        operator = self._gate.check(context)
        check_length("request_id", request.request_id, MAX_REQUEST_ID_LENGTH)
        if not 0 <= request.grace_s <= MAX_GRACE_S:
            raise ServiceFault(Reason.INVALID_REQUEST, f"grace_s is from 0 to {MAX_GRACE_S}.")
        old = await _find_key(self._store, request.key_id)
        account = await _find_account(self._store, old.account_id)
        now = self._clock()
        key, secret = self._mint(account, {name: getattr(old, name) for name in _KEY_FIELDS})
        ends_at = now + request.grace_s if request.grace_s else None
        detail = f"new key {key.key_id}, grace {request.grace_s} s"
        audit = entry_of(
            operator, "key.reset", account.account_id, key_id=old.key_id, detail=detail
        )
        standing = await self._store.reset_key(old, key, ends_at, request.request_id, audit)
        if not standing:
            raise ServiceFault(Reason.CONFLICT, "Only an active key can be reset.")
        if standing != key.key_id:
            key = await _find_key(self._store, standing)
            secret = key.masked
        return auth_pb2.ResetKeyResponse(key=wire.render_key(key, now), secret=secret)

    async def RevokeKey(  # noqa: N802
        self, request: auth_pb2.RevokeKeyRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.RevokeKeyResponse:
        operator = self._gate.check(context)
        key = await _find_key(self._store, request.key_id)
        audit = entry_of(operator, "key.revoke", key.account_id, key_id=key.key_id)
        await self._store.revoke_key(key, Reason.KEY_REVOKED, audit)
        key = await _find_key(self._store, request.key_id)
        return auth_pb2.RevokeKeyResponse(key=wire.render_key(key, self._clock()))

    def _check_fields(self, fields: Mapping[str, Any]) -> None:
        check_length("label", fields.get("label", ""), MAX_LABEL_LENGTH)
        expires_at = fields.get("expires_at")
        if expires_at is not None and expires_at <= self._clock():
            raise ServiceFault(Reason.INVALID_REQUEST, "expires_at is in the past.")

    def _mint(self, account: Account, fields: Mapping[str, Any]) -> tuple[Key, str]:
        secret = mint(account.product.value)
        now = self._clock()
        key = Key(
            key_id=new_id("key", now),
            account_id=account.account_id,
            masked=mask(secret),
            digest=digest(secret, self._pepper).hex(),
            created_at=now,
            **fields,
        )
        return key, secret


class AuditService(auth_pb2_grpc.AuditServiceServicer):
    """Shows the audit trail."""

    def __init__(self, store: Store, gate: OperatorGate) -> None:
        self._store = store
        self._gate = gate

    async def ListAudit(  # noqa: N802
        self, request: auth_pb2.ListAuditRequest, context: grpc.aio.ServicerContext
    ) -> auth_pb2.ListAuditResponse:
        self._gate.check(context)
        size = page_size(request.page_size)
        wanted = request.account_id
        found = await self._store.read_audit(request.page_token, MAX_AUDIT_SCAN if wanted else size)
        matching = [one for one in found if not wanted or one.account_id == wanted]
        page = matching[:size]
        is_end = len(found) < (MAX_AUDIT_SCAN if wanted else size) and page == matching
        last = page[-1] if len(page) < len(matching) else (found[-1] if found else None)
        return auth_pb2.ListAuditResponse(
            entries=[wire.render_audit(entry) for entry in page],
            next_page_token="" if is_end or last is None else last.sequence,
        )


def _changes(
    message: Any, update_mask: FieldMask, fields: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """The fields of a mask with their new values."""
    if not update_mask.paths:
        known = ", ".join(fields)
        raise ServiceFault(
            Reason.INVALID_REQUEST, f"update_mask names what to change, of: {known}."
        )
    unknown = [path for path in update_mask.paths if path not in fields]
    if unknown:
        raise ServiceFault(Reason.INVALID_REQUEST, f"{unknown[0][:64]!r} cannot be changed.")
    return {path: fields[path](message) for path in update_mask.paths}


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
