"""The first account and its keys, against services that only remember."""

from __future__ import annotations

from typing import Any

from gatebeyz.auth.v1 import auth_pb2
from laptop.catalog import PLAN
from laptop.onboarding import KEPT_KEYS, KEY_LABEL, issue_key
from laptop.operator_client import OperatorClient
from runtime.config import SecretText

PAGE = 2


class Accounts:
    """AccountService, as a stub shows it."""

    def __init__(self, *names: str) -> None:
        self.accounts = [
            auth_pb2.Account(account_id=f"acc_{n}", name=name, product=auth_pb2.PRODUCT_API)
            for n, name in enumerate(names)
        ]

    async def ListAccounts(self, request: Any, **_call: Any) -> Any:  # noqa: N802
        start = int(request.page_token or 0)
        page = self.accounts[start : start + PAGE]
        more = str(start + PAGE) if start + PAGE < len(self.accounts) else ""
        return auth_pb2.ListAccountsResponse(accounts=page, next_page_token=more)

    async def CreateAccount(self, request: Any, **_call: Any) -> Any:  # noqa: N802
        made = auth_pb2.Account(
            account_id="acc_new", name=request.name, product=request.product, plan=request.plan
        )
        self.accounts.append(made)
        return auth_pb2.CreateAccountResponse(account=made)


class Keys:
    """KeyService, as a stub shows it."""

    def __init__(self) -> None:
        self.keys: list[auth_pb2.Key] = []
        self.metadata: Any = None

    async def CreateKey(self, request: Any, *, metadata: Any, **_call: Any) -> Any:  # noqa: N802
        self.metadata = metadata
        number = len(self.keys)
        made = auth_pb2.Key(
            key_id=f"key_{number}", account_id=request.account_id, label=request.label
        )
        made.state = "active"
        made.created_at.FromSeconds(1_000 + number)
        self.keys.append(made)
        return auth_pb2.CreateKeyResponse(key=made, secret=f"sk-gb-{number}")

    async def ListKeys(self, request: Any, **_call: Any) -> Any:  # noqa: N802
        mine = [key for key in self.keys if key.account_id == request.account_id]
        return auth_pb2.ListKeysResponse(keys=reversed(mine))

    async def RevokeKey(self, request: Any, **_call: Any) -> Any:  # noqa: N802
        for key in self.keys:
            if key.key_id == request.key_id:
                key.state = "revoked"
        return auth_pb2.RevokeKeyResponse()


def make_client(*names: str) -> OperatorClient:
    return OperatorClient(Accounts(*names), Keys(), SecretText("the-operator"))


async def test_the_account_is_made_once() -> None:
    client = make_client()

    first, second = await issue_key(client, PLAN), await issue_key(client, PLAN)

    assert [account.name for account in client.accounts.accounts] == ["laptop"]
    assert first != second


async def test_the_account_is_found_on_a_later_page() -> None:
    client = make_client("a", "b", "c", "laptop")

    await issue_key(client, PLAN)

    assert client.keys.keys[0].account_id == "acc_3"


async def test_keys_of_many_starts_do_not_pile_up() -> None:
    client = make_client()
    for _ in range(KEPT_KEYS + 3):
        await issue_key(client, PLAN)

    states = [key.state for key in client.keys.keys]
    assert states == ["revoked"] * 3 + ["active"] * KEPT_KEYS


async def test_other_keys_are_left_alone() -> None:
    client = make_client("laptop")
    client.keys.keys = [
        auth_pb2.Key(key_id=f"other_{n}", account_id="acc_0", label="mine", state="active")
        for n in range(9)
    ]

    await issue_key(client, PLAN)

    assert {key.state for key in client.keys.keys} == {"active"}
    assert client.keys.keys[-1].label == KEY_LABEL


async def test_calls_carry_the_operators_credential() -> None:
    client = make_client()

    await issue_key(client, PLAN)

    assert client.keys.metadata == (("authorization", "Bearer the-operator"),)
