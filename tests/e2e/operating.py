"""Acting as the operator of a running stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient, open_operator
from runtime.config import SecretText
from tests.e2e.stack import Stack

T = TypeVar("T")


def targets(stack: Stack) -> dict[str, str]:
    """Where each service of a stack listens."""
    facts = json.loads((_data(stack) / "running.json").read_text(encoding="utf-8"))
    found: dict[str, str] = facts["targets"]
    return found


def operate(stack: Stack, work: Callable[[OperatorClient], Awaitable[T]]) -> T:
    """Run ``work`` with the operator's client."""

    async def run() -> T:
        async with open_operator(targets(stack)["auth"], operator_token(stack)) as client:
            return await work(client)

    return asyncio.run(run())


def operator_token(stack: Stack) -> SecretText:
    return SecretText((_data(stack) / "secrets" / "GATEBEYZ_OPERATOR_TOKEN").read_text().strip())


def new_key(stack: Stack, *, key: dict[str, Any] | None = None, **account: Any) -> Any:
    """A new account with a key: ``.key`` and ``.secret``."""

    async def work(client: OperatorClient) -> Any:
        request = auth_pb2.CreateAccountRequest(
            **{"name": "Ada", "product": auth_pb2.PRODUCT_API} | account
        )
        made = await client.call(client.accounts.CreateAccount, request)
        wanted = auth_pb2.CreateKeyRequest(account_id=made.account.account_id, **(key or {}))
        return await client.call(client.keys.CreateKey, wanted)

    return operate(stack, work)


def update_account(stack: Stack, account_id: str, **fields: Any) -> None:
    """Change the fields named."""
    request = auth_pb2.UpdateAccountRequest(
        account=auth_pb2.Account(account_id=account_id, **fields)
    )
    request.update_mask.paths.extend(fields)
    operate(stack, lambda client: client.call(client.accounts.UpdateAccount, request))


def revoke(stack: Stack, key_id: str) -> None:
    """Revoke a key."""
    request = auth_pb2.RevokeKeyRequest(key_id=key_id)
    operate(stack, lambda client: client.call(client.keys.RevokeKey, request))


def _data(stack: Stack) -> Path:
    return stack.folder / ".gatebeyz"
