"""Calls to the management services, as an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.identity.v1 import identity_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from gatebeyz.status.v1 import status_pb2_grpc
from runtime.channels import open_channel
from runtime.config import SecretText
from runtime.faults import fault_of

_TIMEOUT_S: Final = 10.0
_PAGE_SIZE: Final = 200


@dataclass(frozen=True, slots=True)
class OperatorClient:
    """Every method raises ServiceFault."""

    accounts: Any
    keys: Any
    token: SecretText
    audit: Any = None
    credit: Any = None
    members: Any = None
    status: Any = None

    async def call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """One RPC with the operator's credential."""
        metadata = (("authorization", f"Bearer {self.token.reveal()}"),)
        try:
            return await method(request, metadata=metadata, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None

    async def stream(
        self, method: Callable[..., Any], request: Any, timeout_s: float
    ) -> AsyncIterator[Any]:
        """The messages of one server stream, with the operator's credential."""
        metadata = (("authorization", f"Bearer {self.token.reveal()}"),)
        try:
            async for message in method(request, metadata=metadata, timeout=timeout_s):
                yield message
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None

    async def list_accounts(self) -> list[auth_pb2.Account]:
        """Every account, page by page."""
        found: list[auth_pb2.Account] = []
        request = auth_pb2.ListAccountsRequest(page_size=_PAGE_SIZE)
        while True:
            page = await self.call(self.accounts.ListAccounts, request)
            found.extend(page.accounts)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def list_keys(self, account_id: str) -> list[auth_pb2.Key]:
        """Every key of an account, page by page."""
        found: list[auth_pb2.Key] = []
        request = auth_pb2.ListKeysRequest(account_id=account_id, page_size=_PAGE_SIZE)
        while True:
            page = await self.call(self.keys.ListKeys, request)
            found.extend(page.keys)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found


@asynccontextmanager
async def open_operator(
    target: str, token: SecretText, tls: Path | None = None
) -> AsyncIterator[OperatorClient]:
    """A client of the auth service at ``target``; ``tls`` as of ``open_channel``."""
    async with open_channel(target, None, tls) as channel:
        yield OperatorClient(
            auth_pb2_grpc.AccountServiceStub(channel),
            auth_pb2_grpc.KeyServiceStub(channel),
            token,
            auth_pb2_grpc.AuditServiceStub(channel),
            ledger_pb2_grpc.CreditServiceStub(channel),
            identity_pb2_grpc.MemberServiceStub(channel),
            status_pb2_grpc.StatusServiceStub(channel),
        )
