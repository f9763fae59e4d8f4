"""The command line, with an auth service that only remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from google.protobuf.field_mask_pb2 import FieldMask

from cli import account, audit, key
from cli.__main__ import main
from gatebeyz.auth.v1 import auth_pb2
from laptop.operator_client import OperatorClient
from runtime.config import SecretText

KEY = auth_pb2.Key(
    key_id="key_1", account_id="acc_1", masked="sk-gb-pl-…abcd", label="mine", state="active"
)
ACCOUNT = auth_pb2.Account(
    account_id="acc_1",
    name="Ayşe",
    product=auth_pb2.PRODUCT_API,
    plan="pro",
    state=auth_pb2.ACCOUNT_STATE_ACTIVE,
    models=["claude-*"],
    thinking=True,
    limits=auth_pb2.Limits(requests_per_minute=60),
)
ACCESS = [auth_pb2.ModelAccess(model="claude-a", allowed=False, decided_by="OVERRIDE")]
ENTRY = auth_pb2.AuditEntry(
    actor="ada", on_behalf_of="member:1", action="key.reset", account_id="acc_1", key_id="key_1"
)
SECRET = "sk-gb-pl-the-secret"


class Service:
    """Answers every RPC by name and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[str, Any] = {
            "CreateAccount": auth_pb2.CreateAccountResponse(account=ACCOUNT),
            "GetAccount": auth_pb2.GetAccountResponse(account=ACCOUNT, access=ACCESS),
            "ListAccounts": auth_pb2.ListAccountsResponse(accounts=[ACCOUNT]),
            "UpdateAccount": auth_pb2.UpdateAccountResponse(account=ACCOUNT),
            "CreateKey": auth_pb2.CreateKeyResponse(key=KEY, secret=SECRET),
            "ListKeys": auth_pb2.ListKeysResponse(keys=[KEY]),
            "ResetKey": auth_pb2.ResetKeyResponse(key=KEY, secret=SECRET),
            "RevokeKey": auth_pb2.RevokeKeyResponse(key=KEY),
            "UpdateKey": auth_pb2.UpdateKeyResponse(key=KEY),
            "OverrideModelAccess": auth_pb2.OverrideModelAccessResponse(account=ACCOUNT),
            "ListAudit": auth_pb2.ListAuditResponse(entries=[ENTRY]),
        }

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, **_call: Any) -> Any:
            self.asked.append(request)
            return self.answers[name]

        return call


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    client = OperatorClient(service, service, SecretText("the-operator"), service)

    def run(work: Callable[[OperatorClient], Awaitable[Any]]) -> Any:
        import asyncio

        return asyncio.run(work(client))  # type: ignore[arg-type]

    for module in (account, audit, key):
        monkeypatch.setattr(module, "open_session", lambda: SimpleNamespace(run=run))
    return service


def invoke(*arguments: str) -> Result:
    command: click.Command = main
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    return result


def test_an_account_is_created_with_its_limits(service: Service) -> None:
    options = [
        "--plan",
        "pro",
        "--model",
        "claude-*",
        "--requests-per-minute",
        "60",
        "--no-thinking",
    ]
    result = invoke("accounts", "create", "Ayşe", *options)

    assert service.asked == [
        auth_pb2.CreateAccountRequest(
            name="Ayşe",
            product=auth_pb2.PRODUCT_API,
            plan="pro",
            models=["claude-*"],
            thinking=False,
            limits=auth_pb2.Limits(requests_per_minute=60),
        )
    ]
    assert "acc_1" in result.output


@pytest.mark.parametrize("command", [["list"], ["show", "acc_1"]])
def test_accounts_are_shown(service: Service, command: list[str]) -> None:
    head, row, *_ = invoke("accounts", *command).output.rstrip("\n").split("\n")

    assert head.split() == (
        ["ACCOUNT", "PRODUCT", "STATE", "PLAN", "THINKING", "MODELS", "CREATED", "NAME"]
    )
    assert row.split()[:6] == ["acc_1", "api", "active", "pro", "yes", "claude-*"]


def test_json_is_one_object_a_line(service: Service) -> None:
    result = invoke("accounts", "list", "--json")

    assert json.loads(result.output)["account_id"] == "acc_1"


def test_a_state_changes_and_nothing_else(service: Service) -> None:
    invoke("accounts", "set-state", "acc_1", "under-review")

    assert service.asked == [
        auth_pb2.UpdateAccountRequest(
            account=auth_pb2.Account(account_id="acc_1", state=auth_pb2.ACCOUNT_STATE_UNDER_REVIEW),
            update_mask=FieldMask(paths=["state"]),
        )
    ]


def test_what_an_account_may_use_is_shown_with_what_decided(service: Service) -> None:
    assert "claude-a  no       override" in invoke("accounts", "show", "acc_1").output


def test_an_update_names_what_changes_and_what_is_taken_back(service: Service) -> None:
    invoke("accounts", "update", "acc_1", "--plan", "big", "--as-plan", "monthly-tokens")
    invoke("accounts", "update", "acc_1", "--requests-per-minute", "5")

    first, second = service.asked
    assert first.account == auth_pb2.Account(account_id="acc_1", plan="big")
    assert list(first.update_mask.paths) == ["plan", "monthly_tokens"]
    assert second.account.limits == auth_pb2.Limits(requests_per_minute=5)
    assert list(second.update_mask.paths) == ["limits"]


@pytest.mark.parametrize("options", [[], ["--upstream", "a", "--as-plan", "upstreams"]])
def test_an_update_that_says_nothing_or_both_is_refused(
    service: Service, options: list[str]
) -> None:
    result = CliRunner().invoke(main, ["accounts", "update", "acc_1", *options])

    assert result.exit_code == 2
    assert service.asked == []


def test_an_override_needs_an_end_unless_it_is_taken_away(service: Service) -> None:
    assert CliRunner().invoke(main, ["accounts", "override", "acc_1", "m", "--deny"]).exit_code == 2
    invoke("accounts", "override", "acc_1", "m-*", "--deny", "--until", "2027-01-02")
    invoke("accounts", "override", "acc_1", "m-*", "--remove")

    denied, removed = service.asked
    assert denied.override.ends_at.ToJsonString() == "2027-01-02T00:00:00Z"
    assert not removed.override.HasField("ends_at")


def test_the_audit_trail_tells_who_did_what_for_whom(service: Service) -> None:
    output = invoke("audit", "list", "--account", "acc_1").output

    assert "ada for member:1  key.reset  acc_1    key_1" in output
    assert service.asked[0].account_id == "acc_1"


def test_a_key_is_changed_by_what_is_named(service: Service) -> None:
    invoke("keys", "update", "key_1", "--network", "192.0.2.0/24", "--clear", "expires-at")

    (asked,) = service.asked
    assert asked.key == auth_pb2.Key(key_id="key_1", networks=["192.0.2.0/24"])
    assert list(asked.update_mask.paths) == ["networks", "expires_at"]


@pytest.mark.parametrize("command", [["create", "acc_1"], ["reset", "key_1"]])
def test_a_new_secret_stands_on_a_line_of_its_own(service: Service, command: list[str]) -> None:
    lines = invoke("keys", *command).output.split("\n")

    assert lines.count(SECRET) == 1
    assert sum(SECRET in line for line in lines) == 1


def test_keys_are_listed_masked(service: Service) -> None:
    output = invoke("keys", "list", "acc_1").output

    assert "sk-gb-pl-…abcd" in output
    assert SECRET not in output


def test_a_key_may_expire(service: Service) -> None:
    invoke("keys", "create", "acc_1", "--expires-at", "2027-01-02")

    assert service.asked[0].expires_at.ToJsonString() == "2027-01-02T00:00:00Z"


def test_a_reset_carries_its_grace_and_an_id(service: Service) -> None:
    invoke("keys", "reset", "key_1", "--grace-s", "60")
    invoke("keys", "reset", "key_1", "--request-id", "again")

    first, second = service.asked
    assert (first.grace_s, second.grace_s) == (60, 0)
    assert len(first.request_id) == 32
    assert second.request_id == "again"


def test_a_key_is_revoked(service: Service) -> None:
    invoke("keys", "revoke", "key_1")

    assert service.asked == [auth_pb2.RevokeKeyRequest(key_id="key_1")]


@pytest.mark.parametrize("grace", ["-1", "86401", "x"])
def test_a_grace_has_bounds(service: Service, grace: str) -> None:
    result = CliRunner().invoke(main, ["keys", "reset", "key_1", "--grace-s", grace])

    assert result.exit_code == 2
    assert service.asked == []
