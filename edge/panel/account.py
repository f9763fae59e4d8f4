"""An account as its owner sees it: plan, state and what it means, limits, models and why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from edge.panel.clients import Clients
from edge.panel.moments import read_moment, stamp_of
from edge.panel.visit import Visit
from edge.web.rendering import N_
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from gatebeyz.status.v1 import status_pb2
from runtime.catalog import Catalog

STATES: Final = {
    auth_pb2.ACCOUNT_STATE_ACTIVE: "active",
    auth_pb2.ACCOUNT_STATE_UNDER_REVIEW: "under_review",
    auth_pb2.ACCOUNT_STATE_SUSPENDED: "suspended",
    auth_pb2.ACCOUNT_STATE_EXPIRED: "expired",
}
MEANINGS: Final = {
    "under_review": N_(
        "Your plan is being reviewed. Your keys go on working; which models they may use can "
        "change for a time. The list below is always what holds now."
    ),
    "suspended": N_("The account is suspended: every request is refused. Ask support."),
    "expired": N_("The account has expired: every request is refused until it is renewed."),
}
_REASONS: Final = {
    "PLAN": N_("not part of the plan"),
    "OVERRIDE": N_("withheld for a time"),
    "UPSTREAM": N_("not offered by the account your requests are assigned to"),
    "STATE": N_("the account is not active"),
}
_LIMITS: Final = (
    ("requests_per_minute", N_("Requests per minute")),
    ("input_tokens_per_minute", N_("Input tokens per minute")),
    ("output_tokens_per_minute", N_("Output tokens per minute")),
    ("concurrency", N_("Requests at once")),
)
MAX_MINUTE_ENTRIES: Final = 5000


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit and what is used of it: now, or in the last minute; 0 is no limit."""

    title: str
    limit: int
    used: int
    is_of_now: bool

    @property
    def share(self) -> float:
        """Of one; 0 where there is no limit."""
        return min(1.0, self.used / self.limit) if self.limit else 0.0


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model and whether it may be used now; ``reason`` is an id of the catalogues."""

    id: str
    name: str
    allowed: bool
    reason: str
    until: datetime | None


class AccountReader:
    """Reads the account of a visit."""

    def __init__(self, clients: Clients, catalog: Callable[[], Catalog]) -> None:
        self._clients = clients
        self._catalog = catalog

    async def read(self, visit: Visit, account_id: str) -> dict[str, Any]:
        """What the overview shows."""
        answer = await self._clients.call(
            self._clients.accounts.GetAccount,
            auth_pb2.GetAccountRequest(account_id=account_id),
            visit.token,
        )
        policy, state = answer.policy, STATES.get(answer.policy.state, "expired")
        return {
            "name": answer.account.name,
            "plan": policy.plan,
            "state": state,
            "meaning": MEANINGS.get(state, ""),
            "thinking": policy.thinking,
            "expires": read_moment(answer.account, "expires_at"),
            "quota": _quota(policy),
            "limits": await self._limits(visit, account_id, policy.limits),
            "models": self._models(answer.access),
        }

    def _models(self, access: list[auth_pb2.ModelAccess]) -> list[ModelRow]:
        names = self._catalog().models
        rows = []
        for one in access:
            model = names.get(one.model)
            rows.append(
                ModelRow(
                    id=one.model,
                    name=model.display_name if model else one.model,
                    allowed=one.allowed,
                    reason="" if one.allowed else _REASONS.get(one.decided_by, _REASONS["PLAN"]),
                    until=read_moment(one, "until"),
                )
            )
        return rows

    async def _limits(
        self, visit: Visit, account_id: str, limits: auth_pb2.Limits
    ) -> list[LimitRow]:
        used, running = await asyncio.gather(
            self._last_minute(visit, account_id), self._running(visit, account_id)
        )
        used["concurrency"] = running
        return [
            LimitRow(title, getattr(limits, name), used[name], name == "concurrency")
            for name, title in _LIMITS
        ]

    async def _running(self, visit: Visit, account_id: str) -> int:
        """Requests that run now, as the relays said a moment ago."""
        request = status_pb2.CountRunningRequest(account_id=account_id)
        status = self._clients.status
        answer = await self._clients.call(status.CountRunning, request, visit.token)
        running: int = answer.running
        return running

    async def _last_minute(self, visit: Visit, account_id: str) -> dict[str, int]:
        """What requests of the last minute have used, as far as they were settled."""
        since = stamp_of(datetime.now(UTC) - timedelta(seconds=60))
        request = ledger_pb2.ListUsageRequest(account_id=account_id, limit=MAX_MINUTE_ENTRIES)
        getattr(request, "from").CopyFrom(since)  # a field whose name is a word of Python
        totals = {name: 0 for name, _ in _LIMITS[:3]}
        stream = self._clients.stream(self._clients.credit.ListUsage, request, visit.token)
        async for answer in stream:
            entry = answer.entry
            if entry.kind == ledger_pb2.ENTRY_KIND_SETTLE:
                usage = entry.usage
                totals["requests_per_minute"] += 1
                totals["input_tokens_per_minute"] += usage.input_tokens
                totals["output_tokens_per_minute"] += usage.output_tokens
        return totals


def _quota(policy: auth_pb2.Policy) -> dict[str, Any] | None:
    if not policy.HasField("quota"):
        return None
    quota = policy.quota
    return {
        "tokens": quota.tokens,
        "used": quota.used,
        "resets": read_moment(quota, "resets_at"),
    }
