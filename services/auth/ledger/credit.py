"""CreditService: packs, balances, usage and proof, proto ↔ domain. Callers are operators."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp

from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.catalog import Catalog
from runtime.faults import Reason, ServiceFault
from services.auth.account import Account, Product, new_id
from services.auth.audit import entry_of
from services.auth.ledger import wire
from services.auth.ledger.audit import Auditor, Report
from services.auth.ledger.settlement import MAX_MICROS, MAX_NAME_LENGTH
from services.auth.ledger.store import LedgerStore
from services.auth.operator import OperatorGate
from services.auth.partition import TAGS, partition
from services.auth.store import Store

USAGE_LIMIT: Final = 1_000
MAX_USAGE_LIMIT: Final = 100_000
MAX_DAYS: Final = 400
_DAY_MS: Final = 24 * 3600 * 1000
_CONFLICT, _TOO_LARGE = -1, -2


class CreditService(ledger_pb2_grpc.CreditServiceServicer):
    """See ledger.proto."""

    def __init__(
        self,
        ledger: LedgerStore,
        directory: Store,
        gate: OperatorGate,
        catalog: Callable[[], Catalog],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._directory = directory
        self._gate = gate
        self._catalog = catalog
        self._clock = clock

    async def GrantCredits(  # noqa: N802
        self, request: ledger_pb2.GrantCreditsRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.GrantCreditsResponse:
        operator = self._gate.check(context)
        reference = request.payment_reference
        if not 0 < len(reference) <= MAX_NAME_LENGTH or not reference.isprintable():
            raise _invalid(f"payment_reference needs 1 to {MAX_NAME_LENGTH} printable characters.")
        account = await self._find_account(request.account_id)
        if account.product is not Product.CREDITS:
            raise _invalid("Credits are for accounts of the credits product.")
        amount, expires_ms = self._read_pack(request)
        status, pack_id = await self._ledger.grant(
            account.account_id, new_id("pack", self._clock()), reference, amount, expires_ms,
            request.pack,
        )  # fmt: skip
        if status == _CONFLICT:
            message = "The payment reference was used before, for another amount."
            raise ServiceFault(Reason.CONFLICT, message)
        if status == _TOO_LARGE:
            raise _invalid("The wallet would grow beyond what the ledger can count.")
        wallet, packs = await self._ledger.read_wallet(account.account_id)
        pack = next(pack for pack in packs if pack.pack_id == pack_id)
        if status:
            detail = f"{pack_id} of {amount} micros for {reference}"
            await self._directory.record(
                entry_of(operator, "credits.grant", account.account_id, detail=detail)
            )
        return ledger_pb2.GrantCreditsResponse(
            pack=wire.render_pack(pack),
            balance=wire.render_balance(account.account_id, wallet),
            repeated=not status,
        )

    async def GetBalance(  # noqa: N802
        self, request: ledger_pb2.GetBalanceRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.GetBalanceResponse:
        self._gate.check(context)
        account = await self._find_account(request.account_id)
        wallet, _ = await self._ledger.read_wallet(account.account_id)
        balance = wire.render_balance(account.account_id, wallet)
        return ledger_pb2.GetBalanceResponse(balance=balance)

    async def ListPacks(  # noqa: N802
        self, request: ledger_pb2.ListPacksRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.ListPacksResponse:
        self._gate.check(context)
        account = await self._find_account(request.account_id)
        _, packs = await self._ledger.read_wallet(account.account_id)
        return ledger_pb2.ListPacksResponse(packs=[wire.render_pack(pack) for pack in packs])

    async def ListUsage(  # noqa: N802
        self, request: ledger_pb2.ListUsageRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[ledger_pb2.ListUsageResponse]:
        self._gate.check(context)
        account = await self._find_account(request.account_id)
        left = min(request.limit if request.limit > 0 else USAGE_LIMIT, MAX_USAGE_LIMIT)
        until_ms = _milliseconds(request.until)
        before = _check_sequence(request.before_sequence) or (f"{until_ms}-0" if until_ms else "+")
        # A field named by a word of the language is read by its name.
        since_ms = _milliseconds(getattr(request, "from"))
        entries = self._ledger.read_usage(account.account_id, before=before, since_ms=since_ms)
        async with contextlib.aclosing(entries) as found:
            async for entry in found:
                yield ledger_pb2.ListUsageResponse(entry=wire.render_entry(entry))
                left -= 1
                if not left:
                    return

    async def ListRollups(  # noqa: N802
        self, request: ledger_pb2.ListRollupsRequest, context: grpc.aio.ServicerContext
    ) -> ledger_pb2.ListRollupsResponse:
        self._gate.check(context)
        account = await self._find_account(request.account_id)
        days = _list_days(request.first_day, request.last_day)
        found = await self._ledger.read_rollup(account.account_id, days)
        return ledger_pb2.ListRollupsResponse(
            days=[
                wire.render_rollup(day, counters)
                for day, counters in zip(days, found, strict=True)
                if counters
            ]
        )

    async def VerifyLedger(  # noqa: N802
        self, request: ledger_pb2.VerifyLedgerRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[ledger_pb2.VerifyLedgerResponse]:
        self._gate.check(context)
        total = ledger_pb2.VerifyLedgerResponse(total=ledger_pb2.Balance())
        async for report in Auditor(self._ledger).verify_all():
            answer = _render_report(report)
            total.wallets += answer.wallets
            total.entries += answer.entries
            for field, value in answer.total.ListFields():
                setattr(total.total, field.name, getattr(total.total, field.name) + value)
            yield answer
        yield total

    async def ExportJournal(  # noqa: N802
        self, request: ledger_pb2.ExportJournalRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[ledger_pb2.ExportJournalResponse]:
        self._gate.check(context)
        since_ms, until_ms = _milliseconds(getattr(request, "from")), _milliseconds(request.until)
        only = request.account_id
        for tag in [partition(only)] if only else TAGS:
            stretches = self._ledger.read_journal(
                tag, str(since_ms or "-"), f"({until_ms}-0" if until_ms else "+"
            )
            async for stretch in stretches:
                entries = [
                    wire.render_entry(entry) for entry in stretch if only in ("", entry.account_id)
                ]
                if entries:
                    yield ledger_pb2.ExportJournalResponse(entries=entries)

    async def _find_account(self, account_id: str) -> Account:
        account = await self._directory.find_account(account_id)
        if account is None:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such account.")
        return account

    def _read_pack(self, request: ledger_pb2.GrantCreditsRequest) -> tuple[int, int | None]:
        """Amount and end: as asked, else as the catalog's pack says."""
        pack = self._catalog().packs.get(request.pack)
        if request.pack and pack is None:
            raise ServiceFault(Reason.NOT_FOUND, "The catalog has no such pack.")
        amount = request.amount_micros or (pack.credit if pack else 0)
        if not 0 < amount <= MAX_MICROS:
            raise _invalid(f"amount_micros is from 1 to {MAX_MICROS}, or that of a pack.")
        now_ms = int(self._clock() * 1000)
        if request.HasField("expires_at"):
            expires_ms = request.expires_at.ToMilliseconds()
            if expires_ms <= now_ms:
                raise _invalid("expires_at is in the past.")
            return amount, expires_ms
        if pack and pack.valid_days:
            return amount, now_ms + pack.valid_days * _DAY_MS
        return amount, None


def _render_report(report: Report) -> ledger_pb2.VerifyLedgerResponse:
    return ledger_pb2.VerifyLedgerResponse(
        partition=report.tag.strip("{}"),
        wallets=report.wallets,
        entries=report.entries,
        differences=[
            ledger_pb2.Difference(
                account_id=one.account_id,
                name=one.name,
                expected_micros=one.expected,
                found_micros=one.found,
            )
            for one in report.differences
        ],
        total=wire.render_balance("", report.total),
    )


def _list_days(first: str, last: str) -> list[str]:
    """Every day from ``first`` to ``last`` as "YYYYMMDD"; without them the last thirty."""
    today = datetime.now(UTC).date()
    try:
        ends = date.fromisoformat(last) if last else today
        begins = date.fromisoformat(first) if first else ends - timedelta(days=29)
    except ValueError:
        raise _invalid("Days are written YYYY-MM-DD.") from None
    count = (ends - begins).days + 1
    if not 0 < count <= MAX_DAYS:
        raise _invalid(f"Ask for 1 to {MAX_DAYS} days, the first one first.")
    return [(begins + timedelta(days=n)).strftime("%Y%m%d") for n in range(count)]


def _check_sequence(sequence: str) -> str:
    milliseconds, _, number = sequence.partition("-")
    if sequence and not (milliseconds.isdecimal() and number.isdecimal() and sequence.isascii()):
        raise _invalid("before_sequence is not one this service gave.")
    return sequence


def _milliseconds(stamp: Timestamp) -> int:
    return stamp.ToMilliseconds()


def _invalid(message: str) -> ServiceFault:
    return ServiceFault(Reason.INVALID_REQUEST, message)
