"""Which life of the store this is, so that holders notice when it may have forgotten something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from runtime.faults import ServiceFault
from runtime.logs import get_logger

INTERVAL_S: Final = 1.0


class StoreIdentity:
    """``value`` changes when a primary was restarted or replaced; "" until it was first read.

    A call that begins after a change reaches the new primary: see ``Connection.identity``.
    """

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        self._ask = ask
        self._is_closed = False
        self.value = ""

    def close(self) -> None:
        """End the asking; a cancellation alone may be swallowed while a client connects."""
        self._is_closed = True

    async def follow(self) -> None:
        """Ask until closed; a background task of the process."""
        while not self._is_closed:
            try:
                found = await self._ask()
            except ServiceFault:
                found = self.value  # away: who it is shows when it is back
            if self.value and found != self.value:
                get_logger().warning("store replaced or restarted", before=self.value, now=found)
            self.value = found
            await asyncio.sleep(INTERVAL_S)
