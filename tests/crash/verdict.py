"""What must be true in the end: the callers' memory, the meter's and the journal, side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gatebeyz.ledger.v1 import ledger_pb2
from tests.crash.meter import Meter, Seen
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
    for request_id, told in traffic.told.items():
        seen, record = meter.seen.get(request_id), records.get(request_id)
        sentences = _judge_one(seen, record, is_told=told.usage is not None)
        if record is not None and told.account_id in traffic.plans and record.charged:
            sentences.append(f"a plan was charged {record.charged}")
        if record is not None and record.account_ids != {told.account_id}:
            sentences.append("another account was charged")
        faults += [f"{request_id}: {sentence}" for sentence in sentences]
    faults += [f"{name}: nobody asked" for name in records.keys() - traffic.told.keys()]
    return faults


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
