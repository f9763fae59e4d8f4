"""The first accounts of a laptop installation, a fresh key, and links into its panels."""

from __future__ import annotations

from typing import Final

from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from laptop.operator_client import OperatorClient

ACCOUNT_NAME: Final = "laptop"
KEY_LABEL: Final = "laptop start"
FIRST_CREDIT_MICROS: Final = 5_000_000
KEPT_KEYS: Final = 5
"""Keys of earlier starts that keep working: a shell left open is not cut off."""


async def issue_key(client: OperatorClient, plan: str) -> str:
    """A new key of the laptop's account, which is made the first time, on ``plan``."""
    account_id = await _keep_account(client, auth_pb2.PRODUCT_API, plan)
    await _retire_keys(client, account_id)
    request = auth_pb2.CreateKeyRequest(account_id=account_id, label=KEY_LABEL)
    created = await client.call(client.keys.CreateKey, request)
    return str(created.secret)


async def issue_links(client: OperatorClient, plan: str) -> dict[str, str]:
    """A one-time way into each site, as a path; accounts and members are made the first time."""
    api = await _keep_account(client, auth_pb2.PRODUCT_API, plan)
    credits_account = await _keep_account(client, auth_pb2.PRODUCT_CREDITS, "")
    await _give_credit(client, credits_account)
    doors = {
        "PANEL": (identity_pb2.REALM_API, "you@laptop.local", api),
        "CREDITS_PANEL": (identity_pb2.REALM_CREDITS, "you@laptop.local", credits_account),
        "OPERATOR": (identity_pb2.REALM_OPERATORS, "operator@laptop.local", ""),
    }
    paths = {}
    for site, (realm, email, account_id) in doors.items():
        request = identity_pb2.CreateLinkRequest(
            realm=realm,
            email=email,
            account_id=account_id,
            kind=identity_pb2.LINK_KIND_SIGN_IN,
        )
        created = await client.call(client.members.CreateLink, request)
        paths[site] = f"/link/{created.link_token}"
    return paths


async def _keep_account(client: OperatorClient, product: auth_pb2.Product, plan: str) -> str:
    """The laptop's account of a product, made where it is not there yet."""
    for account in await client.list_accounts():
        if account.name == ACCOUNT_NAME and account.product == product:
            return account.account_id
    request = auth_pb2.CreateAccountRequest(name=ACCOUNT_NAME, product=product, plan=plan)
    created = await client.call(client.accounts.CreateAccount, request)
    return str(created.account.account_id)


async def _give_credit(client: OperatorClient, account_id: str) -> None:
    """A first pack to try Claude Credits with; the same reference gives it once."""
    request = ledger_pb2.GrantCreditsRequest(
        account_id=account_id, payment_reference="laptop:first", amount_micros=FIRST_CREDIT_MICROS
    )
    await client.call(client.credit.GrantCredits, request)


async def _retire_keys(client: OperatorClient, account_id: str) -> None:
    """Revokes the oldest keys of earlier starts."""
    listed = await client.list_keys(account_id)
    ours = [key for key in listed if key.label == KEY_LABEL and key.state == "active"]
    ours.sort(key=lambda key: key.created_at.ToNanoseconds())
    for key in ours[: max(0, len(ours) - KEPT_KEYS + 1)]:
        await client.call(client.keys.RevokeKey, auth_pb2.RevokeKeyRequest(key_id=key.key_id))
