"""Accounts, keys, limits and the change log in the store: key names and scripts.

Two families of keys, so that everything also runs on a cluster:

- ``{directory}:…`` accounts, keys, the index by digest and the change log. They change seldom and
  together, and are read when a lease opens, so they share one slot.
- ``{pNN}:…`` (NN = crc16(account) mod 64) rate windows and leases, and the ledger's keys
  (services.auth.ledger.store). They change with every request and are spread over 64 slots.

Every call answers within ``connection.CALL_S`` or raises ServiceFault STORE_AWAY.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, Final

import msgspec

from runtime.faults import Reason, ServiceFault
from services.auth.account import Account, Limits
from services.auth.audit import FIELDS as AUDIT_FIELDS
from services.auth.audit import AuditEntry
from services.auth.connection import Connection
from services.auth.key import Key
from services.auth.partition import partition, usage_key
from services.auth.revocation import START, Change, ChangeKind
from services.auth.share import Draw

FOLLOW_S: Final = 2.0
LOG_MS: Final = 24 * 3600 * 1000
RESET_MARK_S: Final = 24 * 3600
OLD_DIGEST_S: Final = 30 * 24 * 3600

# What a monthly quota counts; reasoning is part of the output.
QUOTA_COUNTERS: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)
_LOG: Final = "{directory}:changes"
_ACCOUNTS: Final = "{directory}:accounts"
_AUDIT: Final = "{directory}:audit"
_SCRIPTS: Final = (
    "keep_lease",
    "reset_key",
    "move_digest",
    "revoke_key",
    "take_shares",
    "update_account",
    "update_key",
)


class Store:
    """Accounts, keys, limits and records, as calls. Close it at the end."""

    def __init__(self, url: str) -> None:
        self.connection = Connection(url)
        self._redis = self.connection.client
        # A read that waits for changes holds its connection and outlasts the short time-out.
        self._follower = Connection(url, FOLLOW_S)
        folder = resources.files("services.auth") / "scripts"
        self._scripts = {
            name: self.connection.script((folder / f"{name}.lua").read_text("utf-8"))
            for name in _SCRIPTS
        }

    async def close(self) -> None:
        """Close every connection."""
        await self.connection.close()
        await self._follower.close()

    async def is_ready(self) -> bool:
        """Whether the store answers."""
        try:
            async with self._bounded():
                await self._redis.exists(_LOG)
        except ServiceFault:
            return False
        return True

    def _bounded(self) -> contextlib.AbstractAsyncContextManager[None]:
        return self.connection.bounded()

    async def _run(self, name: str, keys: Sequence[str], args: Iterable[str | int]) -> Any:
        return await self._scripts[name](keys, args)

    # Accounts

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        """Store a new account."""
        async with self._bounded(), self._redis.pipeline(transaction=True) as steps:
            steps.set(_account_key(account.account_id), msgspec.json.encode(account))
            steps.zadd(_ACCOUNTS, {account.account_id: 0})
            steps.xadd(_AUDIT, dict(zip(AUDIT_FIELDS, audit.fields(), strict=True)))
            await steps.execute()

    async def find_account(self, account_id: str) -> Account | None:
        """The account, or None."""
        async with self._bounded():
            record = await self._redis.get(_account_key(account_id))
        return None if record is None else msgspec.json.decode(record, type=Account)

    async def list_accounts(self, after: str, count: int) -> list[Account]:
        """At most ``count`` accounts in order of creation, after the id ``after``."""
        start = f"({after}" if after else "-"
        async with self._bounded():
            ids = await self._redis.zrangebylex(_ACCOUNTS, start, "+", 0, count)
            records = await self._redis.mget([_account_key(one) for one in ids]) if ids else []
        return [msgspec.json.decode(record, type=Account) for record in records if record]

    async def replace_account(
        self, before: Account, after: Account, revoked: Reason | None, audit: AuditEntry
    ) -> bool:
        """Replace a record and log it, as a revocation where ``revoked`` says why.

        False where the account is no longer as it was ``before``.
        """
        kind = ChangeKind.ACCOUNT if revoked else ChangeKind.POLICY
        keys = (_account_key(before.account_id), _LOG, _AUDIT)
        record = msgspec.json.encode(after).decode()
        args: tuple[str | int, ...] = (record, kind.value, before.account_id)
        args += (revoked.value if revoked else "", LOG_MS, before.revision, *audit.fields())
        return bool(await self._run("update_account", keys, args))

    async def record(self, audit: AuditEntry) -> None:
        """Append to the audit trail what was changed elsewhere: money stands in another slot."""
        async with self._bounded():
            await self._redis.xadd(_AUDIT, dict(zip(AUDIT_FIELDS, audit.fields(), strict=True)))

    # Keys

    async def put_key(self, key: Key, audit: AuditEntry) -> None:
        """Store a new key of an account that exists."""
        async with self._bounded(), self._redis.pipeline(transaction=True) as steps:
            steps.hset(_key_key(key.key_id), mapping=_key_record(key))
            steps.set(_digest_key(key.digest), key.key_id)
            steps.zadd(_keys_key(key.account_id), {key.key_id: 0})
            steps.xadd(_AUDIT, dict(zip(AUDIT_FIELDS, audit.fields(), strict=True)))
            await steps.execute()

    async def find_key(self, key_id: str) -> Key | None:
        """The key record, or None."""
        async with self._bounded():
            record = await self._redis.hgetall(_key_key(key_id))
        return _read_key(record)

    async def find_digest(self, digest: bytes) -> Key | None:
        """The key record whose text has this digest, or None.

        A digest nobody has costs the same two look-ups as one of a key.
        """
        async with self._bounded():
            key_id = await self._redis.get(_digest_key(digest.hex()))
        return await self.find_key(key_id or "")

    async def list_keys(self, account_id: str, after: str, count: int) -> list[Key]:
        """At most ``count`` keys of an account, oldest first, after the id ``after``."""
        start = f"({after}" if after else "-"
        async with self._bounded(), self._redis.pipeline(transaction=False) as steps:
            ids = await self._redis.zrangebylex(_keys_key(account_id), start, "+", 0, count)
            for key_id in ids:
                steps.hgetall(_key_key(key_id))
            records = await steps.execute()
        return [key for record in records if (key := _read_key(record)) is not None]

    async def touch_key(self, key_id: str, now: float) -> None:
        """Note that a key is in use."""
        async with self._bounded():
            await self._redis.hset(_key_key(key_id), "used_ms", int(now * 1000))

    async def move_digest(self, key: Key, digest: bytes) -> None:
        """Let a key be found by a new digest too, its digest under the current pepper."""
        new = digest.hex()
        keys = (_key_key(key.key_id), _digest_key(key.digest), _digest_key(new))
        await self._run("move_digest", keys, (key.digest, new, key.key_id, OLD_DIGEST_S))

    async def revoke_key(self, key: Key, reason: Reason, audit: AuditEntry) -> None:
        """Revoke a key everywhere; nothing happens to one that was revoked before."""
        keys = (_key_key(key.key_id), _LOG, _AUDIT)
        args = (key.key_id, key.account_id, reason.value, LOG_MS, *audit.fields())
        await self._run("revoke_key", keys, args)

    async def replace_key(self, before: Key, after: Key, audit: AuditEntry) -> bool:
        """Replace what operators may change; False where the key is no longer as ``before``."""
        keys = (_key_key(before.key_id), _LOG, _AUDIT)
        record = _key_record(after)
        args: tuple[str | int, ...] = (_key_record(before)["record"], record["record"])
        args += (record["expires_ms"], before.key_id, before.account_id, LOG_MS, *audit.fields())
        return bool(await self._run("update_key", keys, args))

    async def reset_key(
        self, old: Key, new: Key, ends_at: float | None, request_id: str, audit: AuditEntry
    ) -> str:
        """Replace ``old``; the id of the key that stands, "" when ``old`` is not active.

        ``ends_at`` is the end of a grace, None to end the old key now.
        """
        mark = f"{{directory}}:reset:{old.key_id}:{request_id}"
        record = _key_record(new)
        keys = [_key_key(old.key_id), _key_key(new.key_id), _digest_key(new.digest)]
        keys += [_keys_key(new.account_id), _LOG, mark, _AUDIT]
        args: tuple[str | int, ...] = (old.key_id, new.key_id, new.account_id, record["record"])
        args += (record["expires_ms"], "" if ends_at is None else int(ends_at * 1000))
        args += (RESET_MARK_S, LOG_MS, "1" if request_id else "0", new.digest, *audit.fields())
        return str(await self._run("reset_key", keys, args))

    # The audit trail

    async def read_audit(self, before: str, count: int) -> list[AuditEntry]:
        """At most ``count`` entries, the newest first, older than the sequence ``before``."""
        newest = f"({before}" if before else "+"
        async with self._bounded():
            entries = await self._redis.xrevrange(_AUDIT, max=newest, count=count)
        return [
            AuditEntry(**fields, sequence=sequence, at=int(sequence.partition("-")[0]) / 1000)
            for sequence, fields in entries
        ]

    # The change log

    async def announce(self, change: Change) -> None:
        """Append to the change log what no script appended: a key whose time has passed."""
        entry = {"kind": change.kind.value, "key_id": change.key_id}
        entry |= {"account_id": change.account_id, "reason": change.reason}
        async with self._bounded():
            await self._redis.xadd(_LOG, entry)

    async def last_change(self) -> str:
        """The newest sequence, "0-0" of an empty log."""
        async with self._bounded():
            entries = await self._redis.xrevrange(_LOG, count=1)
        return str(entries[0][0]) if entries else START

    async def read_changes(self, after: str, block_s: float) -> list[Change]:
        """Entries after a sequence, waiting up to ``block_s`` for the first."""
        async with self._follower.bounded(FOLLOW_S):
            answer = await self._follower.client.xread({_LOG: after}, block=int(block_s * 1000))
        if not answer:
            return []
        streams = answer.values() if isinstance(answer, dict) else [part[1] for part in answer]
        return [_read_change(entry) for entries in streams for entry in entries]

    async def replay_changes(self, after: str, count: int) -> list[Change]:
        """At most ``count`` entries after a sequence."""
        async with self._bounded():
            entries = await self._redis.xrange(_LOG, min=f"({after}", count=count)
        return [_read_change(entry) for entry in entries]

    # Leases and shares

    async def take_shares(
        self,
        account_id: str,
        lease_id: str,
        limits: Limits,
        draw: Draw,
        *,
        life_s: float,
        phase: str,
    ) -> list[int]:
        """What scripts/take_shares.lua answers; ``phase`` is "open", "draw" or "end"."""
        args: tuple[str | int, ...] = (lease_id, int(life_s * 1000), phase)
        keys = (*_windows(account_id), _leases_key(account_id), _gauges_key(account_id))
        args += (*limits.as_tuple(), *draw.amounts())
        return [int(amount) for amount in await self._run("take_shares", keys, args)]

    async def keep_lease(self, account_id: str, lease_id: str, life_s: float) -> None:
        """Move a lease's expiry forward."""
        keys = (_leases_key(account_id), _gauges_key(account_id))
        await self._run("keep_lease", keys, (lease_id, int(life_s * 1000)))

    async def tokens_of_days(self, account_id: str, days: Sequence[str]) -> list[int]:
        """Tokens of every kind, in and out, of each day ("YYYYMMDD", UTC)."""
        async with self._bounded(), self._redis.pipeline(transaction=False) as steps:
            for day in days:
                steps.hmget(usage_key(account_id, day), *QUOTA_COUNTERS)
            found = await steps.execute()
        return [sum(int(amount or 0) for amount in amounts) for amounts in found]


def _account_key(account_id: str) -> str:
    return f"{{directory}}:account:{account_id}"


def _keys_key(account_id: str) -> str:
    return f"{{directory}}:account_keys:{account_id}"


def _key_key(key_id: str) -> str:
    return f"{{directory}}:key:{key_id}"


def _digest_key(digest: str) -> str:
    return f"{{directory}}:digest:{digest}"


def _leases_key(account_id: str) -> str:
    return f"{partition(account_id)}:leases:{account_id}"


def _gauges_key(account_id: str) -> str:
    return f"{partition(account_id)}:gauges:{account_id}"


def _windows(account_id: str) -> tuple[str, str, str]:
    tag = partition(account_id)
    return (
        f"{tag}:window:{account_id}:requests",
        f"{tag}:window:{account_id}:input",
        f"{tag}:window:{account_id}:output",
    )


def _key_record(key: Key) -> dict[str, str]:
    """A key as its hash: what scripts change stands in fields of its own, not in the record."""
    lasting = msgspec.structs.replace(
        key, digest="", previous_digest="", revoked=False, expires_at=None, last_used_at=None
    )
    return {
        "record": msgspec.json.encode(lasting).decode(),
        "revoked": "1" if key.revoked else "0",
        "expires_ms": "" if key.expires_at is None else str(int(key.expires_at * 1000)),
        "digest": key.digest,
    }


def _read_key(record: dict[str, str]) -> Key | None:
    if not record:
        return None
    return msgspec.structs.replace(
        msgspec.json.decode(record["record"], type=Key),
        revoked=record["revoked"] == "1",
        expires_at=_seconds(record["expires_ms"]),
        last_used_at=_seconds(record.get("used_ms", "")),
        digest=record["digest"],
        previous_digest=record.get("previous_digest", ""),
    )


def _seconds(milliseconds: str) -> float | None:
    return int(milliseconds) / 1000 if milliseconds else None


def _read_change(entry: tuple[str, dict[str, str]]) -> Change:
    sequence, fields = entry
    return Change(
        sequence=sequence,
        kind=ChangeKind(fields["kind"]),
        key_id=fields["key_id"],
        account_id=fields["account_id"],
        reason=fields["reason"],
    )
