"""The control: a ledger that looks first and takes afterwards, as many gateways do.

The same callers on the same store must be able to spend more than a pack is worth, or the crash
test proves nothing.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any


class CheckThenAct:
    """A counter of what remains; what is between the look and the act is the upstream's time."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._key = f"control:{name}"

    async def grant(self, micros: int) -> None:
        await self._client.set(self._key, micros)

    async def remaining(self) -> int:
        return int(await self._client.get(self._key))

    async def request(self, cost: int, rng: random.Random) -> bool:
        """Whether it was let through."""
        if await self.remaining() < cost:
            return False
        await asyncio.sleep(rng.uniform(0.0, 0.01))
        await self._client.decrby(self._key, cost)
        return True
