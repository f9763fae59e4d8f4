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

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

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
from services.auth.partition import partition, usage_key

T = TypeVar("T")

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

    async def hold(self, wanted: HoldWanted) -> Hold:
        """See scripts/hold.lua."""
        name = wanted.name
        tag = partition(name.account_id)
        keys = (f"{tag}:journal", f"{tag}:open", _request_key(name), *_wallet_keys(name.account_id))
        args = (
            *(_member(name), name.account_id, self._hold_ms, wanted.whole, wanted.least),
            *(name.key_id, name.model, wanted.started_ms),
        )
        state, held, remaining = await self._scripts["hold"](keys, args)
        return Hold(int(state), int(held), int(remaining))

    async def progress(self, holds: Sequence[HoldUsed]) -> list[Hold]:
        """See scripts/progress.lua; answers in the order of ``holds``."""
        answers: dict[int, Hold] = {}
        for tag, places in _by_partition(enumerate(holds), lambda one: one[1].name.account_id):
            keys = [f"{tag}:journal", f"{tag}:open"]
            args: list[str | int] = [self._hold_ms]
            for _, one in places:
                keys += [_request_key(one.name), *_wallet_keys(one.name.account_id)]
                args += [_member(one.name), one.name.account_id, one.cost, _text(one.tokens)]
                args += [one.wanted]
            found = await self._scripts["progress"](keys, args)
            for at, (place, _) in enumerate(places):
                answers[place] = Hold(int(found[2 * at]), int(found[2 * at + 1]))
        return [answers[place] for place in range(len(holds))]

    async def settle(self, settlements: Iterable[tuple[Settlement, int]]) -> Settled:
        """Record settlements with their costs."""
        new, costs = 0, Counter[str]()
        for tag, batch in _by_partition(settlements, lambda one: one[0].account_id):
            keys, args = self._opening(tag)
            for one, cost in batch:
                keys += _seat(one, one.started_ms)
                args += ["settle", one.account_id, one.request_id, one.key_id, one.model]
                args += [one.upstream, one.upstream_model, one.end, one.started_ms, one.total_ms]
                args += [one.attempts, int(one.certainty), "1" if one.prepaid else "0", cost]
                args += [_text(one.tokens), _member(one)]
            answers = await self._scripts["settle"].run_patiently(keys, args, SETTLE_S)
            new += sum(answers[::2])
            for (one, _), added in zip(batch, answers[1::2], strict=True):
                costs[one.model] += added
        return Settled(new, costs)

    async def void(self, names: Iterable[RequestName], now_ms: int) -> None:
        """Give holds back whose request never reached an upstream."""
        for tag, batch in _by_partition(names, lambda one: one.account_id):
            keys, args = self._opening(tag)
            for one in batch:
                keys += _seat(one, now_ms)
                args += ["void", one.account_id, one.request_id, one.key_id, one.model, "", ""]
                args += ["END_UNSPECIFIED", "", "", "", 3, "1", 0, _text(Tokens()), _member(one)]
            await self._scripts["settle"].run_patiently(keys, args, SETTLE_S)

    async def reap(self, tag: str) -> Settled:
        """Settle the overdue holds of a partition, at most ``REAP_COUNT``."""
        due = await self._scripts["due"]([f"{tag}:open"], [tag, REAP_COUNT])
        reaped, costs = 0, Counter[str]()
        for member, started_ms in zip(due[::2], due[1::2], strict=True):
            account_id, _, request_id = member.partition(" ")
            name = RequestName(request_id=request_id, account_id=account_id, key_id="", model="")
            keys, args = self._opening(tag)
            keys += _seat(name, int(started_ms))
            found = await self._scripts["reap"](keys, [*args, member, account_id, request_id])
            if found:
                model, cost = found
                reaped, costs[model] = reaped + 1, costs[model] + cost
        return Settled(reaped, costs)

    def _opening(self, tag: str) -> tuple[list[str], list[str | int]]:
        """The keys and arguments a batch of ends begins with."""
        return [f"{tag}:journal", f"{tag}:open", f"{tag}:wallets"], [RECORD_S, USAGE_S]

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
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y%m%d")


def _seat(name: RequestName, started_ms: int) -> list[str]:
    """The keys of one request's end, in the order the scripts take them."""
    usage = usage_key(name.account_id, day_of(started_ms))
    return [_request_key(name), usage, *_wallet_keys(name.account_id)]


def _request_key(name: RequestName) -> str:
    return f"{partition(name.account_id)}:request:{name.account_id}:{name.request_id}"


def _wallet_keys(account_id: str) -> tuple[str, str, str]:
    tag = partition(account_id)
    return (
        f"{tag}:wallet:{account_id}",
        f"{tag}:packs:{account_id}",
        f"{tag}:spendable:{account_id}",
    )


def _member(name: RequestName) -> str:
    return f"{name.account_id} {name.request_id}"


def _text(tokens: Tokens) -> str:
    return ",".join(map(str, tokens))


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
