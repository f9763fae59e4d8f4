"""The first account of a laptop installation and a fresh key for it."""

from __future__ import annotations

from typing import Final

from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient

ACCOUNT_NAME: Final = "laptop"
KEY_LABEL: Final = "laptop start"
KEPT_KEYS: Final = 5
"""Keys of earlier starts that keep working: a shell left open is not cut off."""


async def issue_key(client: OperatorClient, plan: str) -> str:
    """A new key of the laptop's account, which is made the first time, on ``plan``."""
    account_id = await _find_account(client) or await _create_account(client, plan)
    await _retire_keys(client, account_id)
    request = auth_pb2.CreateKeyRequest(account_id=account_id, label=KEY_LABEL)
    created = await client.call(client.keys.CreateKey, request)
    return str(created.secret)


async def _find_account(client: OperatorClient) -> str | None:
    for account in await client.list_accounts():
        if account.name == ACCOUNT_NAME and account.product == auth_pb2.PRODUCT_API:
            return account.account_id
    return None


async def _create_account(client: OperatorClient, plan: str) -> str:
    request = auth_pb2.CreateAccountRequest(
        name=ACCOUNT_NAME, product=auth_pb2.PRODUCT_API, plan=plan
    )
    created = await client.call(client.accounts.CreateAccount, request)
    return str(created.account.account_id)


async def _retire_keys(client: OperatorClient, account_id: str) -> None:
    """Revokes the oldest keys of earlier starts."""
    listed = await client.list_keys(account_id)
    ours = [key for key in listed if key.label == KEY_LABEL and key.state == "active"]
    ours.sort(key=lambda key: key.created_at.ToNanoseconds())
    for key in ours[: max(0, len(ours) - KEPT_KEYS + 1)]:
        await client.call(client.keys.RevokeKey, auth_pb2.RevokeKeyRequest(key_id=key.key_id))
