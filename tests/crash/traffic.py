"""Callers of the crash test: they ask, leave, pay and repeat, and remember what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from runtime.channels import open_channel
from runtime.config import SecretText
from runtime.faults import fault_of
from runtime.grants import Grant, Signer
from tests.crash.edge_caller import EdgeCaller
from tests.crash.fleet import Fleet
from tests.crash.told import MODEL, Told, body_of

RICH: Final = 10**9
POOR: Final = 7_000
RPC_S: Final = 5.0
ACCOUNTS: Final = 10
PLANS: Final = 2
# By the front door, one for each of the last accounts; as many more go on asking the relays.
EDGE_CALLERS: Final = 4
KEY: Final = "key_1"


@dataclass
class Traffic:
    """Every account's callers, at relays and edges. ``told`` and ``paid`` are their memory."""

    fleet: Fleet
    rng: random.Random
    told: dict[str, Told] = field(default_factory=dict)
    paid: dict[str, dict[str, int]] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    plans: list[str] = field(default_factory=list)
    _serial: int = 0
    _edge_callers: list[EdgeCaller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._signer = Signer({"k1": self.fleet.grant_key})
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Channels, accounts, and credit for most of them."""
        token = SecretText(self.fleet.service_token)
        self._relays = [
            inference_pb2_grpc.InferenceServiceStub(
                await self._stack.enter_async_context(
                    open_channel(self.fleet.addresses[name], token)
                )
            )
            for name in ("relay0", "relay1")
        ]
        auth = await self._stack.enter_async_context(open_channel(self.fleet.auth_target, token))
        self._accounts = auth_pb2_grpc.AccountServiceStub(auth)
        self._keys = auth_pb2_grpc.KeyServiceStub(auth)
        self.credit = ledger_pb2_grpc.CreditServiceStub(auth)
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(auth)
        self.metadata = (("authorization", f"Bearer {self.fleet.operator_token}"),)
        self._session = await self._stack.enter_async_context(aiohttp.ClientSession())
        for number in range(ACCOUNTS):
            product = auth_pb2.PRODUCT_API if number < PLANS else auth_pb2.PRODUCT_CREDITS
            request = auth_pb2.CreateAccountRequest(name=f"account {number}", product=product)
            answer = await self._accounts.CreateAccount(
                request, metadata=self.metadata, timeout=RPC_S
            )
            account_id = answer.account.account_id
            if number < PLANS:
                self.plans.append(account_id)
            else:
                self.paid[account_id] = {}
                await self.pay(account_id, "opening", RICH if number < 6 else POOR)
            if number % 3 == 0:  # a plan, a rich one, and two that run dry
                self._edge_callers.append(await self._edge_caller(account_id))

    async def _edge_caller(self, account_id: str) -> EdgeCaller:
        request = auth_pb2.CreateKeyRequest(account_id=account_id)
        created = await self._keys.CreateKey(request, metadata=self.metadata, timeout=RPC_S)
        is_prepaid = account_id in self.paid
        key = created.key.key_id, created.secret
        return EdgeCaller(self.fleet, self.rng, self.results, account_id, *key, is_prepaid)

    async def close(self) -> None:
        await self._stack.aclose()

    async def pay(self, account_id: str, reference: str, micros: int) -> None:
        """Grant credit, again and again until it is acknowledged; twice now and then."""
        self.paid[account_id][reference] = micros
        request = ledger_pb2.GrantCreditsRequest(
            account_id=account_id, payment_reference=reference, amount_micros=micros
        )
        times = self.rng.choice((1, 1, 2))
        while times:
            try:
                await self.credit.GrantCredits(request, metadata=self.metadata, timeout=RPC_S)
                times -= 1
            except grpc.aio.AioRpcError as error:
                self.results[f"pay {error.code().name}"] += 1
                await asyncio.sleep(0.2)

    async def run(self, lanes: int, is_over: Callable[[], bool]) -> None:
        """Ask from so many lanes until it is over; what runs then ends first."""
        work = [self._lane(is_over) for _ in range(lanes)]
        work += [self._edge_lane(caller, is_over) for caller in self._edge_callers]
        await asyncio.gather(*work, self._shop(is_over), self._repeat(is_over))

    async def _lane(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            account_id = self.rng.choice([*self.paid, *self.plans])
            await self._ask(account_id)

    async def _edge_lane(self, caller: EdgeCaller, is_over: Callable[[], bool]) -> None:
        while not is_over():
            name = self._next_name()
            self.told[name] = await caller.ask(self._session, name)

    def _next_name(self) -> str:
        self._serial += 1
        return f"req_{self._serial:06d}"

    async def _shop(self, is_over: Callable[[], bool]) -> None:
        """Small packs for the accounts that run dry."""
        poor = [name for name, paid in self.paid.items() if paid["opening"] == POOR]
        for number in range(10**6):
            if is_over():
                return
            await self.pay(self.rng.choice(poor), f"pack {number}", self.rng.randint(1, POOR))
            await asyncio.sleep(self.rng.uniform(0.2, 1.0))

    async def _repeat(self, is_over: Callable[[], bool]) -> None:
        """Settlements told again: the same, late, and wrong guesses that lagged behind."""
        while not is_over():
            await asyncio.sleep(0.2)
            ended = [told for told in self.told.values() if told.usage is not None]
            if not ended:
                continue
            chosen = self.rng.sample(ended, min(4, len(ended)))
            batch = [message for told in chosen for message in self._again(told)]
            try:
                request = ledger_pb2.SettleRequest(settlements=batch)
                await self.ledger.Settle(request, timeout=RPC_S)
                self.results["repeated"] += len(batch)
            except grpc.aio.AioRpcError as error:
                self.results[f"repeat {error.code().name}"] += 1

    def _again(self, told: Told) -> Iterator[ledger_pb2.Settlement]:
        wrong = inference_pb2.Usage(input_tokens=1, output_tokens=1, estimated=True)
        for usage in (told.usage, wrong):
            message = ledger_pb2.Settlement(
                request_id=told.ledger_id,
                account_id=told.account_id,
                key_id=told.key_id,
                model=MODEL,
                upstream="meter",
                upstream_model=MODEL,
                usage=usage,
                prepaid=told.account_id in self.paid,
            )
            message.started_at.GetCurrentTime()
            yield message

    async def _ask(self, account_id: str) -> None:
        request_id = self._next_name()
        told = self.told[request_id] = Told(account_id, KEY, request_id)
        is_stream = self.rng.random() < 0.7
        call = self.rng.choice(self._relays).Generate(
            self._request(request_id, account_id, is_stream=is_stream), timeout=30
        )
        leaves_after = self.rng.randint(1, 30) if self.rng.random() < 0.15 else 10**9
        try:
            async for message in call:
                leaves_after -= 1
                if leaves_after == 0:
                    call.cancel()
                    self.results["left"] += 1
                    return
                if message.HasField("outcome"):
                    if message.outcome.end == inference_pb2.END_COMPLETE:
                        told.usage = message.outcome.usage
                    self.results[inference_pb2.End.Name(message.outcome.end)] += 1
        except grpc.aio.AioRpcError as error:
            reason = str(fault_of(error).reason)
            self.results[reason] += 1
            if reason != "CREDIT_EXHAUSTED":
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            if not leaves_after <= 0:
                raise

    def _request(
        self, request_id: str, account_id: str, *, is_stream: bool
    ) -> inference_pb2.GenerateRequest:
        body = body_of(self.rng, request_id, is_stream=is_stream)
        grant = Grant(
            account_id=account_id,
            key_id=KEY,
            lease_id="lease",
            product="credits" if account_id in self.paid else "api",
            models=("*",),
            thinking=True,
            upstreams=(),
            expires_at=time.time() + 30,
            prepaid=account_id in self.paid,
        )
        return inference_pb2.GenerateRequest(
            grant=self._signer.sign(grant),
            dialect=inference_pb2.DIALECT_ANTHROPIC_MESSAGES,
            body=json.dumps(body).encode(),
            model=MODEL,
            request_id=request_id,
            stream=is_stream,
        )
