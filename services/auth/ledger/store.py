"""The ledger in the store: key names, scripts, and the shapes they take and give.

Every key carries the tag of its account's partition, so each call is one atomic step on one node::

    {pNN}:journal                    stream of entries, oldest first
    {pNN}:folded                     last sequence that was folded out of the journal
    {pNN}:base:<account>             sums of what was folded (hash)
    {pNN}:open                       open holds "<account> <request>" by their deadline
    {pNN}:wallets                    accounts that have a wallet
    {pNN}:wallet:<account>           sums (hash); never expires
    {pNN}:packs:<account>            purchases (hash of <pack>/<field>); never expires
    {pNN}:spendable:<account>        packs with something left, by their end
    {pNN}:request:<account>:<id>     the lattice record of a request; a day after its end it goes
    {pNN}:usage:<account>:<day>      roll-up of a day (hash of counters); kept 400 days

See scripts/wallet.lua for what is in them.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from runtime.faults import ServiceFault
from services.auth.connection import Connection, Script
from services.auth.ledger.pricing import Tokens
from services.auth.ledger.settlement import RequestName, Settlement
from services.auth.ledger.wallet import (
    Entry,
    Hold,
    Pack,
    Snapshot,
    Wallet,
    read_entry,
    read_packs,
    read_wallet,
)
from services.auth.partition import TAGS, partition, usage_key

T = TypeVar("T")

# Requests as their scripts take them: one argument, however many.
_packed: Final = msgspec.msgpack.Encoder().encode

HOLD_MS: Final = 30_000
RECORD_S: Final = 24 * 3600
USAGE_S: Final = 400 * 24 * 3600
BATCH: Final = 64
# Wallets looked at in one snapshot, entries read in one stretch: a few milliseconds of the store.
SNAPSHOT_ACCOUNTS: Final = 100
STRETCH: Final = 200
REAP_COUNT: Final = 100
# A settlement waits through a fail-over before its sender must come again; nobody waits for it.
SETTLE_S: Final = 4.0
# Nor does a long reading end because the store was away for a moment.
READ_S: Final = 5.0
# Nine billion dollars: beyond 2**53 micros the scripts' numbers are not exact.
MAX_GRANTED: Final = 9 * 10**15
_DAY_MS: Final = 24 * 3600 * 1000
_SCRIPTS: Final = (
    "due", "fold_journal", "grant", "hold", "progress", "read_usage", "read_wallet", "reap",
    "settle", "snapshot", "sum_journal",
)  # fmt: skip


class HoldWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A hold to make, in micro-dollars; ``least`` 0 takes the whole or nothing."""

    name: RequestName
    whole: int
    least: int
    started_ms: int


class HoldUsed(msgspec.Struct, frozen=True, kw_only=True):
    """What an open hold's request used so far; ``wanted`` 0 leaves the hold as large as it is."""

    name: RequestName
    cost: int
    tokens: Tokens
    wanted: int


class Settled(NamedTuple):
    """What a call recorded: how many requests for the first time, micros added by model."""

    new: int
    costs: Mapping[str, int]


class LedgerStore:
    """The ledger's calls. ``replicas`` must have a grant of credit before it is acknowledged."""

    def __init__(
        self, connection: Connection, *, replicas: int = 0, hold_ms: int = HOLD_MS
    ) -> None:
        self._connection = connection
        self._redis = connection.client
        self._replicas = replicas
        self._hold_ms = hold_ms
        folder = resources.files("services.auth.ledger") / "scripts"
        prelude = (folder / "wallet.lua").read_text("utf-8")
        self._scripts: dict[str, Script] = {
            name: connection.script(prelude + (folder / f"{name}.lua").read_text("utf-8"))
            for name in _SCRIPTS
        }

    async def identity(self) -> str:
        """See Connection.identity."""
        return await self._connection.identity()

    # Requests

    async def hold(self, wanted: Sequence[HoldWanted]) -> list[Hold | ServiceFault]:
        """See scripts/hold.lua; answers in the order of ``wanted``, each partition for itself."""
        answers: dict[int, Hold | ServiceFault] = {}

        async def hold_in(tag: str, places: Sequence[tuple[int, HoldWanted]]) -> None:
            args = (tag, self._hold_ms, _packed([one for _, one in places]))
            try:
                found = iter(await self._scripts["hold"](_routing(tag), args))
            except ServiceFault as fault:
                answers.update((place, fault) for place, _ in places)
                return
            for (place, _), state, held, remaining in zip(places, found, found, found, strict=True):
                answers[place] = Hold(int(state), int(held), int(remaining))

        groups = _by_partition(enumerate(wanted), lambda one: one[1].name.account_id)
        await asyncio.gather(*(hold_in(*group) for group in groups))
        return [answers[place] for place in range(len(wanted))]

    async def progress(self, holds: Sequence[HoldUsed]) -> list[Hold]:
        """See scripts/progress.lua; answers in the order of ``holds``."""
        answers: dict[int, Hold] = {}
        for tag, places in _by_partition(enumerate(holds), lambda one: one[1].name.account_id):
            args = (tag, self._hold_ms, _packed([one for _, one in places]))
            found = iter(await self._scripts["progress"](_routing(tag), args))
            for (place, _), state, held in zip(places, found, found, strict=True):
                answers[place] = Hold(int(state), int(held))
        return [answers[place] for place in range(len(holds))]

    async def settle(self, settlements: Iterable[tuple[Settlement, int]]) -> Settled:
        """Record settlements with their costs."""
        new, costs = 0, Counter[str]()
        for tag, batch in _by_partition(settlements, lambda one: one[0].account_id):
            items = [(one, cost, day_of(one.started_ms)) for one, cost in batch]
            answers = await self._conclude(tag, items)
            new += sum(answers[::2])
            for (one, _), added in zip(batch, answers[1::2], strict=True):
                costs[one.model] += added
        return Settled(new, costs)

    async def void(self, names: Iterable[RequestName], now_ms: int) -> None:
        """Give holds back whose request never reached an upstream."""
        for tag, batch in _by_partition(names, lambda one: one.account_id):
            await self._conclude(tag, [(one, 0, day_of(now_ms)) for one in batch])

    async def _conclude(self, tag: str, items: Sequence[tuple[RequestName, int, str]]) -> list[int]:
        """See scripts/settle.lua."""
        args = (tag, RECORD_S, USAGE_S, _packed(items))
        answers = await self._scripts["settle"].run_patiently(_routing(tag), args, SETTLE_S)
        return [int(answer) for answer in answers]

    async def overdue(self) -> list[str]:
        """The partitions with holds that are overdue."""
        calls = [((f"{tag}:open",), (tag, 1)) for tag in TAGS]
        found = await self._scripts["due"].run_each(calls)
        return [tag for tag, due in zip(TAGS, found, strict=True) if due]

    async def reap(self, tag: str) -> Settled:
        """Settle the overdue holds of a partition, at most ``REAP_COUNT``."""
        due = await self._scripts["due"]([f"{tag}:open"], [tag, REAP_COUNT])
        reaped, costs = 0, Counter[str]()
        for member, started_ms in zip(due[::2], due[1::2], strict=True):
            account_id, _, request_id = member.partition(" ")
            args = (tag, RECORD_S, USAGE_S, account_id, request_id, day_of(int(started_ms)))
            found = await self._scripts["reap"](_routing(tag), args)
            if found:
                model, cost = found
                reaped, costs[model] = reaped + 1, costs[model] + cost
        return Settled(reaped, costs)

    # Wallets

    async def grant(
        self, account_id: str, pack_id: str, reference: str, amount: int,
        expires_ms: int | None, name: str,
    ) -> tuple[int, str]:  # fmt: skip
        """See scripts/grant.lua: its status, and the pack the payment stands for."""
        tag = partition(account_id)
        keys = (f"{tag}:journal", f"{tag}:wallets", *_wallet_keys(account_id))
        ends = "" if expires_ms is None else expires_ms
        args = (account_id, pack_id, reference, amount, ends, name, MAX_GRANTED)
        status, found = await self._scripts["grant"].run_copied(
            keys, args, self._replicas, SETTLE_S
        )
        return int(status), str(found)

    async def read_wallet(self, account_id: str) -> tuple[Wallet, list[Pack]]:
        """A wallet and its packs at one instant; empty where there is none."""
        keys = (f"{partition(account_id)}:journal", *_wallet_keys(account_id))
        wallet, packs = await self._scripts["read_wallet"](keys, [account_id])
        return read_wallet(_pairs(wallet)), read_packs(_pairs(packs))

    async def read_prices(self, account_ids: Sequence[str]) -> dict[str, str]:
        """The name of the price list of each account's wallet, "" where there is none."""
        async with self._connection.bounded(), self._redis.pipeline(transaction=False) as steps:
            for account_id in account_ids:
                steps.hget(_wallet_keys(account_id)[0], "prices")
            names = await steps.execute()
        return dict(zip(account_ids, (name or "" for name in names), strict=True))

    # Usage

    async def read_rollup(self, account_id: str, days: Sequence[str]) -> list[dict[str, int]]:
        """The counters of an account's days ("YYYYMMDD", UTC), empty where nothing was used."""
        async with self._connection.bounded(), self._redis.pipeline(transaction=False) as steps:
            for day in days:
                steps.hgetall(usage_key(account_id, day))
            found = await steps.execute()
        return [{name: int(amount) for name, amount in fields.items()} for fields in found]

    async def read_usage(
        self, account_id: str, *, before: str = "+", since_ms: int = 0
    ) -> AsyncGenerator[Entry]:
        """An account's entries, newest first."""
        cursor = before
        keys = [f"{partition(account_id)}:journal"]
        while cursor:
            args: list[str | int] = [account_id, cursor, since_ms or "-", STRETCH]
            read = self._scripts["read_usage"]
            cursor, *entries = await read.run_patiently(keys, args, READ_S)
            for sequence, fields in entries:
                yield read_entry(sequence, _pairs(fields))

    async def read_journal(self, tag: str, since: str, until: str) -> AsyncGenerator[list[Entry]]:
        """A partition's entries, oldest first, from ``since`` up to ``until`` ("-", "+": all)."""
        cursor = since
        while True:
            found = await self._read_stretch(tag, cursor, until)
            if not found:
                return
            yield [read_entry(sequence, fields) for sequence, fields in found]
            cursor = f"({found[-1][0]}"

    async def _read_stretch(self, tag: str, since: str, until: str) -> Any:
        async def read() -> Any:
            async with self._connection.bounded():
                return await self._redis.xrange(f"{tag}:journal", since, until, count=STRETCH)

        return await self._connection.patiently(read, READ_S)

    # Proof

    async def list_wallets(self, tag: str) -> list[str]:
        """The accounts of a partition that have a wallet, in order."""
        async with self._connection.bounded():
            return sorted(await self._redis.smembers(f"{tag}:wallets"))

    async def snapshot(
        self, tag: str, account_ids: Sequence[str]
    ) -> tuple[str, str, list[Snapshot]]:
        """Last sequence of the journal, last one folded, and the accounts, at one instant."""
        keys = (f"{tag}:journal", f"{tag}:folded", f"{tag}:open")
        last, folded, *found = await self._scripts["snapshot"](keys, [tag, *account_ids])
        snapshots = [
            Snapshot(
                account_id=account_id,
                wallet=read_wallet(_pairs(wallet)),
                base=read_wallet(_pairs(base)),
                packs=(int(granted), int(spent), int(expired)),
                held=int(held),
            )
            for account_id, (wallet, base, granted, spent, expired, held) in zip(
                account_ids, found, strict=True
            )
        ]
        return last, folded, snapshots

    async def sum_journal(self, tag: str, last: str) -> tuple[dict[str, Wallet], int]:
        """The journal's sums by account up to a sequence, and how many entries they are of."""
        sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        cursor, total = "0-0", 0
        while True:
            args: list[str | int] = [cursor, last, STRETCH]
            read = self._scripts["sum_journal"]
            cursor, count, *found = await read.run_patiently([f"{tag}:journal"], args, READ_S)
            total += int(count)
            for at in range(0, len(found), 5):
                account = sums[found[at]]
                for place in range(4):
                    account[place] += int(found[at + 1 + place])
            if int(count) < STRETCH:
                break
        wallets = {
            account_id: Wallet(granted=granted, spent=spent, short=short, expired=expired)
            for account_id, (granted, spent, short, expired) in sums.items()
        }
        return wallets, total

    async def last_folded(self, tag: str) -> str:
        """The last sequence that was folded out of a partition's journal, "0-0" where none was."""
        async with self._connection.bounded():
            return str(await self._redis.get(f"{tag}:folded") or "0-0")

    async def fold_journal(self, tag: str, before_ms: int) -> int:
        """Fold a stretch of what is older into the bases; how many entries."""
        keys = (f"{tag}:journal", f"{tag}:folded")
        return int(await self._scripts["fold_journal"](keys, [tag, before_ms, STRETCH]))


def day_of(time_ms: int) -> str:
    """The day of UTC a moment belongs to, "YYYYMMDD"."""
    return _day_text(time_ms // _DAY_MS)


@functools.lru_cache(maxsize=64)
def _day_text(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY_MS / 1000, UTC).strftime("%Y%m%d")


def _routing(tag: str) -> tuple[str]:
    """The key that sends a script to its partition; it builds the others by the tag."""
    return (f"{tag}:journal",)


def _wallet_keys(account_id: str) -> tuple[str, str, str]:
    tag = partition(account_id)
    return (
        f"{tag}:wallet:{account_id}",
        f"{tag}:packs:{account_id}",
        f"{tag}:spendable:{account_id}",
    )


def _pairs(flat: Any) -> dict[str, str]:
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


def _by_partition(items: Iterable[T], account_of: Any) -> Iterator[tuple[str, list[T]]]:
    """Items by the partition of their account, at most ``BATCH`` together."""
    groups: defaultdict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[partition(account_of(item))].append(item)
    for tag, group in groups.items():
        for start in range(0, len(group), BATCH):
            yield tag, group[start : start + BATCH]
