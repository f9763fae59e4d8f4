"""The only room that knows Redis: connections, key names, scripts, and what their absence means.

Two families of keys, so that everything also runs on a cluster:

- ``{directory}:…`` accounts, keys, the index by digest and the change log. They change seldom and
  together, and are read when a lease opens, so they share one slot.
- ``{pNN}:…`` (NN = crc16(account) mod 64) journal, settlement marks, roll-ups, rate windows and
  leases. They change with every request and are spread over 64 slots.

Every call answers within ``CALL_S`` or raises ServiceFault STORE_AWAY.
"""

from __future__ import annotations

import asyncio
import contextlib
from binascii import crc_hqx
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from runtime.faults import Reason, ServiceFault
from services.auth.account import Account, Limits
from services.auth.audit import FIELDS as AUDIT_FIELDS
from services.auth.audit import AuditEntry
from services.auth.key import Key
from services.auth.revocation import START, Change, ChangeKind
from services.auth.settlement import Settlement
from services.auth.share import Draw

SOCKET_S: Final = 0.25
CALL_S: Final = 0.55
FOLLOW_S: Final = 2.0
MAX_CONNECTIONS: Final = 64
PARTITIONS: Final = 64
LOG_MS: Final = 24 * 3600 * 1000
MARK_S: Final = 24 * 3600
JOURNAL_MS: Final = 7 * 24 * 3600 * 1000
USAGE_S: Final = 400 * 24 * 3600
SETTLE_BATCH: Final = 64
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
    "settle",
    "take_shares",
    "update_account",
    "update_key",
)
# A server that answers so cannot write now: read-only after a fail-over, disk or memory full.
_AWAY_ANSWERS: Final = ("MISCONF", "NOREPLICAS", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED")


def partition(account_id: str) -> str:
    """The hash tag of an account's ledger partition."""
    return f"{{p{crc_hqx(account_id.encode(), 0) % PARTITIONS:02d}}}"


def _away(error: BaseException) -> ServiceFault:
    fault = ServiceFault(
        Reason.STORE_AWAY, "The store of keys and limits is away. Try again.", retry_after_s=2
    )
    fault.__cause__ = error
    return fault


@contextlib.asynccontextmanager
async def _bounded(limit_s: float = CALL_S) -> AsyncIterator[None]:
    """Time and errors of one call: whatever keeps the store from answering is STORE_AWAY."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except (RedisConnectionError, RedisTimeoutError, TimeoutError, OSError) as error:
        raise _away(error) from error
    except (ReadOnlyError, OutOfMemoryError) as error:
        raise _away(error) from error
    except ResponseError as error:
        if str(error).startswith(_AWAY_ANSWERS):
            raise _away(error) from error
        raise


class Store:
    """Accounts, keys, limits and records, as calls. Close it at the end."""

    def __init__(self, url: str) -> None:
        self._redis = _open(url, SOCKET_S)
        # A read that waits for changes holds its connection and outlasts the short time-out.
        self._follower = _open(url, FOLLOW_S)
        folder = resources.files("services.auth") / "scripts"
        self._scripts = {
            name: self._redis.register_script((folder / f"{name}.lua").read_text("utf-8"))
            for name in _SCRIPTS
        }

    async def close(self) -> None:
        """Close every connection."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()
            await self._follower.aclose()

    async def is_ready(self) -> bool:
        """Whether the store answers."""
        try:
            async with _bounded():
                await self._redis.exists(_LOG)
        except ServiceFault:
            return False
        return True

    async def _run(self, name: str, keys: Sequence[str], args: Iterable[str | int]) -> Any:
        async with _bounded():
            return await self._scripts[name](keys=list(keys), args=list(args))

    # Accounts

    async def put_account(self, account: Account, audit: AuditEntry) -> None:
        """Store a new account."""
        async with _bounded(), self._redis.pipeline(transaction=True) as steps:
            steps.set(_account_key(account.account_id), msgspec.json.encode(account))
            steps.zadd(_ACCOUNTS, {account.account_id: 0})
            steps.xadd(_AUDIT, dict(zip(AUDIT_FIELDS, audit.fields(), strict=True)))
            await steps.execute()

    async def find_account(self, account_id: str) -> Account | None:
        """The account, or None."""
        async with _bounded():
            record = await self._redis.get(_account_key(account_id))
        return None if record is None else msgspec.json.decode(record, type=Account)

    async def list_accounts(self, after: str, count: int) -> list[Account]:
        """At most ``count`` accounts in order of creation, after the id ``after``."""
        start = f"({after}" if after else "-"
        async with _bounded():
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

    # Keys

    async def put_key(self, key: Key, audit: AuditEntry) -> None:
        """Store a new key of an account that exists."""
        async with _bounded(), self._redis.pipeline(transaction=True) as steps:
            steps.hset(_key_key(key.key_id), mapping=_key_record(key))
            steps.set(_digest_key(key.digest), key.key_id)
            steps.zadd(_keys_key(key.account_id), {key.key_id: 0})
            steps.xadd(_AUDIT, dict(zip(AUDIT_FIELDS, audit.fields(), strict=True)))
            await steps.execute()

    async def find_key(self, key_id: str) -> Key | None:
        """The key record, or None."""
        async with _bounded():
            record = await self._redis.hgetall(_key_key(key_id))
        return _read_key(record)

    async def find_digest(self, digest: bytes) -> Key | None:
        """The key record whose text has this digest, or None.

        A digest nobody has costs the same two look-ups as one of a key.
        """
        async with _bounded():
            key_id = await self._redis.get(_digest_key(digest.hex()))
        return await self.find_key(key_id or "")

    async def list_keys(self, account_id: str, after: str, count: int) -> list[Key]:
        """At most ``count`` keys of an account, oldest first, after the id ``after``."""
        start = f"({after}" if after else "-"
        async with _bounded(), self._redis.pipeline(transaction=False) as steps:
            ids = await self._redis.zrangebylex(_keys_key(account_id), start, "+", 0, count)
            for key_id in ids:
                steps.hgetall(_key_key(key_id))
            records = await steps.execute()
        return [key for record in records if (key := _read_key(record)) is not None]

    async def touch_key(self, key_id: str, now: float) -> None:
        """Note that a key is in use."""
        async with _bounded():
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
        async with _bounded():
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
        async with _bounded():
            await self._redis.xadd(_LOG, entry)

    async def last_change(self) -> str:
        """The newest sequence, "0-0" of an empty log."""
        async with _bounded():
            entries = await self._redis.xrevrange(_LOG, count=1)
        return str(entries[0][0]) if entries else START

    async def read_changes(self, after: str, block_s: float) -> list[Change]:
        """Entries after a sequence, waiting up to ``block_s`` for the first."""
        async with _bounded(FOLLOW_S):
            answer = await self._follower.xread({_LOG: after}, block=int(block_s * 1000))
        if not answer:
            return []
        streams = answer.values() if isinstance(answer, dict) else [part[1] for part in answer]
        return [_read_change(entry) for entries in streams for entry in entries]

    async def replay_changes(self, after: str, count: int) -> list[Change]:
        """At most ``count`` entries after a sequence."""
        async with _bounded():
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

    # Settlements

    async def settle(self, settlements: Iterable[Settlement]) -> int:
        """Record settlements; how many were new. Each partition's batch is one atomic step."""
        batches: defaultdict[str, list[Settlement]] = defaultdict(list)
        for settlement in settlements:
            batches[partition(settlement.account_id)].append(settlement)
        recorded = 0
        for tag, batch in batches.items():
            for start in range(0, len(batch), SETTLE_BATCH):
                recorded += await self._settle(tag, batch[start : start + SETTLE_BATCH])
        return recorded

    async def _settle(self, tag: str, batch: Sequence[Settlement]) -> int:
        keys = [f"{tag}:journal"]
        args: list[str | int] = [MARK_S, JOURNAL_MS, USAGE_S]
        for one in batch:
            day = datetime.fromtimestamp(one.started_ms / 1000, UTC).strftime("%Y%m%d")
            keys += [f"{tag}:settled:{one.account_id}:{one.request_id}"]
            keys += [usage_key(one.account_id, day)]
            args += [one.request_id, one.account_id, one.key_id, one.model, one.upstream]
            args += [one.upstream_model, one.end, one.started_ms, one.total_ms]
            args += [int(one.certainty), *one.amounts(), one.attempts]
        return int(await self._run("settle", keys, args))

    async def read_usage(self, account_id: str, day: str) -> dict[str, int]:
        """The roll-up of an account's day ("YYYYMMDD", UTC): counters by field."""
        async with _bounded():
            fields = await self._redis.hgetall(usage_key(account_id, day))
        return {name: int(amount) for name, amount in fields.items()}

    async def tokens_of_days(self, account_id: str, days: Sequence[str]) -> list[int]:
        """Tokens of every kind, in and out, of each day ("YYYYMMDD", UTC)."""
        async with _bounded(), self._redis.pipeline(transaction=False) as steps:
            for day in days:
                steps.hmget(usage_key(account_id, day), *QUOTA_COUNTERS)
            found = await steps.execute()
        return [sum(int(amount or 0) for amount in amounts) for amounts in found]


def usage_key(account_id: str, day: str) -> str:
    """Where the roll-up of an account's day stands."""
    return f"{partition(account_id)}:usage:{account_id}:{day}"


def _open(url: str, timeout_s: float) -> Any:
    # Typed Any: the client's own types cover every protocol and decoding; ours is text throughout.
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=SOCKET_S,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=SOCKET_S,
        # One retry at once replaces a pooled connection that a restarted server closed.
        retry=Retry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


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
