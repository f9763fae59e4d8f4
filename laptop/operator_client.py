"""Calls to AccountService and KeyService, as an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
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

    async def call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """One RPC with the operator's credential."""
        metadata = (("authorization", f"Bearer {self.token.reveal()}"),)
        try:
            return await method(request, metadata=metadata, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise fault_of(error) from None

    async def list_accounts(self) -> list[auth_pb2.Account]:
        """Every account, page by page."""
        found: list[auth_pb2.Account] = []
        token = ""
        while True:
            request = auth_pb2.ListAccountsRequest(page_size=_PAGE_SIZE, page_token=token)
            page = await self.call(self.accounts.ListAccounts, request)
            found.extend(page.accounts)
            token = page.next_page_token
            if not token:
                return found


@asynccontextmanager
async def open_operator(target: str, token: SecretText) -> AsyncIterator[OperatorClient]:
    """A client of the auth service at ``target``."""
    async with open_channel(target, None) as channel:
        yield OperatorClient(
            auth_pb2_grpc.AccountServiceStub(channel), auth_pb2_grpc.KeyServiceStub(channel), token
        )
