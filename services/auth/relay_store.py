"""What relays said of themselves last, in the store: whoever falls silent is forgotten.

Several relays report to several auth processes, so none of these can hold it in memory. It stands
under the hash tag of the directory; the states are kept as they were sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import resources
from typing import Final

from services.auth.connection import Connection

LIFE_S: Final = 10.0
_RELAYS: Final = "{directory}:relays"


class RelayStore:
    """Over a connection that somebody else closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.client
        script = resources.files("services.auth") / "scripts" / "keep_relay.lua"
        self._keep = connection.script(script.read_text("utf-8"))

    async def keep(self, relay_id: str, states: str, running: Mapping[str, int]) -> None:
        """Replace what this relay said before; good for ``LIFE_S``."""
        keys = (_RELAYS, _states(relay_id), _running(relay_id))
        counts = (part for pair in running.items() for part in pair)
        await self._keep(keys, (relay_id, int(LIFE_S * 1000), states, *counts))

    async def read_states(self) -> dict[str, str]:
        """Relay → its states, of every one that was heard of late."""
        async with self._connection.bounded():
            names = sorted(await self._redis.zrange(_RELAYS, 0, -1))
            records = await self._redis.mget([_states(name) for name in names]) if names else []
        pairs = zip(names, records, strict=True)
        return {name: record for name, record in pairs if record is not None}

    async def count_running(self, account_id: str) -> int:
        """How many requests of an account run, on all relays together."""
        async with self._connection.bounded():
            names = await self._redis.zrange(_RELAYS, 0, -1)
            counts = await asyncio.gather(
                *(self._redis.hget(_running(name), account_id) for name in names)
            )
        return sum(int(count) for count in counts if count)


def _states(relay_id: str) -> str:
    return f"{{directory}}:relay:{relay_id}"


def _running(relay_id: str) -> str:
    return f"{{directory}}:relay_running:{relay_id}"
