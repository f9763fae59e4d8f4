"""What usage costs an account: the catalog's prices, by the pack its wallet got last."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from runtime.catalog import Catalog
from runtime.prices import Prices

# A pack bought a moment ago may price the requests of so many seconds by the one before it.
KNOWN_S: Final = 5.0
MAX_KNOWN: Final = 50_000


class WalletSource(Protocol):
    """What the list needs of the store."""

    async def read_prices(self, account_ids: list[str]) -> dict[str, str]:
        """The name of the price list of each account's wallet."""
        ...


class PriceList:
    """Prices by model and account; asks the store once in a while for an account's list."""

    def __init__(
        self,
        source: WalletSource,
        catalog: Callable[[], Catalog],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._names: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def learn(self, account_ids: Iterable[str]) -> None:
        """Know the lists of these prepaid accounts for a while. STORE_AWAY where it is."""
        now = self._clock()
        unknown = [
            account_id
            for account_id in dict.fromkeys(account_ids)
            if self._names.get(account_id, ("", 0.0))[1] <= now
        ]
        if not unknown or not any(pack.prices for pack in self._catalog().packs.values()):
            return
        for account_id, name in (await self._source.read_prices(unknown)).items():
            self._names[account_id] = name, now + KNOWN_S
            self._names.move_to_end(account_id)
        while len(self._names) > MAX_KNOWN:
            self._names.popitem(last=False)

    def prices(self, account_id: str, model: str) -> Prices | None:
        """What ``model`` costs the account; None where it has no price."""
        name = self._names.get(account_id, ("", 0.0))[0]
        return self._catalog().prices(model, name)
