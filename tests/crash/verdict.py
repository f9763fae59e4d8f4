"""What must be true in the end: the callers' memory, the meter's and the journal, side by side."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gatebeyz.ledger.v1 import ledger_pb2
from tests.crash.meter import Meter, Seen
from tests.crash.told import Told
from tests.crash.traffic import Traffic

INPUT_RATE: Final = 2
OUTPUT_RATE: Final = 5
# A stream that breaks off is charged a token per event, the opening event included.
OPENING_EVENTS: Final = 1


@dataclass
class Record:
    """One request's entries of the journal, added up."""

    exact: int = 0
    estimated: int = 0
    voided: int = 0
    cost: int = 0
    charged: int = 0
    account_ids: set[str] = field(default_factory=set)
    key_ids: set[str] = field(default_factory=set)
    began_at: float = 0.0  # seconds since the epoch

    def take(self, entry: ledger_pb2.Entry) -> None:
        if entry.kind == ledger_pb2.ENTRY_KIND_VOID:
            self.voided += 1
        elif entry.usage.estimated:
            self.estimated += 1
        else:
            self.exact += 1
        self.cost += entry.cost_micros
        self.charged += entry.spent_micros + entry.short_micros
        self.account_ids.add(entry.account_id)
        self.key_ids.add(entry.key_id)
        self.began_at = max(self.began_at, entry.started_at.ToMilliseconds() / 1000)


def judge(entries: Iterable[ledger_pb2.Entry], meter: Meter, traffic: Traffic) -> list[str]:
    """Every violation as a sentence; none is what we want."""
    records: defaultdict[str, Record] = defaultdict(Record)
    granted: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.request_id:
            records[entry.request_id].take(entry)
        granted[entry.account_id] += entry.granted_micros
    faults = [
        f"{account_id}: paid {sum(paid.values())}, granted {granted[account_id]}"
        for account_id, paid in traffic.paid.items()
        if sum(paid.values()) != granted[account_id]
    ]
    _name_nameless(records, traffic.told.values())
    for request_id, told in traffic.told.items():
        seen, record = meter.seen.get(request_id), records.get(told.ledger_id)
        sentences = _judge_one(seen, record, is_told=told.usage is not None)
        if record is not None and told.account_id in traffic.plans and record.charged:
            sentences.append(f"a plan was charged {record.charged}")
        if record is not None and record.account_ids != {told.account_id}:
            sentences.append("another account was charged")
        faults += [f"{request_id}: {sentence}" for sentence in sentences]
    named = {told.ledger_id for told in traffic.told.values()}
    faults += [f"{name}: nobody asked" for name in records.keys() - named]
    return faults


def _name_nameless(records: Mapping[str, Record], tells: Iterable[Told]) -> None:
    """Find requests whose caller never heard their name: the ones of their key that began then."""
    callers: defaultdict[str, list[Told]] = defaultdict(list)
    named = set()
    for told in tells:
        named.add(told.ledger_id)
        if told.asked_at:
            callers[told.key_id].append(told)
    for ledger_id in records.keys() - named:
        record = records[ledger_id]
        if not record.began_at and not record.cost:
            del records[ledger_id]  # a void says only that nothing happened
            continue
        asked = callers[min(record.key_ids)]
        # The ledger keeps milliseconds, cut off.
        place = bisect.bisect(asked, record.began_at + 0.001, key=lambda told: told.asked_at)
        if place and not asked[place - 1].ledger_id:
            asked[place - 1].ledger_id = ledger_id


def _judge_one(seen: Seen | None, record: Record | None, *, is_told: bool) -> list[str]:
    if record is None:
        return [] if seen is None else ["reached the provider and was never settled"]
    faults = []
    if record.exact > 1 or record.estimated > 1 or record.voided > 1:
        faults.append(f"settled more than once: {record}")
    if seen is None:
        return [*faults, *(["charged for nothing"] if record.cost else [])]
    worth = seen.input * INPUT_RATE + seen.output * OUTPUT_RATE
    if record.exact + record.estimated == 0:
        faults.append("reached the provider and was voided")
    if is_told and not record.exact:
        faults.append("was told its end, and the ledger has an estimate")
    if record.exact and seen.is_finished and record.cost != worth:
        faults.append(f"costs {record.cost}, is worth {worth}")
    if record.cost > worth + OPENING_EVENTS * OUTPUT_RATE:
        faults.append(f"costs {record.cost}, more than {worth}")
    return faults
