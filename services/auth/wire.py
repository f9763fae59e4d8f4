"""Proto messages ↔ the values of this service; no decisions."""

from __future__ import annotations

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gatebeyz.auth.v1 import auth_pb2
from runtime.faults import Reason, ServiceFault
from services.auth.account import Account, AccountState, Limits, ModelOverride, Product
from services.auth.audit import AuditEntry
from services.auth.key import Key
from services.auth.lease import Granted, LeaseEvent, PolicyChanged, Renewed
from services.auth.policy import ModelAccess, Policy
from services.auth.revocation import Change, ChangeKind
from services.auth.share import Draw, Shares

_PRODUCTS: Final = {
    auth_pb2.PRODUCT_API: Product.API,
    auth_pb2.PRODUCT_CREDITS: Product.CREDITS,
}
_PRODUCT_NUMBERS: Final = {product: number for number, product in _PRODUCTS.items()}
_STATES: Final = {
    auth_pb2.ACCOUNT_STATE_ACTIVE: AccountState.ACTIVE,
    auth_pb2.ACCOUNT_STATE_UNDER_REVIEW: AccountState.UNDER_REVIEW,
    auth_pb2.ACCOUNT_STATE_SUSPENDED: AccountState.SUSPENDED,
    auth_pb2.ACCOUNT_STATE_EXPIRED: AccountState.EXPIRED,
}
_STATE_NUMBERS: Final = {state: number for number, state in _STATES.items()}


def parse_product(number: auth_pb2.Product) -> Product:
    """The product; INVALID_REQUEST for one that is not set or not known."""
    product = _PRODUCTS.get(number)
    if product is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "Name a product.")
    return product


def parse_state(number: auth_pb2.AccountState) -> AccountState:
    """The state; INVALID_REQUEST for one that is not set or not known."""
    state = _STATES.get(number)
    if state is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "Name an account state.")
    return state


def parse_limits(limits: auth_pb2.Limits) -> Limits:
    """The four amounts; INVALID_REQUEST below zero."""
    parsed = Limits(
        limits.requests_per_minute,
        limits.input_tokens_per_minute,
        limits.output_tokens_per_minute,
        limits.concurrency,
    )
    if any(amount < 0 for amount in parsed.as_tuple()):
        raise ServiceFault(Reason.INVALID_REQUEST, "Limits are not below zero.")
    return parsed


def render_limits(limits: Limits) -> auth_pb2.Limits:
    """The four amounts as a message."""
    return auth_pb2.Limits(
        requests_per_minute=limits.requests_per_minute,
        input_tokens_per_minute=limits.input_tokens_per_minute,
        output_tokens_per_minute=limits.output_tokens_per_minute,
        concurrency=limits.concurrency,
    )


def parse_draw(request: auth_pb2.DrawRequest) -> Draw:
    """What a holder asks for; INVALID_REQUEST for amounts below zero."""
    return Draw(
        wanted=parse_limits(request.wanted),
        hoped=parse_limits(request.hoped),
        held=parse_limits(request.held),
        overspent=parse_limits(request.overspent),
        returned=parse_limits(request.returned),
    )


def render_shares(shares: Shares) -> auth_pb2.DrawResponse:
    """What a draw gave."""
    return auth_pb2.DrawResponse(
        drawn=render_limits(shares.drawn),
        kept=render_limits(shares.kept),
        remaining=render_limits(shares.remaining),
    )


def render_policy(policy: Policy) -> auth_pb2.Policy:
    """A key's policy."""
    quota = None
    if policy.quota is not None:
        quota = auth_pb2.Quota(
            tokens=policy.quota.tokens,
            used=policy.quota.used,
            resets_at=render_time(policy.quota.resets_at),
        )
    return auth_pb2.Policy(
        account_id=policy.account_id,
        key_id=policy.key_id,
        product=_PRODUCT_NUMBERS[policy.product],
        plan=policy.plan,
        state=_STATE_NUMBERS[policy.state],
        models=policy.models,
        thinking=policy.thinking,
        limits=render_limits(policy.limits),
        upstreams=policy.upstreams,
        networks=policy.networks,
        quota=quota,
    )


def render_lease_event(event: LeaseEvent) -> auth_pb2.LeaseResponse:
    """One event of a lease's stream."""
    if isinstance(event, Granted):
        granted = auth_pb2.Granted(
            lease_id=event.lease_id,
            grant=event.grant,
            policy=render_policy(event.policy),
            shares=render_limits(event.shares.drawn),
            remaining=render_limits(event.shares.remaining),
            expires_at=render_time(event.expires_at),
        )
        return auth_pb2.LeaseResponse(granted=granted)
    if isinstance(event, Renewed):
        renewed = auth_pb2.Renewed(grant=event.grant, expires_at=render_time(event.expires_at))
        return auth_pb2.LeaseResponse(renewed=renewed)
    if isinstance(event, PolicyChanged):
        changed = auth_pb2.PolicyChanged(grant=event.grant, policy=render_policy(event.policy))
        return auth_pb2.LeaseResponse(policy_changed=changed)
    return auth_pb2.LeaseResponse(revoked=auth_pb2.Revoked(reason=event.reason))


def render_account(account: Account, now: float) -> auth_pb2.Account:
    """An account as operators see it at ``now``."""
    return auth_pb2.Account(
        account_id=account.account_id,
        name=account.name,
        product=_PRODUCT_NUMBERS[account.product],
        plan=account.plan,
        state=_STATE_NUMBERS[account.state_at(now)],
        models=account.models,
        thinking=account.thinking,
        limits=None if account.limits is None else render_limits(account.limits),
        monthly_tokens=account.monthly_tokens,
        reset_day=account.reset_day,
        upstreams=account.upstreams,
        overrides=[
            auth_pb2.ModelOverride(
                model=one.model, allowed=one.allowed, ends_at=render_time(one.ends_at)
            )
            for one in account.overrides_at(now)
        ],
        created_at=render_time(account.created_at),
        expires_at=render_moment(account.expires_at),
    )


def parse_override(message: auth_pb2.ModelOverride) -> ModelOverride:
    """An override; one without an end ends at 0, long ago."""
    return ModelOverride(message.model, message.allowed, parse_time(message.ends_at))


def render_access(access: ModelAccess) -> auth_pb2.ModelAccess:
    """What decides on one model."""
    return auth_pb2.ModelAccess(
        model=access.model,
        allowed=access.allowed,
        decided_by=access.decided_by.value,
        until=render_moment(access.until),
    )


def render_audit(entry: AuditEntry) -> auth_pb2.AuditEntry:
    """One entry of the audit trail."""
    return auth_pb2.AuditEntry(
        sequence=entry.sequence,
        at=render_time(entry.at),
        actor=entry.actor,
        on_behalf_of=entry.on_behalf_of,
        action=entry.action,
        account_id=entry.account_id,
        key_id=entry.key_id,
        detail=entry.detail,
    )


def render_key(key: Key, now: float) -> auth_pb2.Key:
    """A key as operators see it: masked."""
    return auth_pb2.Key(
        key_id=key.key_id,
        account_id=key.account_id,
        masked=key.masked,
        label=key.label,
        state=key.state(now).value,
        models=key.models,
        networks=key.networks,
        created_at=render_time(key.created_at),
        expires_at=render_moment(key.expires_at),
        last_used_at=render_moment(key.last_used_at),
    )


def render_watch(change: Change | None, sequence: str) -> auth_pb2.WatchRevocationsResponse:
    """A revocation, or a heartbeat where there is none."""
    if change is None:
        return auth_pb2.WatchRevocationsResponse(sequence=sequence)
    is_account = change.kind is ChangeKind.ACCOUNT
    revocation = auth_pb2.Revocation(
        key_id="" if is_account else change.key_id,
        account_id=change.account_id if is_account else "",
        reason=change.reason,
    )
    return auth_pb2.WatchRevocationsResponse(revocation=revocation, sequence=sequence)


def render_time(seconds: float) -> Timestamp:
    """Seconds since the epoch as a Timestamp, to the millisecond."""
    stamp = Timestamp()
    stamp.FromMilliseconds(int(seconds * 1000))
    return stamp


def render_moment(seconds: float | None) -> Timestamp | None:
    """The same where there may be none."""
    return None if seconds is None else render_time(seconds)


def parse_time(stamp: Timestamp) -> float:
    """A Timestamp as seconds since the epoch."""
    return stamp.seconds + stamp.nanos / 1e9
