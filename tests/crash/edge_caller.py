"""Callers who come by the front door: HTTP with a key of their own, one request after the other.

What an edge calls a request it says in its answer, or never, where it dies first. Then the journal
tells: a caller's requests follow each other, so the time one began names it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from gatebeyz.inference.v1 import inference_pb2
from tests.crash.fleet import Fleet
from tests.crash.told import Told, body_of

# A request that an edge passed on as it died begins at a relay before the next one of its caller.
PAUSE_S: Final = 0.3
CALL_S: Final = 30.0


@dataclass(slots=True)
class EdgeCaller:
    """One caller with its key; ``results`` counts what it was told."""

    fleet: Fleet
    rng: random.Random
    results: Counter[str]
    account_id: str
    key_id: str
    secret: str
    is_prepaid: bool

    async def ask(self, session: aiohttp.ClientSession, name: str) -> Told:
        """One request, remembered from its beginning on."""
        told = Told(self.account_id, self.key_id, asked_at=time.time())
        edge = self.rng.choice(list(self.fleet.credits))
        address = self.fleet.credits[edge] if self.is_prepaid else self.fleet.addresses[edge]
        is_stream = self.rng.random() < 0.7
        leaves_after = self.rng.randint(1, 30) if self.rng.random() < 0.15 else 10**9
        try:
            async with session.post(
                f"http://{address}/v1/messages",
                json=body_of(self.rng, name, is_stream=is_stream),
                headers={"x-api-key": self.secret, "anthropic-version": "2023-06-01"},
                timeout=aiohttp.ClientTimeout(CALL_S),
            ) as response:
                told.ledger_id = response.headers["request-id"]
                if response.status == 200:
                    events = await self._read(response, is_stream, leaves_after)
                    told.usage = self._judge(events)
                else:
                    error = (await response.json())["error"]["type"]
                    self.results[f"edge {error}"] += 1
                    await asyncio.sleep(PAUSE_S)
        except (aiohttp.ClientError, TimeoutError):
            self.results["edge broke off"] += 1
            await asyncio.sleep(PAUSE_S)
        return told

    async def _read(
        self, response: aiohttp.ClientResponse, is_stream: bool, leaves_after: int
    ) -> list[dict[str, Any]]:
        """The events of a stream to its end, or the one body; fewer where the caller leaves."""
        if not is_stream:
            return [await response.json()]
        events: list[dict[str, Any]] = []
        async for line in response.content:
            if line.startswith(b"data:"):
                events.append(json.loads(line[5:]))
            if len(events) == leaves_after:
                response.close()
                break
        return events

    def _judge(self, events: list[dict[str, Any]]) -> inference_pb2.Usage | None:
        """The usage, where all of it came and ended well."""
        match events[-1]["type"]:
            case "message":
                usage = events[-1]["usage"]
            case "message_stop":
                usage = events[0]["message"]["usage"] | events[-2]["usage"]
            case kind:
                self.results["edge left" if kind != "error" else "edge error event"] += 1
                return None
        self.results["edge complete"] += 1
        return inference_pb2.Usage(**usage)
